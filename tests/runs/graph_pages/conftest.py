"""A browser with an admin's login, and what it sees."""

from tests.runs.inspector.conftest import (  # noqa: F401 - fixtures
    _nothing_remembered,
    admin,
    admin_client,
    text_of,
)
