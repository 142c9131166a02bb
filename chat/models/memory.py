"""What the assistant remembers: documents in Markdown, and the pieces that search finds."""

from django.db import models

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


class MemoryChunk(models.Model):
    """Some lines of a document, as search finds them."""

    document = models.ForeignKey(MemoryDocument, on_delete=models.CASCADE, related_name="chunks")
    owner = models.CharField(max_length=100, blank=True, default="")  # of the document
    number = models.IntegerField()  # within the document, from 0
    text = models.TextField()
    line_start = models.IntegerField()  # 1-based
    line_end = models.IntegerField()  # inclusive
    embedding = models.BinaryField(null=True)  # little-endian float32; NULL without vector search
    embedding_model = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="memory_chunk_once", fields=["document", "number"]),
        ]
        indexes = [
            # Vector search walks the chunks of the owners a caller may search.
            models.Index(fields=["owner"], name="memory_chunk_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}:{self.line_start}-{self.line_end}"
