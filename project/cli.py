"""`manage.py`: what has to happen before Django reads its settings, and one-line complaints."""

import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from project.data_folder import DataFolderError, prepare
from project.lib.quick_start import set_up_django
from project.serve import options

#: Commands that begin an installation, and Django's for developers, which try things out on a new
#: one. For all others a folder that is not there is a mistyped one, and is not made.
_MAKING_THE_FOLDER = (
    "serve",
    "instance_backend",
    "migrate",
    "check",
    "makemigrations",
    "openapi",
    "test",
)


def main(argv: list[str]) -> int:
    """Run one command. Returns the exit code."""
    os.umask(0o077)  # the database holds what people said, whoever made the folder
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    try:
        argv = _prepare_environment(argv)
        _load_settings()
    except options.OptionError as error:
        return _complain(argv, str(error), error.exit_code)
    except (DataFolderError, ImproperlyConfigured) as error:
        return _complain(argv, str(error), 1)

    from django.core.management import execute_from_command_line

    try:
        set_up_django()
        execute_from_command_line(argv)
    except DataFolderError as error:
        return _complain(argv, str(error), 1)
    return 0


def _prepare_environment(argv: list[str]) -> list[str]:
    """Turn flags into environment. Returns `argv` as the command itself may see it."""
    folder, argv = take_data_option(argv)
    if folder is not None:
        os.environ["STARPORT_DATA"] = folder
    if argv[1:2] == ["serve"]:
        options.apply(argv[2:], os.environ)
    folder_path = Path(os.environ.get("STARPORT_DATA", "").strip() or "data").resolve()
    if _command(argv) in _MAKING_THE_FOLDER or folder_path.is_dir():
        prepare(folder_path)
    return argv


def _load_settings() -> None:
    from django.conf import settings

    _ = settings.DATA_DIR  # the first access reads the module


def take_data_option(argv: list[str]) -> tuple[str | None, list[str]]:
    """The value of `--data`, which every command takes wherever it stands, and the other words."""
    for index, argument in enumerate(argv):
        if argument == "--":
            break
        if argument.startswith("--data="):
            return argument.removeprefix("--data="), argv[:index] + argv[index + 1 :]
        if argument == "--data":
            if index + 1 == len(argv):
                raise options.OptionError("argument --data: expected one argument")
            return argv[index + 1], argv[:index] + argv[index + 2 :]
    return None, argv


def _complain(argv: list[str], message: str, exit_code: int) -> int:
    sys.stderr.write(f"{_command(argv)}: {message}\n")
    return exit_code


def _command(argv: list[str]) -> str:
    return argv[1] if len(argv) > 1 else "manage.py"
