"""`manage.py instance …` on a data folder that no server uses, and the fake backend it asks."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.instances.cli.fake_ssh import FakeSsh
from tests.instances.conftest import KEY
from tests.instances.fake_backend import FakeBackend
from tests.migrated import copy_sqlite_database, template_database
from tests.server import backing_services, clean_environment
from tests.warm_manage import WarmManage

#: Read by Python before any program: a system that has no files in memory.
_WITHOUT_MEMFD = "import os\ndel os.memfd_create\n"


@dataclass(frozen=True)
class Installation:
    """A migrated data folder, and a program to run commands on it."""

    backend: FakeBackend
    data_dir: Path
    environment: dict[str, str]
    ssh: FakeSsh
    #: Where this program might leave temporary files: all folders are empty, or should be.
    scratch: Path
    warm: WarmManage

    def __call__(self, *arguments: str) -> CompletedProcess[str]:
        """`manage.py instance …` to its end."""
        return self.warm.run("instance", *arguments)

    def audit(self) -> str:
        """The records of the trail, a line each, newest first."""
        return self.warm.run("audit", "list", "--json").stdout


Install = Callable[..., Installation]


@pytest.fixture(scope="session")
def _install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    with ExitStack() as stack:

        def install(*, has_memfd: bool = True) -> Installation:
            backend = stack.enter_context(closing(FakeBackend(key=KEY)))
            folder = tmp_path_factory.mktemp("instance-command")
            data_dir, scratch, python = folder / "data", folder / "scratch", folder / "python"
            for one in (data_dir, scratch / "tmp", scratch / "run", python):
                one.mkdir(parents=True, mode=0o700)
            if not has_memfd:
                (python / "sitecustomize.py").write_text(_WITHOUT_MEMFD)
            copy_sqlite_database(data_dir)
            ssh = FakeSsh(folder / "ssh")
            services = stack.enter_context(backing_services(template=template_database()))
            environment = clean_environment(
                data_dir,
                **services,
                STARPOD_INSTANCE_BACKEND_URL=backend.url,
                STARPOD_INSTANCE_API_KEY=KEY,
                PATH=ssh.path,
                PYTHONPATH=str(python),
                TMPDIR=str(scratch / "tmp"),
                XDG_RUNTIME_DIR=str(scratch / "run"),
            )
            warm = stack.enter_context(closing(WarmManage(environment)))
            return Installation(backend, data_dir, environment, ssh, scratch, warm)

        yield install


@pytest.fixture(scope="session")
def _instance(_install: Install) -> Installation:
    return _install()


@pytest.fixture(scope="session")
def _instance_without_memfd(_install: Install) -> Installation:
    return _install(has_memfd=False)


@pytest.fixture
def instance(_instance: Installation) -> Installation:
    """The command; the backend is as new for each test."""
    _instance.backend.reset()
    _instance.ssh.reset()
    return _instance


@pytest.fixture(params=["in memory", "in a folder"])
def either(request: pytest.FixtureRequest) -> Installation:
    """The command on a system that has files in memory, and on one that has none."""
    name = "_instance" if request.param == "in memory" else "_instance_without_memfd"
    installation: Installation = request.getfixturevalue(name)
    installation.backend.reset()
    installation.ssh.reset()
    return installation
