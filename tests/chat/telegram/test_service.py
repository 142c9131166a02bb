"""When the bot runs: as the settings say, and again after a crash with all that it owes."""

import pytest

from tests.chat.gateway import Gateway
from tests.chat.telegram.bot_api_server import TOKEN, BotApiServer
from tests.chat.telegram.conftest import Bot
from tests.conftest import StartServer
from tests.e2e.driving import until
from tests.server import RunningServer


@pytest.fixture
def telegram():
    server = BotApiServer()
    yield server
    server.close()


def test_a_token_that_is_entered_starts_it_and_switching_off_stops_it(
    start_server: StartServer, telegram: BotApiServer
):
    bot = Bot(start_server(env={"TELEGRAM_API_BASE": telegram.url}), telegram)
    ada = bot.user(1)

    bot.configure(bot_token=TOKEN)
    telegram.say("are you there?", sender=ada, chat=1)
    assert telegram.texts(1) == ["You said: are you there?"]
    shown = bot.gateway.get("/api/settings/channels")["telegram"]
    assert TOKEN not in str(shown)

    bot.configure(enabled=False)
    telegram.wait_until_silent()
    telegram.say("and now?", sender=ada, chat=1)
    bot.configure()  # the mask was never a token: the one that was entered is kept
    assert telegram.texts(1, 2)[1] == "You said: and now?"


def test_what_was_not_sent_when_it_was_killed_is_sent_after_the_restart(
    start_server: StartServer, telegram: BotApiServer
):
    env = {"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_BASE": telegram.url}
    bot = Bot(start_server(env=env), telegram)
    bot.configure()
    ada = bot.user(1)
    telegram.say("!sleep 3\n!say I am back.", sender=ada, chat=1)
    telegram.wait_for("sendChatAction", chat=1)

    bot.server.kill()
    bot.server.start_again()

    assert telegram.texts(1) == ["I am back."]


def test_switched_on_without_a_token_it_warns_and_all_else_goes_on(
    server: RunningServer, gateway: Gateway
):
    path = "/api/settings/channels"
    before = server.mark()

    try:
        assert server.client.put(path, json={"telegram": {"enabled": True}}).status_code == 200
        until(lambda: "the bot is switched on and has no token" in server.errors_since(before))
        assert gateway.chat("hello")["text"] == "You said: hello"
    finally:
        server.client.put(path, json={"telegram": {"enabled": False}})
