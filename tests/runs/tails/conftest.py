"""One server with graphs of one agent node each, and the fault tools."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import _server_factory
from tests.e2e.driving import WITH_FAULT_TOOLS, Driver, Steering, steering

GRAPHS: dict[str, dict[str, Any]] = {
    "strict": {"tools": ["*"], "on_tool_error": "fail"},
    "two-turns": {"tools": ["*"], "max_turns": 2},
    "little-input": {"tools": ["price"], "budget": {"max_input_tokens": 400}},
    "little-output": {"tools": ["*"], "budget": {"max_output_tokens": 10}},
    "little-money": {"tools": ["*"], "budget": {"max_usd": 0.0001}},
    "little-time": {"tools": ["*"], "budget": {"max_wall_clock_ms": 300}},
    "one-tool": {"tools": ["faults.price@1.0"], "system": "Be brief."},
}


@pytest.fixture(scope="session")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    graphs = tmp_path_factory.mktemp("graphs")
    for name, config in GRAPHS.items():
        nodes = [{"id": "agent", "kind": "agent", "config": config}]
        document = {"ir_version": "1.1.0", "id": name, "nodes": nodes}
        Path(graphs, f"{name}.yaml").write_text(yaml.safe_dump(document))
    with _server_factory(tmp_path_factory) as start:
        server = start(
            flags=["--graphs", str(graphs)],
            env=WITH_FAULT_TOOLS | {"STARPORT_DRAIN_SECONDS": "0"},
            workers=2,
            may_fail=True,  # tools that raise are logged with their traceback
        )
        yield Driver(server)


@pytest.fixture
def driver(_driver: Driver) -> Driver:
    return _driver


@pytest.fixture(scope="session")
def steer(_driver: Driver) -> Iterator[Steering]:
    """A second process on the same data."""
    with steering(_driver.server) as steer:
        yield steer
