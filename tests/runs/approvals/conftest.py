"""Those who answer, each with their way in."""

from tests.runs.inspector.conftest import (  # noqa: F401
    _nothing_remembered,
    admin,
    admin_client,
    get,
    owner,
    text_of,
)
