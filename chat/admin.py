"""The admin pages of chat; each room has its own."""

from chat.cron import admin as cron

__all__ = ["cron"]
