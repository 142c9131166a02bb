"""Requests of chat completions in few words."""

from typing import Any

from openai import OpenAI

SCRIPTED = "scripted/scripted"
TOOL_TALK = '!say Let me see.\n!tool calculate {"expression": "6*7"}\n!turn\n!say It is 42.'


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def ask(client: OpenAI, text: str, *, model: str = SCRIPTED, **fields: Any) -> Any:
    """The completion of one message."""
    return client.chat.completions.create(
        model=model,
        messages=[user(text)],  # type: ignore[list-item] # the client types each role apart
        **fields,
    )


def run_of(completion: Any) -> str:
    """The run that a completion is."""
    return str(completion.id).removeprefix("chatcmpl-")
