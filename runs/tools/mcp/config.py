"""Which MCP servers there are: STARPORT_MCP_SERVERS, as JSON text or the path of a file."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from runs.tools.base import SideEffects

_SERVER_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NO_TIMEOUT_SECONDS = 86_400.0
DEFAULT_OUTPUT_BYTES = 1_048_576


class McpConfigError(ValueError):
    """A server is configured wrongly; the message says which one and why, without its secrets."""


class ToolMarks(BaseModel):
    """What is known of one remote tool; fields left out are the server's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    side_effects: SideEffects | None = None
    idempotent: bool | None = None
    timeout: float | None = Field(default=None, ge=0)


class McpServer(BaseModel):
    """One server, by `command` (a subprocess speaking over its stdin and stdout) or by `url`
    (streamable HTTP). Values of `env` and `headers` may contain `${NAME}`, an environment
    variable; they are filled in when connecting, so that this object holds no secret."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: str = ""
    args: list[str] = []
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str = Field(default="", pattern=r"^(https?://.*)?$")
    headers: dict[str, str] = {}
    include: list[str] | None = None  # remote names; None: all
    exclude: list[str] = []  # wins over include
    prefix: str = Field(default="", pattern=r"^[A-Za-z0-9_-]{0,40}$")
    timeout: float = Field(default=60.0, ge=0)  # seconds per call; 0: none
    max_output_bytes: int = DEFAULT_OUTPUT_BYTES  # of a result as JSON; 0 or less: the default
    text_only: bool = False
    # What a server says of its own tools is a hint from a stranger, so the operator marks them.
    side_effects: SideEffects = "external"
    idempotent: bool = False
    tools: dict[str, ToolMarks] = {}  # marks of single tools, by remote name

    @model_validator(mode="after")
    def _one_transport(self) -> "McpServer":
        if bool(self.command) == bool(self.url):
            raise ValueError("give either command or url")
        return self

    def offers(self, remote_name: str) -> bool:
        included = self.include is None or remote_name in self.include
        return included and remote_name not in self.exclude

    def side_effects_of(self, remote_name: str) -> SideEffects:
        return self._marks(remote_name).side_effects or self.side_effects

    def is_idempotent(self, remote_name: str) -> bool:
        mark = self._marks(remote_name).idempotent
        return self.idempotent if mark is None else mark

    def timeout_of(self, remote_name: str) -> float:
        mark = self._marks(remote_name).timeout
        return (self.timeout if mark is None else mark) or _NO_TIMEOUT_SECONDS

    @property
    def output_limit(self) -> int:
        return self.max_output_bytes if self.max_output_bytes > 0 else DEFAULT_OUTPUT_BYTES

    def _marks(self, remote_name: str) -> ToolMarks:
        return self.tools.get(remote_name, ToolMarks())


@dataclass(frozen=True, slots=True)
class McpConfig:
    servers: dict[str, McpServer]
    problems: tuple[str, ...] = ()  # of servers left out, one sentence each


def load_config(setting: str) -> McpConfig:
    """Read the setting. A server that is configured wrongly is left out and listed."""
    if not setting:
        return McpConfig({})
    try:
        entries = _entries(setting)
    except McpConfigError as error:
        return McpConfig({}, (str(error),))
    servers: dict[str, McpServer] = {}
    problems = []
    for name, entry in sorted(entries.items()):
        try:
            servers[name] = _server(name, entry)
        except McpConfigError as error:
            problems.append(str(error))
    return McpConfig(servers, tuple(problems))


def expanded(server_name: str, values: Mapping[str, str]) -> dict[str, str]:
    """`values` with every `${NAME}` filled in. Raises `McpConfigError` naming an unset variable."""

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise McpConfigError(f"MCP server {server_name}: {match[1]} is not set")
        return os.environ[match[1]]

    return {key: _VARIABLE.sub(value_of, value) for key, value in values.items()}


def _entries(setting: str) -> dict[str, Any]:
    """Server name -> raw entry. The form other MCP clients use, under `mcpServers`, is fine too."""
    try:
        text = setting if setting.lstrip().startswith("{") else Path(setting).read_text("utf-8")
        document = yaml.safe_load(text)  # JSON is YAML
    except OSError as error:
        raise McpConfigError(f"STARPORT_MCP_SERVERS: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, ValueError):
        raise McpConfigError("STARPORT_MCP_SERVERS: is not valid JSON or YAML") from None
    if isinstance(document, dict) and isinstance(document.get("mcpServers"), dict):
        document = document["mcpServers"]
    if not isinstance(document, dict):
        raise McpConfigError("STARPORT_MCP_SERVERS: must be an object of servers by name")
    return {str(name): entry for name, entry in document.items()}


def _server(name: str, entry: Any) -> McpServer:
    if not _SERVER_NAME.fullmatch(name):
        raise McpConfigError(f"MCP server {name[:40]!r}: a name is 1 to 40 of A-Z a-z 0-9 _ -")
    try:
        return McpServer.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"])
        complaint = first["msg"].removeprefix("Value error, ")
        raise McpConfigError(
            f"MCP server {name}: {field + ': ' if field else ''}{complaint}"
        ) from None
