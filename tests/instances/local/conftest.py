"""One machine with instances for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.instances.local.machine import Machine, running_machine


@pytest.fixture(scope="package")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running_machine(tmp_path_factory.mktemp("machine")) as machine:
        yield machine


@pytest.fixture(scope="package")
def _anna(machine: Machine) -> str:
    return machine.create_running(name="Anna", region="here")


@pytest.fixture
def anna(machine: Machine, _anna: str) -> str:
    """The id of an instance that runs, and is to run afterwards."""
    machine.until_it_answers(_anna)
    return _anna
