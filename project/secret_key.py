"""Django's secret key for installations that set none: made once, kept in the data folder."""

import os
import secrets
from pathlib import Path

FILE_NAME = "secret_key"


def load_or_create(data_dir: Path) -> str:
    """The key of this data folder.

    Without a data folder (checks, migrations being written) the key lasts as long as the process.
    """
    path = data_dir / FILE_NAME
    if not data_dir.is_dir():
        return secrets.token_urlsafe(50)
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return _create(path)


def _create(path: Path) -> str:
    # Written aside and linked into place: of two processes that start together one wins, and
    # neither ever reads half a key.
    draft = path.with_name(f".{FILE_NAME}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # the other process was first; its key is the one
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")
