"""Settings that are changed while the program runs: typed groups, where each value comes from."""

from chat.live_settings.groups import GROUPS, Group
from chat.live_settings.reading import current

__all__ = ["GROUPS", "Group", "current"]
