"""The admin pages of chat; each room has its own."""

from chat.costs import admin as costs

__all__ = ["costs"]
