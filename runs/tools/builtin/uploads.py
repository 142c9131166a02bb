"""Files that people send. Tools find them in `downloads`, where each run sees its user's alone."""

from blake3 import blake3

FOLDER = "downloads"


def stored_path(path: str, *, user_id: str | None, actor: str) -> str:
    """Where `path` lies below the files folder: within `downloads`, in the folder of the user, or
    of whoever acts where there is no user."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or parts[:1] != [FOLDER]:
        return path
    return "/".join([FOLDER, user_id or blake3(actor.encode()).hexdigest(16), *parts[1:]])
