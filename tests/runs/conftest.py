"""For the tests of this app that run in this process."""

import pytest


@pytest.fixture(autouse=True)
def _audit_at_once(settings) -> None:
    """No background thread that writes the records of one test into the database of the next."""
    settings.STARPORT_AUDIT_FLUSH_MS = 0
