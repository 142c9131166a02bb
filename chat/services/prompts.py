"""What the model reads of a message: its text, and where its files lie."""

from collections.abc import Iterable, Mapping
from typing import Any

WITHOUT_TEXT = "(see the attached files)"


def prompt_of(text: str, attachments: Iterable[Mapping[str, Any]]) -> str:
    notes = "".join(f"\n\n[Attached file: {item['path']}]" for item in attachments)
    return (text if text.strip() else WITHOUT_TEXT) + notes
