"""Who may hear of what: an endpoint of a user hears no more than its user may see."""

from accounts import capabilities
from accounts.models import User
from accounts.principals import Principal, user_principal
from chat.models import WebhookEndpoint
from chat.webhooks import event_types


class Readers:
    """The users behind endpoints, as they are now. Made for one look, and then forgotten."""

    def __init__(self) -> None:
        self._known: dict[str, Principal | None] = {}

    def may_hear(self, endpoint: WebhookEndpoint, event_type: str, run_owner: str) -> bool:
        """`run_owner` is who started the run, for news of one."""
        if not endpoint.owner:
            return True
        reader = self._reader(endpoint.owner)
        if reader is None or event_type == event_types.TEST:
            return reader is not None
        if event_type in event_types.ABOUT_INSTANCES:
            return reader.can(capabilities.INSTANCES_READ)
        if not reader.can(capabilities.RUNS_READ):
            return False
        return reader.sees_all_runs or run_owner == endpoint.owner

    def _reader(self, user_id: str) -> Principal | None:
        if user_id not in self._known:
            user = User.objects.filter(pk=user_id, is_active=True).first()
            self._known[user_id] = (
                None
                if user is None
                else user_principal(user_id=user.pk, role=user.role, provider="webhook")
            )
        return self._known[user_id]
