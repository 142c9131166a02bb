"""Every tool this process knows: built in, from plugins, from MCP servers, from the apps above."""

import logging
import re
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points

from runs.providers.base import ToolSpec
from runs.tools.arguments import is_valid_schema
from runs.tools.base import Tool
from runs.tools.builtin import BUILT_IN

logger = logging.getLogger(__name__)

ENTRY_POINTS = "starport.tools"
# What every provider accepts as the name of a function.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ToolNotFound(LookupError):
    """No tool is registered under that name or id."""


class ToolAmbiguous(LookupError):
    """Several tools share the bare name; the id says which one is meant."""


class ToolRefused(ValueError):
    """The tool cannot be registered: its name, its schema or its id is no good."""


class ToolRegistry:
    """Tools by id and by bare name, in the order of their names. Safe for use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_id: dict[str, Tool] = {}
        self._sources: dict[str, tuple[str, ...]] = {}  # source -> ids it brought
        self._problems: dict[str, tuple[str, ...]] = {}  # source -> what an operator should know

    @property
    def problems(self) -> list[str]:
        """What could not be loaded, one sentence each, for `doctor`."""
        return [line for _, lines in sorted(self._problems.items()) for line in lines]

    def register(self, tool: Tool) -> None:
        """Raises `ToolRefused`, also when the id is taken."""
        with self._lock:
            self._add(tool)

    def replace(self, source: str, tools: Iterable[Tool]) -> None:
        """Make `tools` all that `source` offers, and forget its problems.

        One whose bare name another source uses is refused and listed: a remote server must not
        shadow what is installed.
        """
        with self._lock:
            gone = self._sources.pop(source, ())
            self._by_id = {key: tool for key, tool in self._by_id.items() if key not in gone}
            complaints = []
            taken = {tool.name for tool in self._by_id.values()}
            added = []
            for tool in sorted(tools, key=lambda tool: tool.name):
                try:
                    if tool.name in taken:
                        raise ToolRefused(f"the name {tool.name} is taken; set a prefix")
                    self._add(tool)
                except ToolRefused as error:
                    complaints.append(f"{source}: {error}")
                else:
                    taken.add(tool.name)
                    added.append(tool.id)
            self._sources[source] = tuple(added)
            self._problems = {**self._problems, source: tuple(complaints)}

    def report(self, source: str, *problems: str) -> None:
        """Make `problems` all that is wrong with `source`."""
        with self._lock:
            self._problems = {**self._problems, source: problems}

    def all(self) -> list[Tool]:
        return sorted(self._by_id.values(), key=lambda tool: (tool.name, tool.id))

    def resolve(self, name: str) -> Tool:
        """The tool of that id, or of that bare name when only one has it. Raises `ToolNotFound`
        or `ToolAmbiguous`."""
        if name in self._by_id:
            return self._by_id[name]
        found = [tool for tool in self.all() if tool.name == name]
        if not found:
            raise ToolNotFound(f"there is no tool named {name[:100]!r}")
        if len(found) > 1:
            ids = ", ".join(tool.id for tool in found)
            raise ToolAmbiguous(f"several tools are named {name!r}: {ids}")
        return found[0]

    def select(self, names: Iterable[str]) -> dict[str, Tool]:
        """Tools by the bare name a model will call them by, sorted by it. Raises as `resolve`
        does, and `ToolAmbiguous` when two of `names` are different tools of one bare name."""
        chosen: dict[str, Tool] = {}
        for name in names:
            tool = self.resolve(name)
            if chosen.setdefault(tool.name, tool).id != tool.id:
                raise ToolAmbiguous(f"{chosen[tool.name].id} and {tool.id} cannot be used together")
        return dict(sorted(chosen.items()))

    def specs(self, names: Iterable[str]) -> tuple[ToolSpec, ...]:
        """What a model is told of these tools, sorted by bare name."""
        return tuple(
            ToolSpec(name=tool.name, description=tool.description, schema=tool.schema)
            for tool in self.select(names).values()
        )

    def _add(self, tool: Tool) -> None:
        if not _NAME.fullmatch(tool.name):
            raise ToolRefused(f"{tool.name[:80]!r} is not a tool name: 1 to 64 of A-Z a-z 0-9 _ -")
        if tool.schema.get("type") != "object" or not is_valid_schema(tool.schema):
            raise ToolRefused(f"the schema of {tool.name} is not the JSON Schema of an object")
        if tool.id in self._by_id:
            raise ToolRefused(f"the id {tool.id} is taken")
        # A new dict, so that readers need no lock.
        self._by_id = {**self._by_id, tool.id: tool}


def load_plugins(registry: ToolRegistry, found: Iterable[EntryPoint] | None = None) -> None:
    """Register what installed packages offer under the entry point group `starport.tools`: a
    `Tool`, a list of them, or a function without arguments that returns one of these.

    A plugin that fails is logged and listed among the problems; the others load.
    """
    found = entry_points(group=ENTRY_POINTS) if found is None else found
    for entry in sorted(found, key=lambda entry: entry.name):
        try:
            for tool in _tools_of(entry.load()):
                registry.register(tool)
        except (Exception, SystemExit) as error:  # foreign code: anything may come
            logger.exception("plugin failed to load", extra={"plugin": entry.value})
            registry.report(
                f"plugin {entry.name}", f"plugin {entry.name} ({entry.value}): {_cause(error)}"
            )


def _tools_of(loaded: Tool | Iterable[Tool] | Callable[[], Tool | Iterable[Tool]]) -> list[Tool]:
    if callable(loaded):
        loaded = loaded()
    tools = [loaded] if isinstance(loaded, Tool) else list(loaded)
    if not all(isinstance(tool, Tool) for tool in tools):
        raise ToolRefused("offers something that is not a Tool")
    return tools


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


@lru_cache(maxsize=1)
def get_registry() -> ToolRegistry:
    """The registry of this process, made on first use."""
    registry = ToolRegistry()
    for tool in BUILT_IN:
        registry.register(tool)
    load_plugins(registry)
    return registry


def register_tool(tool: Tool) -> None:
    """For apps above, from their `ready()`."""
    get_registry().register(tool)
