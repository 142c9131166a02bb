"""What an endpoint may be: its fields with their bounds, as they come in over HTTP."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from chat.webhooks.event_types import SUBSCRIBABLE
from runs.tools.fetch import FetchError, check_port, parse_url, rules_from_settings

URL_CHARS = 2_000


def check_url(url: str) -> str:
    """Where its host lies is looked at for each attempt: names can be pointed elsewhere."""
    try:
        check_port(parse_url(url), rules_from_settings())
    except FetchError as error:
        raise ValueError(str(error)) from None
    return url


def check_events(events: list[str]) -> list[str]:
    for name in events:
        if name not in SUBSCRIBABLE:
            raise ValueError(f"{name[:60]!r} is none of {', '.join(SUBSCRIBABLE)}")
    return sorted(set(events))


def _one_line(text: str) -> str:
    if not (text.isprintable() or text == ""):
        raise ValueError("must be printable")
    return text.strip()


Url = Annotated[
    str,
    Field(max_length=URL_CHARS, description="http or https, without user name or password"),
    AfterValidator(check_url),
]
Events = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=50,
        description="Types, or families of them: `run.*`, `approval.*`, `instance.*`",
    ),
    AfterValidator(check_events),
]
Description = Annotated[
    str, Field(max_length=200, description="One line for people"), AfterValidator(_one_line)
]
Enabled = Annotated[bool, Field(description="A disabled endpoint gets nothing")]


class EndpointChanges(BaseModel):
    """What is to become of an endpoint; None leaves a field as it is."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    url: Url | None = None
    events: Events | None = None
    description: Description | None = None
    enabled: Enabled | None = None


class NewEndpoint(EndpointChanges):
    """An endpoint to be made."""

    url: Url
    events: Events
