"""The bot as a service of a server: runs while it is switched on and has a token.

Of several servers on one database one has the turn. Telegram takes one poller alone, and people
get each notification once.
"""

import asyncio
import logging

from django.conf import settings
from django.db import Error

from chat.live_settings import current
from chat.live_settings.groups import Telegram
from chat.live_settings.secrets import BOT_TOKEN, secret
from chat.services.leases import is_our_turn, leave
from chat.telegram.bot import Bot
from chat.telegram.bot_api import BotApi
from project.lib.pool import in_database_thread
from project.lib.tasks import end_task

logger = logging.getLogger(__name__)

#: How soon a change of the settings acts.
LOOK_SECONDS = 1.0
SERVICE = "telegram"


async def keep_bot_running() -> None:
    """Start, restart and stop the bot as the settings say, until cancelled."""
    token, task, lacks_token = "", None, False
    try:
        while True:
            try:
                lacked, lacks_token = lacks_token, await in_database_thread(_lacks_token)
                if lacks_token and not lacked:
                    logger.warning("the bot is switched on and has no token")
                wanted = await in_database_thread(_wanted_token)
            except Error:
                logger.exception("the settings of the bot could not be read")
                wanted = token
            if wanted != token or (task is not None and task.done()):
                await end_task(task)
                token = wanted
                task = asyncio.create_task(_run(token)) if token else None
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        try:
            await end_task(task)
        finally:
            await leave(SERVICE)


async def _run(token: str) -> None:
    try:
        async with BotApi(settings.TELEGRAM_API_BASE, token) as api:
            await Bot(api).run()
    except Exception:
        logger.exception("the bot stopped, it is started again")
        await asyncio.sleep(LOOK_SECONDS)


def _lacks_token() -> bool:
    return current(Telegram).enabled and not secret(BOT_TOKEN)


def _wanted_token() -> str:
    """Empty while the bot is switched off, has no token, or is another server's turn."""
    token = secret(BOT_TOKEN) if current(Telegram).enabled else ""
    return token if token and is_our_turn(SERVICE) else ""
