"""Measuring inside a process of its own: settings, connections and caches begin empty.

The parent names a function as `module:function` and its arguments; the child prints what the
function returned as one line of JSON.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.core.machine import ROOT
from bench.core.surroundings import environment

#: Longer than the longest figure takes on a busy machine.
TIMEOUT_SECONDS = 1_800.0


class MeasurementFailed(Exception):
    """A process that measures, or is measured, ended badly. Carries what it wrote to stderr."""


def run_isolated(
    target: str, data: Path, variables: Mapping[str, str] | None = None, **arguments: Any
) -> Any:
    """Call `target` in a fresh process with Django set up on `data`, configured by `variables`."""
    environ = environment(data, **(variables or {}))
    return _run(target, environ, {"django": True, "arguments": arguments})


def run_plain(target: str, scratch: Path, **arguments: Any) -> Any:
    """Call `target` in a fresh process that knows nothing of Django."""
    return _run(target, environment(scratch), {"django": False, "arguments": arguments})


def _run(target: str, environ: dict[str, str], order: dict[str, Any]) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "bench.core.isolated", target],
        input=json.dumps(order),
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise MeasurementFailed(f"{target} ended with {done.returncode}\n{done.stderr[-4000:]}")
    return json.loads(done.stdout.strip().rpartition("\n")[2])


def main() -> None:
    order = json.load(sys.stdin)
    if order["django"]:
        _prepare_django()
    module, _, name = sys.argv[1].partition(":")
    answer = getattr(importlib.import_module(module), name)(**order["arguments"])
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _prepare_django() -> None:
    import django
    from django.core.management import call_command

    from project.data_folder import prepare

    prepare(Path(os.environ["STARPORT_DATA"]))
    django.setup()
    call_command("migrate", interactive=False, verbosity=0)


if __name__ == "__main__":
    main()
