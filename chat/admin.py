"""The admin pages of chat; each room has its own."""

from chat.costs import admin as costs
from chat.cron import admin as cron
from chat.memory import admin as memory
from chat.webhooks import admin as webhooks

__all__ = ["costs", "cron", "memory", "webhooks"]
