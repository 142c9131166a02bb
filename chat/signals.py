"""News of this app, for whoever keeps something that follows from it. Sent after commit."""

from django.dispatch import Signal

#: Settings were changed. Keyword argument: `group`, its name in `chat.live_settings.GROUPS`.
settings_changed = Signal()

#: A document of the memory was written. Keyword arguments: `owner` (empty: shared) and `name`.
document_written = Signal()
