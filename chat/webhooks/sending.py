"""One attempt: the request, and what came of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chat.webhooks.claims import Letter
from chat.webhooks.signing import signed_headers
from project.version import VERSION
from runs.tools.fetch import FetchError, post, rules_from_settings

TOTAL_SECONDS = 15.0
#: Bytes of an answer that are looked at.
RESPONSE_BYTES = 1_000
UNREADABLE = "the secret cannot be read: SECRET_KEY has changed; rotate it"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt. `error` is empty when the receiver took the message."""

    duration_ms: int
    error: str
    status: int | None = None
    response: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)  # names in lower case

    @property
    def is_taken(self) -> bool:
        return not self.error


async def send(letter: Letter) -> Result:
    """Never raises but when it is cancelled: a receiver cannot do anything to us."""
    if not letter.secrets:
        return Result(0, UNREADABLE)
    began = time.monotonic()
    headers = signed_headers(letter.message_id, int(time.time()), letter.body, letter.secrets)
    headers |= {"Content-Type": "application/json", "User-Agent": f"Starport/{VERSION}"}
    rules = replace(
        rules_from_settings(), total_seconds=TOTAL_SECONDS, max_body_bytes=RESPONSE_BYTES
    )
    try:
        answer = await post(letter.url, letter.body, rules, headers=headers)
    except FetchError as error:
        return Result(_milliseconds_since(began), str(error))
    return Result(
        _milliseconds_since(began),
        "" if 200 <= answer.status < 300 else _refusal(answer.status),
        answer.status,
        answer.body.decode(errors="replace").replace("\x00", "\ufffd"),
        {name.lower(): value for name, value in answer.headers.items()},
    )


def _refusal(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed"
    return f"answered {status}"


def _milliseconds_since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
