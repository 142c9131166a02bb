"""The bot, as people who write to it see it."""

from itertools import count
from typing import Any

import pytest

from chat.telegram.formatting import split
from tests.chat.socket.test_attachments import PNG
from tests.chat.telegram.bot_api_server import TOKEN
from tests.chat.telegram.conftest import Bot

_numbers = count(1_000)


@pytest.fixture
def chat() -> int:
    """A private chat; its id is that of the account."""
    return next(_numbers)


def test_a_message_is_answered(bot: Bot, chat: int):
    ada = bot.user(chat)

    bot.telegram.say("hello", sender=ada, chat=chat)

    assert bot.telegram.texts(chat) == ["You said: hello"]


def test_it_types_while_it_works(bot: Bot, chat: int):
    ada = bot.user(chat)

    bot.telegram.say("!sleep 120\n!say never", sender=ada, chat=chat)

    assert bot.telegram.wait_for("sendChatAction", chat=chat)[0]["action"] == "typing"
    bot.telegram.say("/stop", sender=ada, chat=chat)
    assert bot.telegram.texts(chat) == ["Stopped."]


def test_a_conversation_goes_on_and_is_stored_like_any(bot: Bot, chat: int):
    ada = bot.user(chat)

    for number, text in enumerate(("the first", "the second"), 1):
        bot.telegram.say(text, sender=ada, chat=chat)
        bot.telegram.texts(chat, number)

    [session] = [
        session
        for session in bot.gateway.get("/api/sessions", limit=200)
        if session["channel_session_key"] == str(chat)
    ]
    rows = bot.gateway.get(f"/api/sessions/{session['id']}/messages")
    assert (session["channel"], session["message_count"]) == ("telegram", 2)
    assert [(row["role"], row["content"]) for row in rows] == [
        ("user", "the first"),
        ("assistant", "You said: the first"),
        ("user", "the second"),
        ("assistant", "You said: the second"),
    ]
    run = bot.gateway.get("/v1/runs", limit=1)["items"][0]
    messages = bot.gateway.get(f"/v1/runs/{run['run_id']}/state")["state"]["messages"]
    assert [message["text"] for message in messages][:2] == ["the first", "You said: the first"]


def test_anybody_may_say_start_and_learns_what_to_tell_the_admin(bot: Bot, chat: int):
    stranger = {"id": chat, "username": "Stranger"}

    for text in ("/start", "/start payload", "/start@the_bot"):
        bot.telegram.say(text, sender=stranger, chat=chat)

    texts = bot.telegram.texts(chat, 3)
    assert all(str(chat) in text and "@Stranger" in text for text in texts)
    assert all(text.startswith("Hello, I am Nova.") for text in texts)


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        (
            {"id": 5},
            "Your Telegram account is not linked. Ask your admin to link it, or send /start to "
            "see your Telegram ID.",
        ),
        (None, "Could not determine your Telegram ID."),
    ],
)
def test_who_is_not_linked_is_told_so_and_starts_nothing(bot: Bot, chat: int, sender, said: str):
    before = bot.gateway.get("/v1/runs")["total"]

    bot.telegram.say("hello", sender=sender, chat=chat)

    assert bot.telegram.texts(chat) == [said]
    assert bot.gateway.get("/v1/runs")["total"] == before


def test_who_was_deactivated_is_not_linked_any_more(bot: Bot, chat: int):
    ada = bot.user(chat)
    bot.telegram.say("hello", sender=ada, chat=chat)
    bot.telegram.texts(chat)
    users = bot.gateway.get("/api/settings/auth/users")
    bot.server.client.post(f"/api/settings/auth/users/{users[-1]['id']}/deactivate")

    bot.telegram.say("hello again", sender=ada, chat=chat)

    assert "is not linked" in bot.telegram.texts(chat, 2)[1]


def test_a_role_that_may_not_chat_is_told_so(bot: Bot, chat: int):
    viewer = bot.user(chat, role="viewer")

    bot.telegram.say("hello", sender=viewer, chat=chat)

    assert bot.telegram.texts(chat) == ["Your role may not chat. Ask your admin."]


def test_files_of_strangers_are_not_even_fetched(bot: Bot, chat: int):
    document = {"file_id": "secret-plans", "file_name": "plans.txt", "file_size": 5}

    bot.telegram.say("", sender={"id": 6}, chat=chat, document=document)

    bot.telegram.texts(chat)
    asked = [call for call in bot.telegram.calls if call.method == "getFile"]
    assert all(call.body["file_id"] != "secret-plans" for call in asked)


