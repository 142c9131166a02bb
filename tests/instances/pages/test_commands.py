"""How long pages wait for a backend, and how many of them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from instances.errors import BackendBusy, BackendFailed
from instances.models import Instance
from instances.pages.commands import COMMANDS, MOST_WAITING, give, look
from instances.pages.under_way import GOES_ON
from tests.accounts.cast import facts
from tests.instances.faults import Chunks, Hang
from tests.instances.local.machine import until
from tests.instances.pages.rows import make_instance

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE = COMMANDS["pause"]


@pytest.mark.parametrize("fault", [Hang(), Chunks([b" ", 0.05], ending="repeat")])
def test_what_does_not_end_is_not_waited_for(configured, fault):
    make_instance("inst-1")
    configured.add(id="inst-1")
    configured.fail("pause", fault)

    failures = give(PAUSE, ["inst-1"], actor="olga", patience=0.3)

    assert failures == {"inst-1": GOES_ON}
    assert Instance.objects.get().status == "running"
    assert facts("instance_command") == []
    configured.refuse()
    until(lambda: bool(facts("instance_command")))
    assert facts("instance_command")[-1]["outcome"] == "BackendFailed"


def test_one_that_hangs_keeps_no_other_from_being_told(configured):
    configured.add(id="inst-1")
    configured.add(id="inst-2")
    configured.fail("pause", Hang(), times=1)

    failures = give(PAUSE, ["inst-1", "inst-2"], actor="olga", patience=1)

    assert sorted(failures.values()) == ["", GOES_ON]
    configured.refuse()
    until(lambda: len(facts("instance_command")) == 2)


def test_few_threads_wait_and_the_next_is_refused_at_once(configured):
    for number in range(MOST_WAITING + 1):
        configured.add(id=f"inst-{number}")
    configured.fail("pause", Hang())
    with ThreadPoolExecutor(MOST_WAITING) as pool:
        waiting = [
            pool.submit(give, PAUSE, [f"inst-{number}"], actor="olga", patience=60)
            for number in range(MOST_WAITING)
        ]
        configured.wait_for("pause", count=MOST_WAITING)

        with pytest.raises(BackendBusy):
            give(PAUSE, [f"inst-{MOST_WAITING}"], actor="olga")

        configured.refuse()
        assert all(list(work.result().values()) != [""] for work in waiting)
    configured.listen()
    configured.heal()
    assert give(PAUSE, ["inst-0"], actor="olga") == {"inst-0": ""}


def test_who_looks_keeps_nobody_from_commanding(configured):
    configured.add(id="inst-1")
    configured.fail("list", Hang())
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        configured.wait_for("list")

        with pytest.raises(BackendBusy):
            look()
        assert give(PAUSE, ["inst-1"], actor="olga") == {"inst-1": ""}

        configured.refuse()
        assert isinstance(looking.exception(), BackendFailed)
    configured.listen()
    configured.heal()
    assert look() == 1
