"""A context that records, and replays, as the engine's does."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import cbor2
import pytest

from runs.log.codec import encode


@dataclass
class RecordingContext:
    """Live, it runs each effect once and keeps its value; a replay only ever reads."""

    run_id: str = "01JD0000000000000000000000"
    call_id: str = "call-1"
    actor: str = "owner"
    user_id: str | None = "7"
    capabilities: frozenset[str] = frozenset({"runs:start"})
    idempotency_key: str = "01JD0000000000000000000000:call-1"
    clock_ns: int = 1_772_000_000_123_456_789
    recorded: list[tuple[str, Any]] = field(default_factory=list)
    is_replay: bool = False

    async def now(self) -> int:
        return self.clock_ns

    async def random(self) -> int:
        return 4

    async def new_id(self) -> str:
        return "01JD0000000000000000000001"

    async def side_effect(self, name: str, fn: Callable[[], Awaitable[Any]]) -> Any:
        if self.is_replay:
            recorded_name, value = self.recorded.pop(0)
            assert recorded_name == name
            return value
        # Through the log's own encoding: what it cannot hold must not pass here.
        value = cbor2.loads(encode(await fn()))
        self.recorded.append((name, value))
        return value

    def replay(self) -> "RecordingContext":
        return RecordingContext(recorded=list(self.recorded), is_replay=True)


@pytest.fixture
def context() -> RecordingContext:
    return RecordingContext()


@pytest.fixture
def files_dir(tmp_path, settings):
    """The folder that the file tools may read."""
    folder = tmp_path / "files"
    folder.mkdir()
    settings.STARPORT_FILES_DIR = folder
    return folder
