"""Who acts when a command does: records name the person at the keyboard."""

import getpass
import os


def command_line_actor() -> str:
    """`manage.py:` and the operating system's user: the name, or the number of a nameless one."""
    try:
        return f"manage.py:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user without an entry in /etc/passwd
        return f"manage.py:{os.getuid()}"
