"""Making, changing and removing endpoints, on record. Whether the caller may is decided before."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.models import User
from chat.errors import OutOfRange, WebhookDisabled, WebhookNotFound
from chat.models import WebhookDelivery, WebhookEndpoint
from chat.webhooks import news, outbox, settling
from chat.webhooks.definitions import EndpointChanges, NewEndpoint
from chat.webhooks.settling import PACK_ID
from chat.webhooks.signing import new_secret, seal
from project.lib.db import write_transaction
from project.lib.ids import new_ulid
from runs.storable import NUL

#: For which the secret of before a rotation signs as well.
ROTATION = timedelta(hours=24)
BY_HAND = "disabled by hand"


@dataclass(frozen=True, slots=True)
class Issued:
    """An endpoint and its secret, which is shown this once."""

    endpoint: WebhookEndpoint
    secret: str


def create_endpoint(wanted: NewEndpoint, *, owner: str = "", actor: str) -> Issued:
    """`owner`: the user about whose runs it hears; empty: everything. Raises `OutOfRange`."""
    if owner and (NUL in owner or not User.objects.filter(pk=owner, is_active=True).exists()):
        raise OutOfRange("user_id: there is no such user", field="user_id")
    secret = new_secret()
    endpoint = WebhookEndpoint(
        url=wanted.url,
        description=wanted.description or "",
        events=wanted.events,
        owner=owner,
        is_enabled=wanted.enabled is not False,
        active_since=timezone.now(),
        secret_sealed=seal(secret),
        created_by=actor,
    )
    with write_transaction():
        endpoint.save(force_insert=True)
        _record("webhook_endpoint_created", endpoint, actor, **_shown(endpoint))
    return Issued(endpoint, secret)


def update_endpoint(endpoint_id: str, changes: EndpointChanges, *, actor: str) -> WebhookEndpoint:
    """Raises `WebhookNotFound`."""
    with write_transaction():
        endpoint = _locked(endpoint_id)
        before = _shown(endpoint)
        for name in ("url", "events", "description"):
            value = getattr(changes, name)
            if value is not None:
                setattr(endpoint, name, value)
        if changes.enabled and not endpoint.is_enabled:
            _enable(endpoint)
        endpoint.save()
        if changes.enabled is False and endpoint.is_enabled:
            settling.disable(endpoint, BY_HAND, timezone.now(), actor=actor)
        after = _shown(endpoint)
        changed = {name: value for name, value in after.items() if value != before[name]}
        if changed:
            _record("webhook_endpoint_updated", endpoint, actor, **changed)
    return endpoint


def delete_endpoint(endpoint_id: str, *, actor: str) -> None:
    """With its log. Raises `WebhookNotFound`."""
    with write_transaction():
        endpoint = _locked(endpoint_id)
        shown = _shown(endpoint)
        WebhookEndpoint.objects.filter(pk=endpoint_id).delete()
        _record("webhook_endpoint_deleted", endpoint, actor, **shown)


def rotate_secret(endpoint_id: str, *, actor: str) -> Issued:
    """A new secret; the one of before signs beside it for a day. Raises `WebhookNotFound`."""
    secret = new_secret()
    with write_transaction():
        endpoint = _locked(endpoint_id)
        endpoint.previous_secret_sealed = endpoint.secret_sealed
        endpoint.previous_secret_until = timezone.now() + ROTATION
        endpoint.secret_sealed = seal(secret)
        endpoint.save()
        _record("webhook_secret_rotated", endpoint, actor)
    return Issued(endpoint, secret)


def request_test(endpoint_id: str, *, actor: str) -> WebhookDelivery:
    """Send a message that means nothing. Raises `WebhookNotFound` or `WebhookDisabled`."""
    with write_transaction():
        endpoint = _locked(endpoint_id)
        if not endpoint.is_enabled:
            raise WebhookDisabled
        item = news.of_test(endpoint.pk, new_ulid(), timezone.now())
        delivery = outbox.put_test(item, endpoint)
        _record("webhook_test_requested", endpoint, actor)
    return delivery


def find_endpoint(endpoint_id: str) -> WebhookEndpoint:
    """Raises `WebhookNotFound`."""
    found = None if NUL in endpoint_id else WebhookEndpoint.objects.filter(pk=endpoint_id).first()
    if found is None:
        raise WebhookNotFound
    return found


def _locked(endpoint_id: str) -> WebhookEndpoint:
    """Until the transaction ends. Raises `WebhookNotFound`."""
    endpoint = None if NUL in endpoint_id else settling.lock(endpoint_id)
    if endpoint is None:
        raise WebhookNotFound
    return endpoint


def _enable(endpoint: WebhookEndpoint) -> None:
    """What happened while it was disabled, and how it failed before, is past."""
    endpoint.is_enabled, endpoint.disabled_reason = True, ""
    endpoint.active_since = timezone.now()
    endpoint.consecutive_failures, endpoint.failing_since = 0, None


def _shown(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """What the record says. Of the URL its host and a hash: a path can be a credential."""
    return {
        "host": httpx.URL(endpoint.url).host,
        "url_hash": hashlib.sha256(endpoint.url.encode()).hexdigest(),
        "events": endpoint.events,
        "description": endpoint.description,
        "enabled": endpoint.is_enabled,
        "owner": endpoint.owner or None,
    }


def _record(kind: str, endpoint: WebhookEndpoint, actor: str, **facts: Any) -> None:
    """Last in its transaction: it locks the head of the audit trail."""
    transaction.on_commit(outbox.forget)
    audit.record(kind, actor=actor, pack_id=PACK_ID, durable=True, endpoint_id=endpoint.pk, **facts)
