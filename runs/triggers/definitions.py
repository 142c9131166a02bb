"""What a trigger is defined as, by the file or in the admin, and what is refused at the door.

The fields carry the names of the models' columns, and complaints name them.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from runs.errors import GraphNotFound, InvalidInput, RunsError
from runs.graphs.registry import get_graph
from runs.models import CronTrigger, Trigger, WebhookTrigger
from runs.services.starting import check_request
from runs.triggers.environment import secret_from
from runs.triggers.mapping import check_mapping
from runs.triggers.run_requests import run_request
from runs.triggers.schedules import check_schedule

PREFIX = "hooks/"  # where the paths of webhooks lie
WINDOW_SECONDS = range(1, 86_401)
MIN_SECRET_CHARS = 16  # of a secret that is entered; what the environment holds is its owner's

ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,55}"
PATH_PATTERN = r"[A-Za-z0-9_~-][A-Za-z0-9._~-]*(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*"
_HEADER = re.compile(r"[A-Za-z0-9-]{1,100}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


@dataclass(frozen=True, kw_only=True)
class ManualDefinition:
    """A graph with inputs under a name that people and programs call."""

    trigger_id: str
    graph_id: str = "agent"
    params: dict[str, Any] = field(default_factory=dict)
    is_enabled: bool = True

    @property
    def kind(self) -> str:
        return Trigger.Kind.MANUAL


@dataclass(frozen=True, kw_only=True)
class CronDefinition(ManualDefinition):
    cron_expression: str
    tz: str = "UTC"
    missed_fire_policy: str = CronTrigger.MissedFirePolicy.FIRE_ONCE_CATCHUP

    @property
    def kind(self) -> str:
        return Trigger.Kind.CRON


@dataclass(frozen=True, kw_only=True)
class WebhookDefinition(ManualDefinition):
    """`path` may begin with `/hooks/`; see `normal_path`."""

    path: str
    scheme: str = WebhookTrigger.Scheme.STARGRAPH
    mapping: dict[str, Any] = field(default_factory=dict)
    current_secret_env: str = ""
    previous_secret_env: str = ""
    timestamp_window_seconds: int = 300
    signature_header: str = ""
    timestamp_header: str = ""

    @property
    def kind(self) -> str:
        return Trigger.Kind.WEBHOOK


Definition = ManualDefinition | CronDefinition | WebhookDefinition


def check_definition(definition: Definition) -> None:
    """Raise `InvalidInput` for what could never fire."""
    check_id(definition.trigger_id)
    if not isinstance(definition.params, dict):
        raise InvalidInput("expected an object of inputs", field="params")
    check_graph(definition.graph_id)
    if isinstance(definition, CronDefinition):
        check_schedule(definition.cron_expression, definition.tz)
        if definition.missed_fire_policy not in CronTrigger.MissedFirePolicy.values:
            choices = " or ".join(CronTrigger.MissedFirePolicy.values)
            raise InvalidInput(f"expected {choices}", field="missed_fire_policy")
        _check_startable(definition)
    if isinstance(definition, WebhookDefinition):
        _check_webhook(definition)


def check_id(trigger_id: str) -> None:
    if not re.fullmatch(ID_PATTERN, trigger_id):
        raise InvalidInput(
            "expected 1 to 56 letters, digits and _ . : -, beginning with a letter or digit",
            field="trigger_id",
        )


def check_graph(graph_id: str) -> None:
    try:
        get_graph(graph_id)
    except GraphNotFound as error:
        raise InvalidInput(str(error), field="graph_id") from None


def normal_path(path: str) -> str:
    """As it is stored: below `/hooks/`, which may be said or left out. Raises `InvalidInput`."""
    short = path.strip().removeprefix("/").removeprefix(PREFIX)
    if len(short) > 200 or not re.fullmatch(PATH_PATTERN, short):
        raise InvalidInput(
            "expected a path such as /hooks/tickets: letters, digits and - _ . ~ between slashes",
            field="path",
        )
    return short


def _check_startable(definition: CronDefinition) -> None:
    """A cron trigger has no other inputs than its own, so what they lack they always will."""
    try:
        check_request(
            run_request(
                trigger_id=definition.trigger_id,
                kind=definition.kind,
                graph_id=definition.graph_id,
                inputs=definition.params,
            )
        )
    except RunsError as error:
        raise InvalidInput(str(error), field="params") from None


def _check_webhook(definition: WebhookDefinition) -> None:
    normal_path(definition.path)
    check_mapping(definition.mapping)
    if definition.scheme not in WebhookTrigger.Scheme.values:
        choices = " or ".join(WebhookTrigger.Scheme.values)
        raise InvalidInput(f"expected {choices}", field="scheme")
    if definition.timestamp_window_seconds not in WINDOW_SECONDS:
        raise InvalidInput(
            f"expected {WINDOW_SECONDS[0]} to {WINDOW_SECONDS[-1]} seconds",
            field="timestamp_window_seconds",
        )
    for name in ("signature_header", "timestamp_header"):
        header = getattr(definition, name)
        if header and not _HEADER.fullmatch(header):
            raise InvalidInput("expected the name of an HTTP header", field=name)
    for name in ("current_secret_env", "previous_secret_env"):
        variable = getattr(definition, name)
        if variable and not (_VARIABLE.fullmatch(variable) and secret_from(variable)):
            raise InvalidInput(
                f"the environment of this process has no variable {variable!r}", field=name
            )


def check_entered_secret(secret: str) -> None:
    if len(secret) < MIN_SECRET_CHARS:
        raise InvalidInput(f"expected at least {MIN_SECRET_CHARS} characters", field="new_secret")
