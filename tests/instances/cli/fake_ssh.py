"""A program named `ssh`, first on PATH, that tells how it was called and does as a test says."""

import os
from pathlib import Path

_PROGRAM = """#!/bin/sh
# Reads the key by its path, as ssh does, and then does what a test wrote for it.
here={here}
cli=$PPID
printf '%s\\n' "$@" > "$here/arguments"
key= hosts= before=
for word; do
    [ "$before" = -i ] && key=$word
    case $word in UserKnownHostsFile=*) hosts=${{word#*=}} ;; esac
    before=$word
done
if [ -n "$key" ]; then
    cat "$key" > "$here/key"
    stat -Lc '%a %u' "$key" > "$here/mode"
fi
. "$here/script"
"""


class FakeSsh:
    """In its script, `$cli` is the process that started it, and `$key`, `$hosts` are paths."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = folder / "bin"
        self._programs.mkdir(parents=True)
        self.install()
        self.reset()

    @property
    def path(self) -> str:
        """For PATH."""
        return f"{self._programs}:{os.environ['PATH']}"

    def install(self) -> None:
        program = self._programs / "ssh"
        program.write_text(_PROGRAM.format(here=self._folder))
        program.chmod(0o755)

    def reset(self) -> None:
        for one in self._folder.iterdir():
            if one.is_file():
                one.unlink()
        self.does("exit 0")

    def does(self, script: str) -> None:
        """From its next start on."""
        (self._folder / "script").write_text(script + "\n")

    @property
    def was_started(self) -> bool:
        return self.has("arguments")

    @property
    def arguments(self) -> list[str]:
        return self.read("arguments").splitlines()

    @property
    def key(self) -> str:
        """As it could be read."""
        return self.read("key")

    @property
    def mode(self) -> tuple[str, int]:
        """Permissions of the key and the number of its owner."""
        permissions, owner = self.read("mode").split()
        return permissions, int(owner)

    def has(self, name: str) -> bool:
        return (self._folder / name).exists()

    def read(self, name: str) -> str:
        """What a script wrote to `$here/<name>`."""
        return (self._folder / name).read_text()
