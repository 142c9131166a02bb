"""Documents are found: by their words, and by embeddings.

SQLite keeps the words in an FTS5 table beside the chunks, which triggers keep in step. PostgreSQL
keeps them in a generated column with a GIN index. Neither is known to Django's models. Stop words
are kept on both, and letters are stemmed by English rules.
"""

import django.db.models.deletion
from django.db import migrations, models

SQLITE = (
    "CREATE VIRTUAL TABLE chat_memorytext USING fts5("
    "text, content='chat_memorychunk', content_rowid='id', tokenize='porter unicode61')",
    "CREATE TRIGGER chat_memorytext_insert AFTER INSERT ON chat_memorychunk BEGIN"
    " INSERT INTO chat_memorytext(rowid, text) VALUES (new.id, new.text); END",
    "CREATE TRIGGER chat_memorytext_delete AFTER DELETE ON chat_memorychunk BEGIN"
    " INSERT INTO chat_memorytext(chat_memorytext, rowid, text)"
    " VALUES ('delete', old.id, old.text); END",
    "CREATE TRIGGER chat_memorytext_update AFTER UPDATE OF id, text ON chat_memorychunk BEGIN"
    " INSERT INTO chat_memorytext(chat_memorytext, rowid, text)"
    " VALUES ('delete', old.id, old.text);"
    " INSERT INTO chat_memorytext(rowid, text) VALUES (new.id, new.text); END",
    "INSERT INTO chat_memorytext(chat_memorytext) VALUES ('rebuild')",
)
SQLITE_BACK = (
    "DROP TRIGGER chat_memorytext_insert",
    "DROP TRIGGER chat_memorytext_delete",
    "DROP TRIGGER chat_memorytext_update",
    "DROP TABLE chat_memorytext",
)

# The parser would read addresses, paths and numbers as one word each; FTS5 reads words. A longer
# line than 100,000 characters might have more words than a tsvector holds.
POSTGRES = (
    "CREATE TEXT SEARCH DICTIONARY starport_stem (TEMPLATE = snowball, LANGUAGE = english)",
    "CREATE TEXT SEARCH CONFIGURATION starport_words (COPY = simple)",
    "ALTER TEXT SEARCH CONFIGURATION starport_words"
    " ALTER MAPPING FOR asciiword, word, numword, asciihword, hword, numhword,"
    " hword_asciipart, hword_part, hword_numpart WITH starport_stem",
    "ALTER TABLE chat_memorychunk ADD COLUMN words tsvector GENERATED ALWAYS AS ("
    "to_tsvector('starport_words'::regconfig, translate(left(text, 100000),"
    " $punctuation$!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~$punctuation$, repeat(' ', 32)))) STORED",
    "CREATE INDEX chat_memorychunk_words ON chat_memorychunk USING gin (words)",
)
POSTGRES_BACK = (
    "ALTER TABLE chat_memorychunk DROP COLUMN words",
    "DROP TEXT SEARCH CONFIGURATION starport_words",
    "DROP TEXT SEARCH DICTIONARY starport_stem",
)


def make_index(apps, schema_editor):
    for statement in SQLITE if schema_editor.connection.vendor == "sqlite" else POSTGRES:
        schema_editor.execute(statement, None)


def drop_index(apps, schema_editor):
    for statement in SQLITE_BACK if schema_editor.connection.vendor == "sqlite" else POSTGRES_BACK:
        schema_editor.execute(statement, None)


class Migration(migrations.Migration):
    dependencies = [("chat", "0002_compaction_exchanges"), ("runs", "0004_triggers")]

    operations = [
        migrations.AddField(
            model_name="memorychunk",
            name="signature",
            field=models.BinaryField(null=True),
        ),
        migrations.AddIndex(
            model_name="memorychunk",
            index=models.Index(
                condition=models.Q(("signature__isnull", False)),
                fields=["owner", "embedding_model", "signature"],
                name="memory_chunk_signature",
            ),
        ),
        migrations.AddIndex(
            model_name="memorychunk",
            index=models.Index(fields=["embedding_model", "id"], name="memory_chunk_embedding"),
        ),
        migrations.RunPython(make_index, drop_index),
        migrations.CreateModel(
            name="DailyEntry",
            fields=[
                ("key", models.CharField(max_length=200, primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=255)),
                (
                    "run",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="runs.run",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="session",
            name="reviewed_count",
            field=models.IntegerField(db_default=0, default=0),
        ),
    ]