def test_a_name_is_good_for_the_first_message_and_its_id_from_then_on(bot: Bot, chat: int):
    bot.user(chat, username="@Grace")
    grace, thief = {"id": chat, "username": "grace"}, {"id": chat + 500_000, "username": "GRACE"}

    bot.telegram.say("it is me", sender=grace, chat=chat)
    bot.telegram.texts(chat)
    bot.telegram.say("so am I", sender=thief, chat=chat + 500_000)

    assert "is not linked" in bot.telegram.texts(chat + 500_000)[0]


def test_groups_are_ignored(bot: Bot, chat: int):
    ada = bot.user(chat)
    group = {"message_id": 1, "chat": {"id": -chat, "type": "group"}, "from": ada, "text": "hi"}

    bot.telegram.deliver(message=group)
    bot.telegram.say("alone", sender=ada, chat=chat)

    bot.telegram.texts(chat)
    assert all(int(call.body.get("chat_id", 0)) != -chat for call in bot.telegram.calls)


def test_only_the_last_text_is_sent_unless_all_are_wanted(bot: Bot, chat: int):
    ada = bot.user(chat)
    script = "!say Let me see.\n!tool now {}\n!turn\n!say Done."

    bot.telegram.say(script, sender=ada, chat=chat)
    assert bot.telegram.texts(chat) == ["Done."]

    bot.configure(stream_mode="all_messages")
    bot.telegram.say(script, sender=ada, chat=chat)
    assert bot.telegram.texts(chat, 3)[1:] == ["Let me see.", "Done."]


def test_markdown_arrives_as_html_and_long_answers_in_pieces(bot: Bot, chat: int):
    ada = bot.user(chat)

    bot.telegram.say("!say **bold**", sender=ada, chat=chat)
    first = bot.telegram.wait_for("sendMessage", chat=chat)[0]
    bot.telegram.say("!repeat 1500 words", sender=ada, chat=chat)

    assert (first["text"], first["parse_mode"]) == ("<b>bold</b>", "HTML")
    pieces = len(split("words " * 1_500))
    assert pieces > 1
    assert "".join(bot.telegram.texts(chat, 1 + pieces)[1:]).count("words") == 1_500


def test_what_telegram_does_not_take_as_html_is_sent_as_it_was_written(bot: Bot, chat: int):
    ada = bot.user(chat)
    bot.telegram.refuse["sendMessage"] = [(400, {"ok": False, "description": "can't parse"})]

    bot.telegram.say("!say **bold**", sender=ada, chat=chat)

    sent = bot.telegram.wait_for("sendMessage", chat=chat, count=2)[1]
    assert sent["text"] == "**bold**"
    assert "parse_mode" not in sent


def test_the_bot_waits_when_telegram_asks_for_it(bot: Bot, chat: int):
    ada = bot.user(chat)
    busy = {"ok": False, "description": "Too Many Requests", "parameters": {"retry_after": 0.2}}
    bot.telegram.refuse["sendMessage"] = [(429, busy)]

    bot.telegram.say("hello", sender=ada, chat=chat)

    assert bot.telegram.texts(chat, 2) == ["You said: hello"] * 2


@pytest.mark.parametrize(
    "script", ["!fail auth", '!tool calculate {"expression": "1"}\n!fail auth']
)
def test_a_failure_tells_no_details(bot: Bot, chat: int, script: str):
    ada = bot.user(chat)

    bot.telegram.say(script, sender=ada, chat=chat)

    assert bot.telegram.texts(chat) == ["Sorry, an error occurred."]


def test_a_question_comes_with_buttons_and_a_press_answers_it_once(bot: Bot, chat: int):
    ada = bot.user(chat)
    script = (
        '!tool ask_human {"prompt": "Which?", "choices": ["red", "green"]}\n!turn\n!say Thanks.'
    )

    bot.telegram.say(script, sender=ada, chat=chat)
    asked = bot.telegram.wait_for("sendMessage", chat=chat)[0]
    buttons = [row[0] for row in asked["reply_markup"]["inline_keyboard"]]
    press = {"from": ada, "message": {"message_id": 9, "chat": {"id": chat, "type": "private"}}}
    bot.telegram.deliver(
        callback_query={"id": f"q{chat}", "data": buttons[1]["callback_data"], **press}
    )
    answered = bot.telegram.texts(chat, 2)
    bot.telegram.deliver(
        callback_query={"id": f"r{chat}", "data": buttons[0]["callback_data"], **press}
    )
    bot.telegram.wait_for("editMessageReplyMarkup", chat=chat, count=2)

    assert [button["text"] for button in buttons] == ["red", "green"]
    assert answered == ["Which?", "Thanks."]
    replies = [call.body for call in bot.telegram.calls if call.method == "answerCallbackQuery"]
    assert replies[-1]["text"] == "That question is settled already."


