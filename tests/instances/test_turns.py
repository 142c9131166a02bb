"""How many requests may wait for the backend at a time."""

from concurrent.futures import ThreadPoolExecutor

from instances.services.turns import OF_ONE_CALLER
from tests.conftest import StartServer
from tests.instances.conftest import KEY, Fleet
from tests.instances.fake_backend import FakeBackend
from tests.instances.faults import Hang
from tests.instances.test_failures import ask


def test_a_backend_that_hangs_holds_so_many_requests_of_one_caller(start_server: StartServer):
    backend = FakeBackend(key=KEY)
    env = {"STARPOD_INSTANCE_BACKEND_URL": backend.url, "STARPOD_INSTANCE_API_KEY": KEY}
    fleet = Fleet(start_server(env=env, workers=0), backend)
    backend.fail("list", Hang())
    with ThreadPoolExecutor(OF_ONE_CALLER) as pool, fleet.as_role("viewer") as other:
        waiting = [pool.submit(ask, fleet.client, "list") for _ in range(OF_ONE_CALLER)]
        backend.wait_for("list", count=OF_ONE_CALLER)

        refused = [ask(fleet.client, operation) for operation in ("list", "health", "restart")]
        admitted = other.get("/api/instances/bot")
        backend.close()
        held = [answer.result().status_code for answer in waiting]

    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in refused] == [
        (503, "1")
    ] * 3
    assert refused[0].json()["error"].startswith("List instances error: too many requests wait")
    assert (admitted.status_code, held) == (404, [502] * OF_ONE_CALLER)
    assert ask(fleet.client, "list").status_code == 502  # all turns were given back
