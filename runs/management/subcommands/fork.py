"""`runs fork`: start a run that goes on from a step of another one, changed or not."""

import argparse
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from accounts import capabilities
from accounts.management.actor import command_line_actor
from accounts.principals import Principal
from project.lib.command_line import count
from project.lib.terminal import Terminal
from runs.errors import InvalidInput
from runs.graph_api.requests import MutationBody
from runs.management.lookup import find_run
from runs.management.preflight import require_database
from runs.services.forking import fork_run
from runs.services.mutations import Mutation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="ID")
    parser.add_argument("--step", type=count, required=True, help="the last one that is kept")
    parser.add_argument(
        "--set",
        dest="fields",
        metavar="FIELD=JSON",
        action="append",
        default=[],
        help="a state field of the fork; may be given several times",
    )
    parser.add_argument(
        "--mutation", metavar="JSON|@FILE", default="{}", help="as POST …/counterfactual takes it"
    )
    parser.add_argument("--reason", default="", help="kept with the fork and in the audit trail")


def run(options: argparse.Namespace, terminal: Terminal) -> int:
    require_database()
    mutation = _mutation(options.mutation, options.fields)
    # Whoever has a shell here may do what the daemon's token may.
    caller = Principal(
        actor=command_line_actor(),
        user_id=None,
        capabilities=capabilities.DAEMON,
        sees_all_runs=True,
        provider="command_line",
    )
    parent = find_run(options.run_id)
    fork = fork_run(
        parent, step=options.step, mutation=mutation, caller=caller, reason=options.reason
    )
    terminal.line(fork.run_id)
    return 0


def _mutation(source: str, fields: list[str]) -> Mutation:
    text = Path(source[1:]).read_text() if source.startswith("@") else source
    values = _parsed("--mutation", text)
    if not isinstance(values, dict):
        raise InvalidInput("--mutation is not a JSON object", field="mutation")
    for assignment in fields:
        name, equals, value = assignment.partition("=")
        if not name or not equals:
            raise InvalidInput(f"--set {assignment!r} is not FIELD=JSON", field="set")
        state = values.setdefault("state_overrides", {})
        if isinstance(state, dict):
            state[name] = _parsed(f"--set {name}", value)
    try:
        return MutationBody.model_validate(values).as_service()
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"--mutation: {place}: {first['msg']}", field="mutation") from None


def _parsed(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise InvalidInput(f"{option} is not JSON", field=option.lstrip("-")) from None
