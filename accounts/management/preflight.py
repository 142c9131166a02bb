"""Is there a database, and is it the one this program expects?"""

from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader


def require_database() -> None:
    """Raises `CommandError` when there is none, or one of another version."""
    if not database_exists():
        raise CommandError(f"there is no database in {settings.DATA_DIR}; `serve` creates one")
    if problem := schema_problem():
        raise CommandError(problem)


def database_exists() -> bool:
    """False for a SQLite file that is not there: connecting would create an empty one."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return True
    return Path(connection.settings_dict["NAME"]).exists()


def schema_problem() -> str:
    """What separates the tables from what the program expects; empty when nothing does."""
    loader = MigrationLoader(connection)
    known, applied = set(loader.disk_migrations), set(loader.applied_migrations)
    missing = sorted(known - applied)
    if missing:
        return (
            f"the database lacks {len(missing)} migrations, the first is {'.'.join(missing[0])};"
            " `manage.py migrate` applies them"
        )
    # Applied migrations of apps that this program has, and does not know.
    newer = sorted(key for key in applied - known if key[0] in loader.migrated_apps)
    if newer:
        return f"the database is newer than this program: it has {'.'.join(newer[0])}"
    return ""
