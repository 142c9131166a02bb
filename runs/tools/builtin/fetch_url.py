"""`fetch_url`: one page of the public web, as text."""

from email.message import Message
from typing import Annotated, Any

from pydantic import Field

from runs.tools.base import ToolContext, ToolError
from runs.tools.fetch import MAX_URL_CHARACTERS, Fetched, FetchError, fetch, rules_from_settings
from runs.tools.recorded import recorded
from runs.tools.typed import tool

_MEDIA = ("image/", "audio/", "video/", "font/")
_BINARY_PROBE_BYTES = 1024

Url = Annotated[
    str, Field(min_length=1, max_length=MAX_URL_CHARACTERS, description="An http or https URL")
]


# "external": a GET should change nothing, but a model may be sent to a URL where it does.
@tool(side_effects="external", timeout_seconds=20)
async def fetch_url(url: Url, context: ToolContext) -> dict[str, Any]:
    """Fetch a public web page or API answer as text (GET, at most 1 MiB). The status may be an
    error status; `truncated` says that there was more."""

    async def page() -> dict[str, Any]:
        try:
            return _as_text(await fetch(url, rules_from_settings()))
        except FetchError as error:
            raise ToolError(str(error)) from error

    result: dict[str, Any] = await recorded(context, "fetch_url", page)
    return result


def _as_text(fetched: Fetched) -> dict[str, Any]:
    content_type = fetched.headers.get("content-type", "")
    if _is_binary(content_type.lower(), fetched.body):
        raise ToolError(f"the answer is not text but {content_type[:100] or 'binary data'}")
    return {
        "url": fetched.url,
        "status": fetched.status,
        "content_type": content_type,
        "body": _decoded(fetched.body, content_type),
        "truncated": fetched.truncated,
    }


def _is_binary(content_type: str, body: bytes) -> bool:
    if content_type.startswith(_MEDIA) and "svg" not in content_type:
        return True
    return b"\0" in body[:_BINARY_PROBE_BYTES] and "utf-16" not in content_type


def _decoded(body: bytes, content_type: str) -> str:
    header = Message()
    header["Content-Type"] = content_type
    charset = header.get_content_charset() or "utf-8"
    try:
        return body.decode(charset, "replace")
    except LookupError:  # a charset nobody heard of
        return body.decode("utf-8", "replace")
