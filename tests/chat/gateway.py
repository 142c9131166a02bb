"""`/api` as one caller sees it."""

import uuid
from dataclasses import dataclass
from typing import Any

import httpx


def new_key() -> str:
    """A conversation's key, as clients make them."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Gateway:
    client: httpx.Client

    def post_chat(self, text: str, **fields: Any) -> httpx.Response:
        return self.client.post("/api/chat", json={"text": text, **fields})

    def chat(self, text: str, **fields: Any) -> dict[str, Any]:
        """The answer to a message that is answered."""
        answer = self.post_chat(text, **fields)
        assert answer.status_code == 200, answer.text
        reply: dict[str, Any] = answer.json()
        return reply

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()
