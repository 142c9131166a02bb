"""The chat page as the server renders it, and who gets it."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.services.users import UserChanges, update_user
from chat.live_settings.reading import forget
from chat.models import Message, Session, SettingGroup
from tests.factories import make_key, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _audit_at_once(settings) -> None:
    settings.STARPORT_AUDIT_FLUSH_MS = 0


@pytest.fixture
def owner() -> Iterator[Client]:
    """Logged in as a user, who is `owner.user`."""
    client = Client()
    user = make_user(role="user")
    client.post("/login", {"api_key": make_key(user=user).secret})
    client.user = user  # type: ignore[attr-defined]
    yield client


def make_session(owner: str, title: str = "A talk", **fields: object) -> Session:
    fields.setdefault("last_message_at", timezone.now())
    fields.setdefault("key", title)
    return Session.objects.create(owner=owner, channel="main", title=title, **fields)


def say(session: Session, role: str, content: str) -> None:
    Message.objects.create(
        session=session, role=role, content=content, timestamp=session.last_message_at
    )


def test_who_is_unknown_is_led_to_the_login():
    make_user(role="admin")

    answer = Client().get("/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/login?next=/")


@pytest.mark.parametrize("role", ["user", "admin", "operator"])
def test_a_key_logs_in_and_leads_to_the_page(role: str):
    client, key = Client(), make_key(role=role)

    answer = client.post("/login", {"api_key": key.secret, "next": "/"})

    assert answer.headers["Location"] == "/"
    assert "data-composer" in client.get("/").content.decode()


def test_a_users_login_does_not_open_the_admin(owner: Client):
    assert owner.get("/admin/").status_code == 302


def test_a_limited_key_of_an_admin_does_not_log_in():
    key = make_key(role="admin", limited_to=["chat:use"])

    answer = Client().post("/login", {"api_key": key.secret})

    assert answer.status_code == 200
    assert "limited to some capabilities" in answer.content.decode()


def test_a_limited_key_is_logged_out_when_its_user_becomes_an_admin():
    client, user = Client(), make_user(role="user")
    client.post("/login", {"api_key": make_key(user=user, limited_to=["chat:use"]).secret})
    assert client.get("/").status_code == 200

    update_user(user_id=user.pk, actor="test", changes=UserChanges(role="admin"))

    assert client.get("/admin/").status_code == 302
    assert client.get("/").status_code == 302


def test_a_role_without_chat_is_told_so():
    client = Client()
    client.post("/login", {"api_key": make_key(role="viewer").secret})

    answer = client.get("/")

    assert answer.status_code == 403
    assert "chat:use" in answer.content.decode()


def test_logging_out_ends_it(owner: Client):
    owner.post("/logout")

    assert owner.get("/").status_code == 302


def test_a_transcript_shows_texts_and_tool_calls_with_their_results(owner: Client):
    session = make_session(owner.user.pk)  # type: ignore[attr-defined]
    say(session, "user", "list <files>")
    say(session, "assistant", "**Looking.**")
    say(
        session,
        "tool_use",
        '{"type":"tool_use","id":"t1","name":"list_files","input":{"path":"."}}',
    )
    say(
        session,
        "tool_result",
        '{"type":"tool_result","tool_use_id":"t1","content":"a.txt","is_error":false}',
    )

    text = owner.get(f"/chat/{session.pk}").content.decode()

    assert "list &lt;files&gt;" in text
    assert "**Looking.**" in text
    card = re.search(r'<details class="tool" data-call="t1">.*?</details>', text, re.DOTALL)
    assert card is not None
    assert "list_files" in card[0]
    assert "a.txt" in card[0]
    assert "done" in card[0]


def test_what_people_and_models_write_is_text_and_no_markup(owner: Client):
    harmful = "</script><img src=x onerror=alert(1)>"
    session = make_session(owner.user.pk, title=harmful)  # type: ignore[attr-defined]
    say(session, "user", harmful)
    say(session, "assistant", harmful)

    text = owner.get(f"/chat/{session.pk}").content.decode()

    assert harmful not in text
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x") >= 3


def test_other_peoples_conversations_are_neither_listed_nor_found(owner: Client):
    theirs = make_session(make_user().pk, title="Something private")

    assert "Something private" not in owner.get("/").content.decode()
    assert owner.get(f"/chat/{theirs.pk}").status_code == 404


def test_conversations_are_grouped_with_unread_ones_first(owner: Client):
    now = timezone.now()
    mine = owner.user.pk  # type: ignore[attr-defined]
    make_session(mine, title="older", last_message_at=now - timedelta(days=30))
    make_session(mine, title="now", last_message_at=now)
    make_session(mine, title="unseen", last_message_at=now - timedelta(days=9), is_read=False)
    make_session(mine, title="put away", is_archived=True)

    text = owner.get("/chat/sessions").content.decode()

    assert re.findall(r"<h2>(.*?)</h2>", text) == ["Unread", "Today", "Older"]
    assert re.findall(r'class="title">(.*?)<', text) == ["unseen", "now", "older"]


def test_the_page_costs_the_same_however_long_the_conversation(
    owner: Client, django_assert_max_num_queries
):
    session = make_session(owner.user.pk)  # type: ignore[attr-defined]
    for number in range(60):
        say(session, "user", f"number {number}")
        make_session(owner.user.pk, title=f"talk {number}")  # type: ignore[attr-defined]

    with django_assert_max_num_queries(26):
        assert owner.get(f"/chat/{session.pk}").status_code == 200


def test_nothing_in_the_page_runs_inline(owner: Client):
    answer = owner.get("/")
    text = answer.content.decode()

    assert "'unsafe-inline'" not in answer.headers["Content-Security-Policy"]
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert not re.search(r"\s(?:on[a-z]+|style)=", text)


def test_what_operators_write_is_text_and_no_markup_either(owner: Client):
    harmful = "</script><img src=x onerror=alert(1)>"
    values = {"greeting": harmful, "prompts": [harmful]}
    SettingGroup.objects.create(name="frontend", values=values)
    SettingGroup.objects.create(name="general", values={"agent_name": harmful})
    forget()

    text = owner.get("/").content.decode()
    forget()

    assert harmful not in text
    assert "<img src=x" not in text
    assert text.count("&lt;img src=x") >= 3


def test_pages_of_others_are_framed_nowhere(owner: Client):
    answer = owner.get("/")

    policy = answer.headers["Content-Security-Policy"]
    assert "<iframe" not in answer.content.decode()
    assert "default-src 'none'" in policy
    assert "frame-src" not in policy and "child-src" not in policy
    assert answer.headers["X-Frame-Options"] == "DENY"


def test_other_sites_do_not_learn_which_page_led_to_them(owner: Client):
    answer = owner.get("/")

    assert '<meta name="referrer" content="no-referrer">' in answer.content.decode()
    assert answer.headers["Referrer-Policy"] == "same-origin"
