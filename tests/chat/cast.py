"""New users for the tests of a server, made many at a time: starting a command takes long."""

from collections import defaultdict
from dataclasses import dataclass, field

from tests.server import RunningServer

AT_A_TIME = 20

_MAKE = """
from accounts.services.api_keys import issue_key
from accounts.services.users import create_user
for _ in range({count}):
    user = create_user(actor="test", role="{role}")
    print(issue_key(user_id=user.pk, actor="test").secret)
"""


@dataclass
class Users:
    """Keys of users that nobody has used yet, by role."""

    server: RunningServer
    _unused: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def take(self, role: str) -> str:
        """The key of a new user of that role."""
        unused = self._unused[role]
        if not unused:
            count = AT_A_TIME if role == "user" else 2
            code = _MAKE.format(count=count, role=role)
            done = self.server.manage("shell", "--no-imports", "-c", code)
            assert done.returncode == 0, done.stderr
            unused += done.stdout.split()
        return unused.pop()
