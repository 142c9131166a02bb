"""Instances as people name them: by the first characters of an id."""

from instances.errors import AmbiguousInstance, InstanceNotFound
from instances.objects import is_instance_id
from instances.services import fleet

SHORT = 8  # characters of an id in a list of instances
_CANDIDATES = 5  # that a refusal names


async def find_id(beginning: str) -> str:
    """The one id of the backend that begins like that; a whole id stands for itself.

    Raises `InstanceNotFound` or `AmbiguousInstance`. An empty text names nothing, even when there
    is only one instance: `kill "$ID"` without an `ID` must not end it.
    """
    if is_instance_id(beginning):
        ids = [report.id for report in await fleet.list_instances()]
        found = [beginning] if beginning in ids else _beginning(ids, beginning)
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousInstance(f"Ambiguous prefix {beginning!r}: {_some(found)}")
    raise InstanceNotFound(f"No instance found matching prefix {beginning!r}")


def short_ids(ids: list[str]) -> list[str]:
    """Each as short as `find_id` takes it, and no shorter than `SHORT`."""
    length = SHORT
    while len({one[:length] for one in ids}) < len(set(ids)):
        length += 1
    return [one[:length] for one in ids]


def _beginning(ids: list[str], beginning: str) -> list[str]:
    return [one for one in ids if one.startswith(beginning)]


def _some(ids: list[str]) -> str:
    rest = len(ids) - _CANDIDATES
    named = ", ".join(sorted(ids)[:_CANDIDATES])
    return f"{named} and {rest} more" if rest > 0 else named
