"""A second process on a server's data: calls services of `runs.services.lifecycle`.

Reads one JSON request per line, `{"call": "pause_run", "run_id": …}`, and answers each with one
line: `{"status": …}` of the run, or `{"refused": …}`, the name of the error.
"""

import json
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    import django

    django.setup()
    from accounts.principals import DAEMON
    from runs.errors import RunsError
    from runs.services import lifecycle

    print(json.dumps({"ready": True}), flush=True)  # noqa: T201
    for line in sys.stdin:
        request = json.loads(line)
        name = request.pop("call")
        if name == "respond":
            request["caller"] = DAEMON
        service = getattr(lifecycle, name)
        try:
            reply = {"status": service(**request).status}
        except RunsError as error:
            reply = {"refused": type(error).__name__}
        print(json.dumps(reply), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
