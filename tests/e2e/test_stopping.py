"""What the end of a server leaves to the next one."""

import signal

from tests.conftest import StartServer
from tests.e2e.driving import WITH_FAULT_TOOLS, Driver, steering
from tests.e2e.snapshots import changed, query, read_events


def test_sigterm_gives_running_runs_back_and_they_go_on_after_the_restart(
    start_server: StartServer,
):
    server = start_server(env=WITH_FAULT_TOOLS | {"STARPORT_DRAIN_SECONDS": "1"})
    driver = Driver(server)
    slow = driver.start('!say begun\n!tool upsert {"seconds": 6}\n!turn\n!say slow done')
    once = driver.start('!tool transfer {"seconds": 6}\n!turn\n!say I cannot tell')
    quick = driver.start('!sleep 4\n!tool price {"article": "tea"}\n!turn\n!say quick done')
    driver.until_traced("upsert")
    driver.until_traced("transfer")
    driver.until_event(quick, "TurnStarted")

    code = server.stop()

    runs = "SELECT status, lease_token, lease_expires_at FROM runs_run"
    before = read_events(server.data_dir, server.environment)
    assert code == 0
    # Given back, not merely abandoned: nobody need wait for a lease to run out.
    assert query(server.data_dir, server.environment, runs) == [("pending", "", None)] * 3

    server.start_again()
    texts = [driver.until_ended(run_id)["final_text"] for run_id in (slow, once, quick)]

    assert texts == ["slow done", "I cannot tell", "quick done"]
    assert changed(before, read_events(server.data_dir, server.environment)) == []
    assert driver.traces("transfer").total() == 1
    assert server.manage("runs", "validate").returncode == 0


def test_a_tool_that_blocks_for_ever_does_not_hold_up_the_end(start_server: StartServer):
    server = start_server(env=WITH_FAULT_TOOLS | {"STARPORT_DRAIN_SECONDS": "0.2"})
    driver = Driver(server)
    driver.start('!tool blocks {"seconds": 250}')  # longer than anybody waits for the exit
    driver.until_traced("blocks")

    assert server.stop() == 0


def test_a_second_signal_ends_it_where_it_stands_and_nothing_is_lost(start_server: StartServer):
    server = start_server(env=WITH_FAULT_TOOLS)
    driver = Driver(server)
    run_id = driver.start('!tool upsert {"seconds": 5}\n!turn\n!say done')
    driver.until_traced("upsert")

    server.process.send_signal(signal.SIGTERM)
    server.process.send_signal(signal.SIGINT)
    server.process.wait()
    server.kill()  # closes what was open to it
    server.start_again()

    assert driver.until_ended(run_id)["final_text"] == "done"
    assert server.manage("runs", "validate").returncode == 0


def test_a_second_server_on_the_data_of_a_working_one_refuses_and_disturbs_nothing(
    start_server: StartServer,
):
    server = start_server(env=WITH_FAULT_TOOLS)
    driver = Driver(server)
    run_id = driver.start('!tool transfer {"seconds": 2}\n!turn\n!say done')
    driver.until_traced("transfer")

    second = server.manage("serve", "--addr", "127.0.0.1:0")

    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert driver.until_ended(run_id)["final_text"] == "done"
    assert "RunResumed" not in driver.kinds(run_id)


def test_a_run_that_outlasts_its_lease_keeps_it(start_server: StartServer):
    # Under Celery a second worker would take over what the first one loses.
    server = start_server(env=WITH_FAULT_TOOLS | {"STARPORT_LEASE_SECONDS": "1"}, workers=2)
    driver = Driver(server)

    detail, events = driver.run('!tool transfer {"seconds": 5}\n!turn\n!say done')

    assert detail["final_text"] == "done"
    assert "RunResumed" not in [event["kind"] for event in events]


def test_a_paused_call_runs_once_though_its_worker_dies(start_server: StartServer):
    server = start_server(env=WITH_FAULT_TOOLS)
    driver = Driver(server)
    with steering(server) as steer:
        run_id = driver.start('!sleep 0.5\n!tool transfer {"seconds": 3}\n!turn\n!say who knows')
        driver.until_event(run_id, "TurnStarted")
        steer("pause_run", run_id, actor="olga")
        driver.until_event(run_id, "RunPaused")
        steer("resume_run", run_id, actor="olga")
        driver.until_traced("transfer")

    server.kill()
    server.start_again()

    assert driver.until_ended(run_id)["final_text"] == "who knows"
    assert driver.traces("transfer").total() == 1
