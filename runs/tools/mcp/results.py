"""What becomes of the answer of an MCP tool."""

import json
from dataclasses import dataclass
from typing import Any

from mcp_types import CallToolResult, TextContent

from runs.tools.base import ToolError
from runs.tools.mcp.config import McpServer
from runs.tools.typed import as_object

_MAX_ERROR_CHARACTERS = 4000


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it is recorded: its JSON, and whether the server calls it an error."""

    result: bytes
    is_error: bool = False

    def as_record(self) -> dict[str, Any]:
        record: dict[str, Any] = {"result": self.result}
        return record | {"is_error": True} if self.is_error else record

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Answer":
        return cls(bytes(record["result"]), bool(record.get("is_error")))

    def value(self) -> Any:
        """The tool's result. Raises `ToolError` with the server's words for an error."""
        value = json.loads(self.result)
        if self.is_error:
            raise ToolError(_error_text(value)[:_MAX_ERROR_CHARACTERS])
        return as_object(value)


def failure(message: str) -> Answer:
    """An error of ours about an answer that did arrive, so that it replays as the same error."""
    return Answer(_json({"text": [message]}), is_error=True)


def answer_of(result: CallToolResult, server: McpServer) -> Answer:
    """Structured content if there is any; otherwise the content, text alone where the server is
    configured so. What is too big or no text there is an error, never cut."""
    if server.text_only and result.structured_content is None and not _is_text(result):
        return failure("the tool answered with something that is not text")
    try:
        answer = Answer(_json(_mapped(result, server)), result.is_error)
    except ValueError:
        return failure("the tool answered with numbers that JSON cannot hold")
    if len(answer.result) > server.output_limit:
        return failure(f"the tool's answer is larger than {server.output_limit:,} bytes")
    return answer


def _mapped(result: CallToolResult, server: McpServer) -> Any:
    if result.structured_content is not None and not result.is_error:
        return result.structured_content
    if server.text_only:
        return {"text": [item.text for item in result.content if isinstance(item, TextContent)]}
    content = [
        item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in result.content
    ]
    return {"content": content, "is_error": True} if result.is_error else {"content": content}


def _is_text(result: CallToolResult) -> bool:
    return all(isinstance(item, TextContent) for item in result.content)


def _error_text(value: Any) -> str:
    texts = value.get("text", []) if isinstance(value, dict) else []
    if isinstance(value, dict) and "content" in value:
        texts = [item["text"] for item in value["content"] if item.get("type") == "text"]
    return "\n".join(texts) or "the tool failed and did not say why"


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "replace"
    )
