"""A server whose bot talks to the Bot API of this machine, and a linked account."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.chat.gateway import Gateway
from tests.chat.telegram.bot_api_server import TOKEN, BotApiServer
from tests.conftest import _server_factory
from tests.server import RunningServer


@dataclass(frozen=True)
class Bot:
    """The server, its bot's world, and the account of its administrator."""

    server: RunningServer
    telegram: BotApiServer

    @property
    def gateway(self) -> Gateway:
        return Gateway(self.server.client)

    def user(self, number: int, *, role: str = "user", **link: Any) -> dict[str, Any]:
        """A new user with that Telegram account; what Telegram says of them."""
        client = self.server.client
        made = client.post("/api/settings/auth/users", json={"role": role})
        assert made.status_code == 201, made.text
        path = f"/api/settings/auth/users/{made.json()['id']}/telegram"
        linked = client.put(path, json=link or {"telegram_id": number})
        assert linked.status_code == 200, linked.text
        return {"id": number, "is_bot": False, "first_name": "Ada"}

    def configure(self, **telegram: Any) -> httpx.Response:
        """Change the settings of the channel."""
        body = {"telegram": {"enabled": True, **telegram}}
        answer = self.server.client.put("/api/settings/channels", json=body)
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture(scope="module")
def _bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    telegram = BotApiServer()
    with _server_factory(tmp_path_factory) as start:
        server = start(env={"TELEGRAM_BOT_TOKEN": TOKEN, "TELEGRAM_API_BASE": telegram.url})
        bot = Bot(server, telegram)
        bot.configure()
        yield bot
    telegram.close()


@pytest.fixture
def bot(_bot: Bot) -> Iterator[Bot]:
    yield _bot
    _bot.configure()
