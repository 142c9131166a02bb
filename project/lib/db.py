"""Write transactions that take turns instead of colliding."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

# SQLite admits one writer, and a writer that finds the file locked sleeps and asks again, which
# starves under load. Threads of this process therefore queue here; other processes still meet at
# the file lock, where `timeout` (settings) decides.
_sqlite_writers = threading.RLock()


@contextmanager
def write_transaction() -> Iterator[None]:
    """`transaction.atomic()`, entered by one thread of this process at a time on SQLite.

    Re-entrant. On Postgres it is `atomic()` and nothing more: rows are locked there, not the file.
    Inside a plain `atomic()` (Django's admin begins one) it is no more either: that one has the
    file already, and the thread whose turn it is waits for the file.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            yield
        return
    with _sqlite_writers, transaction.atomic():
        yield
