"""What a user's memory begins with."""

from chat.memory.documents import write_document
from chat.models import MemoryDocument

SEEDED_BY = "starport"

TEMPLATES = {
    "USER.md": """\
# About the user

What is known of the person you talk to: name, language, work, likes and dislikes.
""",
    "MEMORY.md": """\
# Memory

What should be known in every conversation: facts, decisions, arrangements.
""",
}


def seed(owner: str) -> None:
    """Write the templates of those documents that the owner does not have."""
    there = set(
        MemoryDocument.objects.filter(owner=owner, name__in=TEMPLATES).values_list(
            "name", flat=True
        )
    )
    for name, content in TEMPLATES.items():
        if name not in there:
            write_document(owner, name, content, actor=SEEDED_BY)
