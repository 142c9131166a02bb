"""On whose behalf a stored message is carried out: no more than its sender held, or holds now."""

from accounts.capabilities import ROLE_CAPABILITIES
from accounts.models import User
from accounts.principals import Principal, user_principal
from chat.models import Exchange


def caller_of(exchange: Exchange) -> Principal:
    """Nothing may be done any more for a user who was switched off meanwhile."""
    granted = frozenset(exchange.granted or ())
    if not exchange.user_id:
        return Principal(exchange.actor, None, granted, sees_all_runs=False, provider="chat")
    user = User.objects.filter(pk=exchange.user_id, is_active=True).first()
    if user is None:
        return Principal(exchange.actor, None, frozenset(), sees_all_runs=False, provider="chat")
    return user_principal(
        user_id=user.pk,
        role=user.role,
        provider="chat",
        api_key_id=exchange.api_key_id or None,
        limited_to=granted & ROLE_CAPABILITIES[user.role],
    )
