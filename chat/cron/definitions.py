"""What a job may be: its fields with their bounds, as they come in over HTTP and from tools."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

HEARTBEAT = "__heartbeat__"

NAME_CHARS = 200
PROMPT_CHARS = 100_000


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("must be printable")
    return _not_blank(name)


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Name = Annotated[
    str,
    AfterValidator(_printable),
    Field(max_length=NAME_CHARS, description="Unique among the jobs of its owner"),
]
Prompt = Annotated[
    str,
    AfterValidator(_not_blank),
    Field(max_length=PROMPT_CHARS, description="What the assistant is told each time"),
]
Enabled = Annotated[bool, Field(description="Whether its times count")]
DeleteAfterRun = Annotated[
    bool, Field(description="Runs once and is deleted, after the last retry if it fails")
]
SessionMode = Annotated[
    Literal["isolated", "main"],
    Field(description="A new conversation for each run, or all in the one with the key `main`"),
]
Overlap = Annotated[
    Literal["skip", "queue", "parallel"],
    Field(description="What a time does that comes while a run is under way"),
]
CatchesUp = Annotated[
    bool, Field(description="Whether times missed while nothing ran are made up for, once")
]
MaxRetries = Annotated[int, Field(ge=0, le=10, description="After a failure")]
TimeoutSecs = Annotated[
    int, Field(ge=1, le=86_400, description="A run that takes longer is cancelled, and has failed")
]


class JobChanges(BaseModel):
    """What is to become of a job; None leaves a field as it is."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    name: Name | None = None
    prompt: Prompt | None = None
    schedule: dict[str, Any] | None = None  # see chat.cron.schedules.read_schedule
    enabled: Enabled | None = None
    delete_after_run: DeleteAfterRun | None = None
    session_mode: SessionMode | None = None
    overlap: Overlap | None = None
    catches_up: CatchesUp | None = None
    max_retries: MaxRetries | None = None
    timeout_secs: TimeoutSecs | None = None

    def given(self) -> dict[str, Any]:
        """Columns and their new values, the schedule apart."""
        return self.model_dump(
            exclude_none=True, include=set(JobChanges.model_fields) - {"schedule"}
        )


class NewJob(JobChanges):
    """A job to be made; what is None is as the settings or the model have it."""

    name: Name
    prompt: Prompt
    schedule: dict[str, Any]
