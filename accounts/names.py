"""Who is meant by an actor."""

from collections.abc import Collection

from accounts.models import User


def name_actors(actors: Collection[str]) -> dict[str, str]:
    """Actors as people know them: a user's name for their id, everything else as it is."""
    users = User.objects.filter(pk__in=actors)
    return {actor: actor for actor in actors} | {user.pk: str(user) for user in users}
