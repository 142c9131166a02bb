"""What is taken out of a text before anything stores it."""

from typing import Any, cast

import pytest

from accounts import audit
from accounts.models import AuditRecord
from runs.engine.journal import LiveJournal
from runs.errors import InvalidInput
from runs.event_types import InputReceived, RunStarted, ToolCallScheduled, UserMessageAppended
from runs.live import TextDelta, hub
from runs.log import redaction
from runs.log.append import RunTail
from runs.log.redact import redact_event
from runs.log.redaction import redact_payload, redact_text
from runs.models import Event, Redaction, Run
from runs.services.starting import Idempotency, StartRequest, start_run
from tests.runs.log.test_validate import HEALTHY, write_run

KEY = "sp_live_" + "ab12" * 10


@pytest.fixture
def configure(settings):
    """Sets STARPORT_REDACT, which is read once."""

    def set_patterns(*patterns):
        settings.STARPORT_REDACT = list(patterns)
        redaction._operator_patterns.cache_clear()

    yield set_patterns
    redaction._operator_patterns.cache_clear()


def cleaned(payload):
    return redact_payload(payload, payload.encode())


def test_a_payload_without_secrets_is_left_alone(configure):
    message = UserMessageAppended("hello")

    assert cleaned(message) is None
    configure("nothing like it")
    assert cleaned(message) is None


def test_built_in_patterns_need_no_setting():
    call = ToolCallScheduled("c1", "t1", "fetch", {"headers": [{"X-API-Key": KEY}]})

    assert cleaned(call).args == {"headers": [{"X-API-Key": "[redacted]"}]}


def test_each_pattern_has_flags_of_its_own(configure):
    configure(r"(?i)password=\S+", r"(?x) tan = \d+ # spaces do not count", "Ada")

    assert redact_text("PASSWORD=x tan=123 Ada ada") == "[redacted] [redacted] [redacted] ada"
    assert cleaned(UserMessageAppended(f"Password=x {KEY}")).content == "[redacted] [redacted]"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"Patient: \w+,", "Patient: M\u00fcller, 41", "[redacted] 41"),
        (r"Patient: M.ller", "Patient: M\u00fcller, 41", "[redacted], 41"),
        (r"^\d{16}$", "4111111111111111", "[redacted]"),
        (r"^\d{16}$", "no. 4111111111111111", None),
    ],
)
def test_operator_patterns_match_texts_rather_than_bytes(configure, pattern, text, expected):
    configure(pattern)

    message = cleaned(UserMessageAppended(text))
    answer = cleaned(InputReceived({"deep": [text]}, "ada"))

    assert (message and message.content) == expected
    assert (answer and answer.response) == (expected and {"deep": [expected]})


def test_live_text_is_cleaned_piece_by_piece(monkeypatch):
    published: list[TextDelta] = []
    monkeypatch.setattr(hub, "is_watched", lambda _run_id: True)
    monkeypatch.setattr(hub, "publish_delta", published.append)
    journal = LiveJournal(RunTail("01RUN"), cast(Any, None), cast(Any, None))

    journal.delta("01TURN", f" key={KEY}", 1)

    assert [delta.text for delta in published] == [" key=[redacted]"]


@pytest.mark.django_db
def test_an_accepted_run_holds_no_secret(configure):
    configure(r"(?i)password=\S+")
    request = StartRequest(
        f"use {KEY}", metadata={"note": "Password=x"}, inputs={"deep": [{"key": KEY, "n": 1}]}
    )

    started = start_run(request, actor="owner", user_id=None)

    run = Run.objects.get(pk=started.run_id)
    assert run.goal == "use [redacted]"
    assert run.metadata == {"note": "[redacted]"}
    assert run.inputs == {"deep": [{"key": "[redacted]", "n": 1}]}


@pytest.mark.django_db
def test_a_retry_with_a_secret_in_its_body_is_recognised():
    def start():
        idempotency = Idempotency("owner", "key", {"goal": f"use {KEY}"})
        return start_run(
            StartRequest(f"use {KEY}"), actor="owner", user_id=None, idempotency=idempotency
        )

    first, second = start(), start()

    assert (second.run_id, second.is_replay) == (first.run_id, True)


@pytest.mark.django_db
def test_inputs_too_deep_to_be_searched_are_refused():
    deep: list[Any] = []
    for _ in range(1_000):
        deep = [deep]

    with pytest.raises(InvalidInput):
        start_run(StartRequest("hi", inputs={"deep": deep}), actor="owner", user_id=None)


@pytest.mark.django_db
def test_a_redaction_that_cannot_be_recorded_does_not_happen(monkeypatch):
    run = write_run(HEALTHY)

    def fail(*_args, **_facts):
        raise OSError("no room")

    monkeypatch.setattr(audit, "record", fail)
    with pytest.raises(OSError, match="no room"):
        redact_event(run_id=run.id, seq=2, actor="owner", reason="private")

    assert Event.objects.get(run=run, seq=2).payload is not None
    assert not Redaction.objects.exists()
    assert not AuditRecord.objects.filter(fact_kind="event_redacted").exists()


def test_the_goal_of_a_run_is_the_goal_of_its_log():
    started = RunStarted(1, redact_text(f"use {KEY}"), "scripted", "scripted", "v0")

    assert cleaned(started) is None
