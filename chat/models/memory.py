"""What the assistant remembers: documents in Markdown, and the pieces that search finds."""

from django.db import models
from django.db.models import Q

from runs.models import Run


class MemoryDocument(models.Model):
    """A Markdown document. Its name is a path: `SOUL.md`, `memory/2026-11-30.md`."""

    # "" is shared by all (the assistant's own), else the id of the user whose it is.
    owner = models.CharField(max_length=100, blank=True, default="")
    name = models.CharField(max_length=255)
    content = models.TextField(blank=True, default="")
    digest = models.CharField(max_length=64)  # BLAKE3 of the content, hex
    indexed_digest = models.CharField(max_length=64, blank=True, default="")  # of what is searched
    # The run that wrote it last, and who; empty run: a person.
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    updated_by = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            # chat.memory.documents catches this violation: of two first writers one creates it.
            models.UniqueConstraint(name="memory_document_once", fields=["owner", "name"]),
        ]
        ordering = ("owner", "name")

    def __str__(self) -> str:
        return self.name


class DailyEntry(models.Model):
    """An entry that a tool call put into a daily log: the same call, issued again, adds nothing."""

    key = models.CharField(primary_key=True, max_length=200)  # ToolContext.idempotency_key
    # A call cannot be issued again when its run is gone.
    run = models.ForeignKey(Run, null=True, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=255)  # of the document

    def __str__(self) -> str:
        return self.key


class MemoryChunk(models.Model):
    """Some lines of a document, as search finds them.

    Triggers and a generated column keep the index of its words (migration 0040): SQLite loses them
    when a migration makes the table anew, as most changes of a column do there.
    """

    document = models.ForeignKey(MemoryDocument, on_delete=models.CASCADE, related_name="chunks")
    owner = models.CharField(max_length=100, blank=True, default="")  # of the document
    number = models.IntegerField()  # within the document, from 0
    text = models.TextField()
    line_start = models.IntegerField()  # 1-based
    line_end = models.IntegerField()  # inclusive
    embedding = models.BinaryField(null=True)  # little-endian float32; NULL without vector search
    embedding_model = models.CharField(max_length=200, blank=True, default="")
    signature = models.BinaryField(null=True)  # a bit for each number of the embedding: its sign

    class Meta:
        constraints = [
            models.UniqueConstraint(name="memory_chunk_once", fields=["document", "number"]),
        ]
        indexes = [
            # Word search: whether a chunk is one of those a caller may search.
            models.Index(fields=["owner"], name="memory_chunk_owner"),
            # Vector search walks the signatures of those owners, and reads nothing else for it.
            models.Index(
                fields=["owner", "embedding_model", "signature"],
                name="memory_chunk_signature",
                condition=Q(signature__isnull=False),
            ),
            # What has no embedding of a model yet, oldest first.
            models.Index(fields=["embedding_model", "id"], name="memory_chunk_embedding"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}:{self.line_start}-{self.line_end}"
