"""What `doctor` says of the live settings."""

from chat.live_settings.file import file_status
from chat.live_settings.reading import FILE_ROW
from chat.live_settings.secrets import secret_states
from chat.models import SettingGroup


def problems() -> list[str]:
    """A sentence each."""
    found = []
    if problem := file_status().problem:
        found.append(f"config/agent.toml changes nothing: {problem}")
    unreadable = [state.name for state in secret_states() if not state.is_readable]
    if unreadable:
        found.append(
            f"{', '.join(unreadable)} cannot be read: SECRET_KEY is not the one they were entered"
            " with (SECRET_KEY_FALLBACKS takes that one)"
        )
    return found


def note() -> str:
    """How much was set, and where."""
    rows = SettingGroup.objects.exclude(pk=FILE_ROW).values_list("values", flat=True)
    status = file_status()
    entered = [state.name for state in secret_states() if state.origin == "database"]
    parts = [f"{sum(map(len, rows))} set here"]
    if status.place:
        parts.append(f"{len(status.fields)} by config/agent.toml")
    parts += [f"ignored: {warning}" for warning in status.warnings]
    if entered:
        parts.append(f"secrets entered: {', '.join(entered)}")
    return "; ".join(parts)