def test_a_question_is_answered_by_writing_as_well(bot: Bot, chat: int):
    ada = bot.user(chat)

    bot.telegram.say('!tool ask_human {"prompt": "Who?"}\n!turn\n!say Hi.', sender=ada, chat=chat)
    bot.telegram.texts(chat)
    bot.telegram.say("Me", sender=ada, chat=chat)

    assert bot.telegram.texts(chat, 2) == ["Who?", "Hi."]


def test_somebody_else_cannot_press_my_buttons(bot: Bot, chat: int):
    ada, eve = bot.user(chat), bot.user(chat + 300_000)
    script = '!tool ask_human {"prompt": "Pay?", "choices": ["yes", "no"]}\n!turn\n!say Paid.'

    bot.telegram.say(script, sender=ada, chat=chat)
    asked = bot.telegram.wait_for("sendMessage", chat=chat)[0]
    data = asked["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
    place = {"message_id": 3, "chat": {"id": chat + 300_000, "type": "private"}}
    bot.telegram.deliver(callback_query={"id": "eve", "from": eve, "data": data, "message": place})
    bot.telegram.wait_for("editMessageReplyMarkup", chat=chat + 300_000)

    run_id = data.split(":")[1]
    assert bot.gateway.get(f"/v1/runs/{run_id}")["status"] == "awaiting-input"


def test_files_are_stored_and_named_to_the_model(bot: Bot, chat: int):
    ada = bot.user(chat)
    bot.telegram.files["a-list"] = b"milk"
    document = {"file_id": "a-list", "file_name": "../list.txt", "file_size": 4}

    bot.telegram.say("", sender=ada, chat=chat, caption="read this", document=document)

    assert "downloads/" in bot.telegram.texts(chat)[0]
    [stored] = (bot.server.data_dir / "files" / "downloads").glob("*/*list.txt")
    assert stored.read_bytes() == b"milk"


def test_of_a_photo_the_largest_size_is_taken(bot: Bot, chat: int):
    ada = bot.user(chat)
    sizes = {f"small-{chat}": (90, 60), f"large-{chat}": (1_280, 853), f"middle-{chat}": (320, 213)}
    photo = [
        {"file_id": name, "width": width, "height": height, "file_size": 4}
        for name, (width, height) in sizes.items()
    ]
    bot.telegram.files[f"large-{chat}"] = b"\xff\xd8\xff\xe0"

    bot.telegram.say("", sender=ada, chat=chat, caption="what is this?", photo=photo)

    assert "photo.jpg" in bot.telegram.texts(chat)[0]
    asked = [call.body["file_id"] for call in bot.telegram.calls if call.method == "getFile"]
    assert [name for name in asked if name.endswith(f"-{chat}")] == [f"large-{chat}"]


def test_a_file_that_is_too_large_is_said_to_be(bot: Bot, chat: int):
    ada = bot.user(chat)
    document = {"file_id": "huge", "file_name": "huge.bin", "file_size": 30 * 1_048_576}

    bot.telegram.say("", sender=ada, chat=chat, document=document)

    assert "exceeds 20.0 MB limit" in bot.telegram.texts(chat)[0]


def test_what_a_run_attaches_is_sent(bot: Bot, chat: int):
    ada = bot.user(chat)
    folder = bot.server.data_dir / "files"
    folder.mkdir(exist_ok=True)
    (folder / "report.txt").write_text("all is well")

    bot.telegram.say(
        '!tool attach {"path": "report.txt"}\n!turn\n!say Here.', sender=ada, chat=chat
    )

    [sent] = bot.telegram.wait_for("sendDocument", chat=chat)
    assert sent["document"]["name"] == "report.txt"
    assert sent["document"]["data"] == b"all is well"


def test_an_image_that_a_run_attaches_is_sent_as_a_photo(bot: Bot, chat: int):
    ada = bot.user(chat)
    folder = bot.server.data_dir / "files"
    folder.mkdir(exist_ok=True)
    (folder / "dot.png").write_bytes(PNG)

    bot.telegram.say('!tool attach {"path": "dot.png"}\n!turn\n!say Here.', sender=ada, chat=chat)

    [sent] = bot.telegram.wait_for("sendPhoto", chat=chat)
    assert sent["photo"]["data"] == PNG


def test_an_answer_of_nothing_is_said_to_be_none(bot: Bot, chat: int):
    ada = bot.user(chat)

    bot.telegram.say("!think about it", sender=ada, chat=chat)

    assert bot.telegram.texts(chat) == ["(no response)"]


def test_news_of_a_job_go_to_the_chat_of_its_owner_alone(bot: Bot, chat: int):
    bot.user(chat)
    owner = bot.gateway.get("/api/settings/auth/users")[-1]["id"]
    bot.user(chat + 200_000)

    for name, prompt in (("the report", "!repeat 2000 words"), ("the failure", "!fail auth")):
        body = {"name": f"{name} {chat}", "prompt": prompt, "user_id": owner, "max_retries": 0}
        schedule = {"kind": "interval", "every_ms": 3_600_000}
        jobs = "/api/cron/jobs"
        made = bot.server.client.post(jobs, json={**body, "schedule": schedule})
        assert made.status_code == 201, made.text
        bot.server.client.post(f"{jobs}/{made.json()['id']}/run")
        bot.telegram.texts(chat, 1 if name == "the report" else 2)

    report, failure = bot.telegram.texts(chat, 2)
    assert report.startswith(f"✅ the report {chat}\nwords words")
    assert report.endswith("...") and len(report) < 600
    assert failure.startswith(f"❌ the failure {chat}\n") and "auth" in failure
    assert all(int(call.body.get("chat_id", 0)) != chat + 200_000 for call in bot.telegram.calls)


def test_news_of_the_assistants_jobs_go_to_administrators(bot: Bot, chat: int):
    bot.user(chat, role="admin")
    bot.user(chat + 100_000)
    body = {"name": f"ours {chat}", "prompt": "!say All is well.", "user_id": ""}
    schedule = {"kind": "interval", "every_ms": 3_600_000}
    made = bot.server.client.post("/api/cron/jobs", json={**body, "schedule": schedule})

    bot.server.client.post(f"/api/cron/jobs/{made.json()['id']}/run")

    assert bot.telegram.texts(chat) == [f"✅ ours {chat}\nAll is well."]
    assert all(int(call.body.get("chat_id", 0)) != chat + 100_000 for call in bot.telegram.calls)


def test_new_begins_a_conversation_and_stop_ends_a_run(bot: Bot, chat: int):
    ada = bot.user(chat)
    bot.telegram.say("before", sender=ada, chat=chat)
    bot.telegram.texts(chat)

    bot.telegram.say("/new", sender=ada, chat=chat)
    bot.telegram.texts(chat, 2)
    bot.telegram.say("!sleep 120\n!say never", sender=ada, chat=chat)
    bot.telegram.wait_for("sendChatAction", chat=chat, count=2)
    bot.telegram.say("/stop", sender=ada, chat=chat)

    assert bot.telegram.texts(chat, 3)[2:] == ["Stopped."]
    bot.telegram.say("/stop", sender=ada, chat=chat)
    assert bot.telegram.texts(chat, 4)[3:] == ["There is nothing to stop."]


def test_the_same_update_twice_is_one_message(bot: Bot, chat: int):
    ada = bot.user(chat)
    bot.telegram.say("once", sender=ada, chat=chat)
    bot.telegram.texts(chat)
    before = bot.gateway.get("/v1/runs")["total"]

    message = {"message_id": 1, "chat": {"id": chat, "type": "private"}, "from": ada}
    with bot.telegram._changed:
        known = bot.telegram._next_id - 1
        bot.telegram._updates.append({"update_id": known, "message": {**message, "text": "once"}})
    bot.telegram.say("twice", sender=ada, chat=chat)

    assert bot.telegram.texts(chat, 2) == ["You said: once", "You said: twice"]
    assert bot.gateway.get("/v1/runs")["total"] == before + 1


def test_nonsense_does_not_stop_the_bot(bot: Bot, chat: int):
    ada = bot.user(chat)
    updates: tuple[dict[str, Any], ...] = (
        {"message": {"chat": {"type": "private"}}},
        {"message": {"chat": {"id": "x", "type": "private"}, "text": 5}},
        {"callback_query": {"id": "1", "data": "r:1:2"}},
        {"edited_message": {}},
    )
    for nonsense in updates:
        bot.telegram.deliver(**nonsense)

    bot.telegram.say("still there?", sender=ada, chat=chat)

    assert bot.telegram.texts(chat) == ["You said: still there?"]


def test_the_token_is_in_no_log(bot: Bot, chat: int):
    bot.telegram.refuse["getUpdates"] = [(500, {"ok": False, "description": "broken"})]
    ada = bot.user(chat)
    bot.telegram.say("hello", sender=ada, chat=chat)
    bot.telegram.texts(chat)

    assert TOKEN not in bot.server.errors()
