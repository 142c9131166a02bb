"""A client of Telegram's Bot API, as much of it as the bot needs.

The token is part of every address, so no error of the transport is ever passed on as it is.
"""

from dataclasses import dataclass
from typing import Any

import httpx

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
#: How long Telegram keeps an idle poll open.
POLL_SECONDS = 25
WANTED = ["message", "callback_query"]


class BotApiError(Exception):
    """Telegram refused, or could not be reached. `status` is 0 then."""

    def __init__(
        self, method: str, description: str, *, status: int = 0, retry_after: float | None = None
    ) -> None:
        super().__init__(f"{method}: {description}")
        self.status = status
        self.retry_after = retry_after  # seconds


@dataclass(frozen=True, slots=True)
class File:
    """A file to send."""

    name: str
    mime_type: str
    data: bytes


class BotApi:
    """Calls of one bot. Use as an async context manager."""

    def __init__(self, base: str, token: str) -> None:
        self._base = base.rstrip("/")
        self._token = token
        timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
        self._client = httpx.AsyncClient(timeout=timeout, follow_redirects=False)

    async def __aenter__(self) -> "BotApi":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get_me(self) -> dict[str, Any]:
        me: dict[str, Any] = await self._call("getMe")
        return me

    async def get_updates(self, offset: int | None) -> list[dict[str, Any]]:
        """What came in; waits for the first. What lies before `offset` is done with."""
        asked: dict[str, Any] = {"timeout": POLL_SECONDS, "allowed_updates": WANTED}
        if offset is not None:
            asked["offset"] = offset
        updates: list[dict[str, Any]] = await self._call(
            "getUpdates", asked, read_seconds=POLL_SECONDS + READ_SECONDS
        )
        return updates

    async def send_message(
        self,
        chat_id: int,
        text: str,
        *,
        parse_mode: str = "",
        reply_markup: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "chat_id": chat_id,
            "text": text,
            "link_preview_options": {"is_disabled": True},
        }
        if parse_mode:
            body["parse_mode"] = parse_mode
        if reply_markup:
            body["reply_markup"] = reply_markup
        sent: dict[str, Any] = await self._call("sendMessage", body)
        return sent

    async def send_typing(self, chat_id: int) -> None:
        await self._call("sendChatAction", {"chat_id": chat_id, "action": "typing"})

    async def send_file(self, chat_id: int, file: File) -> None:
        """As a photo when it is an image, else as a document."""
        kind = "photo" if file.mime_type.startswith("image/") else "document"
        await self._call(
            f"send{kind.capitalize()}",
            {"chat_id": str(chat_id)},
            files={kind: (file.name, file.data, file.mime_type)},
        )

    async def answer_callback(self, query_id: str, text: str = "") -> None:
        await self._call("answerCallbackQuery", {"callback_query_id": query_id, "text": text})

    async def remove_buttons(self, chat_id: int, message_id: int) -> None:
        await self._call("editMessageReplyMarkup", {"chat_id": chat_id, "message_id": message_id})

    async def download(self, file_id: str, max_bytes: int) -> bytes:
        """The bytes of a file that came in. Raises `BotApiError` for one that is too large."""
        found = await self._call("getFile", {"file_id": file_id})
        path = str(found.get("file_path", ""))
        if not path or ".." in path or "://" in path:
            raise BotApiError("getFile", "there is no such file")
        address = f"{self._base}/file/bot{self._token}/{path}"
        data = bytearray()
        try:
            async with self._client.stream("GET", address) as response:
                if response.status_code != 200:
                    raise BotApiError("download", "refused", status=response.status_code)
                async for block in response.aiter_bytes():
                    data += block
                    if len(data) > max_bytes:
                        raise BotApiError("download", "the file is too large", status=413)
        except httpx.HTTPError as error:
            raise BotApiError("download", type(error).__name__) from None
        return bytes(data)

    async def _call(
        self,
        method: str,
        body: dict[str, Any] | None = None,
        *,
        files: dict[str, tuple[str, bytes, str]] | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> Any:
        address = f"{self._base}/bot{self._token}/{method}"
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
        try:
            if files:
                response = await self._client.post(address, data=body, files=files, timeout=timeout)
            else:
                response = await self._client.post(address, json=body or {}, timeout=timeout)
            answer = response.json()
        except httpx.HTTPError as error:
            raise BotApiError(method, type(error).__name__) from None
        except ValueError:
            raise BotApiError(
                method, "the answer is no JSON", status=response.status_code
            ) from None
        if not isinstance(answer, dict) or not answer.get("ok"):
            raise _refusal(method, response.status_code, answer)
        return answer.get("result")


def _refusal(method: str, status: int, answer: Any) -> BotApiError:
    said = answer if isinstance(answer, dict) else {}
    parameters = said.get("parameters")
    retry_after = parameters.get("retry_after") if isinstance(parameters, dict) else None
    return BotApiError(
        method,
        str(said.get("description", "refused"))[:200],
        status=status,
        retry_after=float(retry_after) if isinstance(retry_after, (int, float)) else None,
    )
