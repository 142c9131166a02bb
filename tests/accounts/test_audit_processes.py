"""Several processes share one audit chain."""

import os
import subprocess
import sys

from django.conf import settings

SETUP = "import django; django.setup(); "
RECORD = SETUP + (
    "from accounts import audit\n"
    "for i in range(100):\n"
    "    audit.record('capability_granted', actor='p', durable=i % 4 == 0, i=i)\n"
)
VERIFY = SETUP + "from accounts import audit; v = audit.verify(); print(v.checked, v.is_intact)"


def python(code: str, folder: str) -> "subprocess.Popen[str]":
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "STARPORT_DATA": folder,
        "DATABASE_URL": "",
    }
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[str, str]:
    with process:
        return process.communicate()


def test_three_processes_at_once_lose_nothing_not_even_at_their_exit(tmp_path):
    migrate = (
        SETUP
        + "from django.core.management import call_command; call_command('migrate', verbosity=0)"
    )
    assert finish(python(migrate, str(tmp_path))) == ("", "")

    writers = [python(RECORD, str(tmp_path)) for _ in range(3)]
    outputs = [finish(writer) for writer in writers]

    assert outputs == [("", "")] * 3
    assert finish(python(VERIFY, str(tmp_path))) == ("300 True\n", "")
