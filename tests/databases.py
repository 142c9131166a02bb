"""Databases of tests: made one at a time, emptied quickly, dropped by the dozen.

PostgreSQL begins each drop with a checkpoint of everything, which takes seconds where others work
as well. Drops at the same time share one, and no test waits for them. And it empties a table by
making a new one, which is dear for the hundred tables that a test has not touched.
"""

import atexit
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.management import create_contenttypes
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.backends.postgresql.base import DatabaseWrapper as PostgreSQL
from django.db.backends.sqlite3.base import DatabaseWrapper as SQLite
from django.db.models.signals import post_migrate

_DOZEN = 12
#: What Django fills from the models.
_STANDING = frozenset({"django_content_type", "auth_permission"})

_lock = threading.Lock()
_retired: list[tuple[str, str]] = []  # URL of the cluster, name
_dropping: list[threading.Thread] = []


def create_database(cluster_url: str, *, name: str, template: str = "") -> str:
    """The URL of a new database: an empty one, or a copy of the one that `template` names."""
    copied = f' TEMPLATE "{template}"' if template else ""
    _execute(cluster_url, f'CREATE DATABASE "{name}"{copied}')
    return urlunsplit(urlsplit(cluster_url)._replace(path=name))


def drop_later(cluster_url: str, name: str) -> None:
    """Nobody needs this database any more; whoever is still connected is thrown out."""
    with _lock:
        _retired.append((cluster_url, name))
        if len(_retired) >= _DOZEN:
            _start_dropping()


def drop_now() -> None:
    """Return when every database that may be dropped is gone."""
    with _lock:
        _start_dropping()
        threads = _dropping.copy()
        _dropping.clear()
    for thread in threads:
        thread.join()


def _start_dropping() -> None:
    threads = [threading.Thread(target=_drop, args=one) for one in _retired]
    _retired.clear()
    _dropping.extend(threads)
    for thread in threads:
        thread.start()


@atexit.register
def _drop_rest() -> None:
    """What nobody dropped before the end, in this thread: by now no other may be started."""
    for cluster_url, name in _retired:
        _drop(cluster_url, name)


def _drop(cluster_url: str, name: str) -> None:
    _execute(cluster_url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(cluster_url: str, statement: str) -> None:
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(statement.encode())  # the names are ours


@contextmanager
def emptied_quickly() -> Iterator[None]:
    """Have Django empty tables without the tenth of a second that it takes after each test.

    What it fills from the models stays, and so need not be filled again.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SQLite.ops_class, "sql_flush", _flush_sqlite)
        patch.setattr(PostgreSQL.ops_class, "sql_flush", _flush_postgresql)
        receivers = {create_permissions: _PERMISSIONS_UID, create_contenttypes: None}
        for receiver, uid in receivers.items():
            assert post_migrate.disconnect(receiver, dispatch_uid=uid)
        yield
        for receiver, uid in receivers.items():
            post_migrate.connect(receiver, dispatch_uid=uid)


#: As `django.contrib.auth` connects it.
_PERMISSIONS_UID = "django.contrib.auth.management.create_permissions"
_really_flush_sqlite = SQLite.ops_class.sql_flush


def _flush_sqlite(
    operations: BaseDatabaseOperations, style: Any, tables: Sequence[str], **options: Any
) -> list[str]:
    emptied = [table for table in tables if table not in _STANDING]
    return _really_flush_sqlite(operations, style, emptied, **options)


def _flush_postgresql(
    operations: BaseDatabaseOperations, _style: Any, tables: Sequence[str], **_: Any
) -> list[str]:
    """Statements that empty these tables, whose constraints are deferred.

    The locks wait for what threads of the test still write, as truncating would.
    """
    names = [operations.quote_name(table) for table in tables if table not in _STANDING]
    if not names:
        return []
    locks = f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"
    return [locks, *(f"DELETE FROM {name}" for name in names)]  # noqa: S608 - our own names
