"""The system prompt of a conversation: who the assistant is, and what it knows of the user."""

from collections.abc import Iterator

from chat.live_settings import current
from chat.live_settings.groups import General, Memory
from chat.memory.documents import SHARED, newest_documents, read_document
from chat.memory.seeds import seed

DAILY = "memory/"
DAYS = 3


def system_prompt(owner: str) -> str:
    """What the model is told before a conversation; a session keeps the one it began with.

    The owner's first conversation begins with the templates of their documents.
    """
    seed(owner)
    cap = current(Memory).bootstrap_file_cap
    sections = [f"Your name is {current(General).agent_name}."]
    for name, content in _documents(owner):
        if content.strip():
            sections.append(f"--- {name} ---\n{_capped(content, cap)}")
    return "\n\n".join(sections)


def _documents(owner: str) -> Iterator[tuple[str, str]]:
    yield "SOUL.md", read_document(SHARED, "SOUL.md")
    yield "USER.md", read_document(owner, "USER.md")
    yield "MEMORY.md", read_document(owner, "MEMORY.md")
    for document in newest_documents(owner, DAILY, DAYS):
        yield document.name, document.content


def _capped(content: str, cap: int) -> str:
    return content.encode()[:cap].decode(errors="ignore")
