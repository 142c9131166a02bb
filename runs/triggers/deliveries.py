"""Webhook deliveries: checked, turned into a run, and written down whatever became of them."""

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import attempts, audit
from accounts.principals import Principal
from project.lib.db import write_transaction
from project.lib.ids import new_ulid
from runs.errors import (
    BodyNotKept,
    InvalidInput,
    QueueFull,
    RunsError,
    ShuttingDown,
    TriggerDisabled,
    TriggerNotFound,
)
from runs.graphs.registry import get_graph
from runs.log.redaction import redact_value
from runs.models import WebhookDelivery, WebhookTrigger
from runs.services.starting import Idempotency, Started, start_run
from runs.triggers import signatures
from runs.triggers.environment import secret_from
from runs.triggers.firing import (
    NO_CAPABILITIES,
    lock_trigger,
    note_failed,
    note_fired,
    record_fired,
)
from runs.triggers.mapping import map_body
from runs.triggers.run_requests import declared_fields, run_request
from runs.triggers.sealing import unseal

logger = logging.getLogger(__name__)

BODY_LIMIT = 1024 * 1024  # bytes
KEPT_BODY = 256 * 1024  # bytes; a longer body cannot be delivered again
WEBHOOK_PACK = "stargraph.triggers.webhook"

ACCEPTED = "accepted"
REPEATED = "repeated"  # the same body again: its run was started before


@dataclass(frozen=True, slots=True)
class Sender:
    """On whose account a run is started, and what its tools may do."""

    actor: str
    user_id: str | None = None
    granted: frozenset[str] = NO_CAPABILITIES


class _Refused(Exception):
    """Ends a delivery. `code` is kept, and told with `detail` after it."""

    def __init__(self, status: int, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = f"{code}: {detail}" if detail else code


def receive(
    path: str, body: bytes, *, headers: Mapping[str, str], remote_address: str
) -> WebhookDelivery:
    """Take in a request to `/hooks/<path>`; the delivery says what to answer.

    Raises `TriggerNotFound`.
    """
    trigger = WebhookTrigger.objects.filter(path=path, is_enabled=True).first()
    if trigger is None:
        raise TriggerNotFound(f"there is no webhook at {path!r}")
    delivery = _new_delivery(trigger, body, remote_address)
    try:
        delivery.nonce = _check(trigger, headers, body)
    except _Refused as refusal:
        _turn_away(delivery, refusal, headers)
        return delivery
    if trigger.scheme == WebhookTrigger.Scheme.GITHUB:
        delivery.event = headers.get(signatures.GITHUB_EVENT_HEADER, "")[:100]
    _deliver(delivery, body, Sender(_own_actor(trigger)))
    return delivery


def deliver_by_hand(
    trigger: WebhookTrigger,
    body: dict[str, Any],
    *,
    caller: Principal,
    remote_address: str,
    idempotency: Idempotency | None = None,
) -> Started:
    """Deliver a body without a signature for a caller who was let in; the run is theirs.

    Raises `TriggerDisabled` and what `start_run` raises.
    """
    if not trigger.is_enabled:
        raise TriggerDisabled(f"trigger '{trigger.trigger_id}' is disabled")
    try:
        raw = orjson.dumps(body)
    except orjson.JSONEncodeError:
        raise InvalidInput("the body is nested too deeply") from None
    delivery = _new_delivery(trigger, raw, remote_address)
    delivery.actor = caller.actor
    sender = Sender(caller.actor, caller.user_id, caller.capabilities)
    # Who fires by hand means it: each time is a run, unless a key of theirs says otherwise.
    delivery.idempotency_key = signatures.idempotency_key(trigger.trigger_id, new_ulid())
    with write_transaction():
        lock_trigger(trigger.pk)
        started = _start(delivery, body, sender, idempotency)
        _keep_body(delivery, body)
        _settle(delivery, started)
        if not started.is_replay:
            delivery.save()
            note_fired(trigger.pk, started.run_id, delivery.received_at)
            record_fired(trigger, caller.actor, started.run_id)
    return started


def deliver_again(delivery_id: int, *, actor: str) -> WebhookDelivery:
    """Deliver a kept body once more, as a new delivery and a new run.

    Raises `BodyNotKept` or `TriggerDisabled`.
    """
    first = WebhookDelivery.objects.select_related("trigger").get(pk=delivery_id)
    trigger = first.trigger
    if not first.body:
        raise BodyNotKept(f"the body of delivery {delivery_id} was not kept")
    if not trigger.is_enabled:
        raise TriggerDisabled(f"trigger '{trigger.trigger_id}' is disabled")
    body = first.body.encode()
    delivery = _new_delivery(trigger, body, "")
    delivery.body_hash, delivery.size = first.body_hash, first.size
    delivery.event, delivery.actor, delivery.repeats = first.event, actor, first.pk
    delivery.idempotency_key = signatures.idempotency_key(trigger.trigger_id, new_ulid())
    _deliver(delivery, body, Sender(_own_actor(trigger)))
    record_fired(trigger, actor, delivery.run_id, "webhook_redelivered")
    return delivery


def forget_old_deliveries() -> int:
    """Delete deliveries that have served their time; returns how many."""
    kept = timedelta(days=settings.STARPORT_DELIVERY_DAYS)
    old = WebhookDelivery.objects.filter(received_at__lt=timezone.now() - kept)
    if not old.exists():
        return 0
    with write_transaction():
        deleted, _ = old.delete()
    return deleted


def _own_actor(trigger: WebhookTrigger) -> str:
    return f"webhook:{trigger.trigger_id}"


def _new_delivery(trigger: WebhookTrigger, body: bytes, remote_address: str) -> WebhookDelivery:
    return WebhookDelivery(
        trigger=trigger,
        received_at=timezone.now(),
        body_hash=hashlib.sha256(body).hexdigest(),
        size=len(body),
        remote_address=remote_address[:100],
    )


# --- Checking ---------------------------------------------------------------------------------


def _check(trigger: WebhookTrigger, headers: Mapping[str, str], body: bytes) -> str:
    """The request's nonce."""
    if len(body) > BODY_LIMIT:
        raise _Refused(413, "body_too_large")
    secrets = _secrets_of(trigger)
    if not secrets:
        logger.error("a webhook has no secret", extra={"trigger": trigger.trigger_id})
        raise _Refused(503, "secret_unavailable")
    rules = signatures.Rules(
        "github" if trigger.scheme == WebhookTrigger.Scheme.GITHUB else "stargraph",
        secrets,
        trigger.timestamp_window_seconds,
        trigger.signature_header,
        trigger.timestamp_header,
    )
    try:
        return signatures.check(rules, headers, body, now=time.time())
    except signatures.SignatureRefused as refusal:
        raise _Refused(401, refusal.code) from None


def _secrets_of(trigger: WebhookTrigger) -> list[str]:
    """Those that can be had, the current one first."""
    found = (
        secret_from(trigger.current_secret_env) if trigger.current_secret_env else "",
        unseal(trigger.current_secret_sealed) if trigger.current_secret_sealed else "",
        secret_from(trigger.previous_secret_env) if trigger.previous_secret_env else "",
        unseal(trigger.previous_secret_sealed) if trigger.previous_secret_sealed else "",
    )
    return [secret for secret in found if secret]


def _turn_away(delivery: WebhookDelivery, refusal: _Refused, headers: Mapping[str, str]) -> None:
    """A request that proved nothing. Of those from one address only so many a minute are kept."""
    _settle_refused(delivery, refusal)
    trigger = delivery.trigger
    if not _is_worth_keeping(delivery):
        return
    with write_transaction():
        delivery.save()
        if refusal.code == "invalid_signature":
            header = trigger.timestamp_header or signatures.TIMESTAMP_HEADER
            audit.record(
                "webhook_signature_invalid",
                actor=None,
                run_id=f"webhook:{trigger.trigger_id}",
                pack_id=WEBHOOK_PACK,
                durable=True,
                timestamp=audit.shortened(headers.get(header, "")),
                path=f"/hooks/{trigger.path}",
            )


def _is_worth_keeping(delivery: WebhookDelivery) -> bool:
    """Of requests that anybody could send, so many a minute."""
    return attempts.count_unproven(delivery.remote_address, delivery.trigger.trigger_id)


# --- Delivering -------------------------------------------------------------------------------


def _deliver(delivery: WebhookDelivery, raw: bytes, sender: Sender) -> None:
    """From here on the sender is known: what goes wrong is written down and can be repeated."""
    trigger = delivery.trigger
    try:
        with write_transaction():
            lock_trigger(trigger.pk)
            _spend_nonce(delivery)
            try:
                body = _parsed(raw)
                _keep_body(delivery, body)
            except _Refused as refusal:
                _settle_refused(delivery, refusal)  # and the nonce is spent: it gets no better
            else:
                started = _start_or_refuse(delivery, body, sender)
                _settle(delivery, started)
                if not started.is_replay:
                    note_fired(trigger.pk, started.run_id, delivery.received_at)
            delivery.save()
    except _Refused as refusal:
        # The nonce is free again: the sender may try the same request once more.
        delivery.pk, delivery.nonce = None, None
        _settle_refused(delivery, refusal)
        if refusal.status == 409 and not _is_worth_keeping(delivery):
            return
        with write_transaction():
            delivery.save(force_insert=True)
            if refusal.status == 422:
                note_failed(trigger.pk, refusal.detail)


def _spend_nonce(delivery: WebhookDelivery) -> None:
    delivery.code, delivery.status = "received", 0
    try:
        with transaction.atomic():
            delivery.save(force_insert=True)
    except IntegrityError:
        raise _Refused(409, "duplicate_nonce") from None


def _parsed(raw: bytes) -> dict[str, Any]:
    if not raw:
        return {}
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _Refused(400, "invalid_body_json", str(error)) from None
    if not isinstance(body, dict):
        raise _Refused(400, "body_not_json_object")
    return body


def _keep_body(delivery: WebhookDelivery, body: dict[str, Any]) -> None:
    """Without secrets, as runs are stored."""
    try:
        clean = orjson.dumps(redact_value(body))
    except (RecursionError, orjson.JSONEncodeError):
        raise _Refused(400, "invalid_body_json", "nested too deeply") from None
    if len(clean) <= KEPT_BODY:
        delivery.body = clean.decode()


def _start_or_refuse(delivery: WebhookDelivery, body: dict[str, Any], sender: Sender) -> Started:
    try:
        return _start(delivery, body, sender)
    except QueueFull:
        raise _Refused(503, "queue_full") from None
    except ShuttingDown:
        raise _Refused(503, "shutting_down") from None
    except RunsError as error:  # the inputs do not fit, or the graph or its model is gone
        raise _Refused(422, "input_invalid", str(error)) from None


def _start(
    delivery: WebhookDelivery,
    body: dict[str, Any],
    sender: Sender,
    idempotency: Idempotency | None = None,
) -> Started:
    """Start the run, or find the one that the same body has started before."""
    trigger = delivery.trigger
    mapped = map_body(
        trigger.mapping,
        body=body,
        event=delivery.event,
        fields=declared_fields(get_graph(trigger.graph_id)),
    )
    if not delivery.idempotency_key:
        delivery.idempotency_key = signatures.idempotency_key(
            trigger.trigger_id, delivery.body_hash
        )
    return start_run(
        run_request(
            trigger_id=trigger.trigger_id,
            kind=trigger.kind,
            graph_id=trigger.graph_id,
            inputs=trigger.params | mapped,
        ),
        actor=sender.actor,
        user_id=sender.user_id,
        granted=sender.granted,
        # The key has the body's hash in it; a mapping that changed since is no conflict.
        idempotency=idempotency or Idempotency(_own_actor(trigger), delivery.idempotency_key, None),
    )


def _settle(delivery: WebhookDelivery, started: Started) -> None:
    delivery.code = REPEATED if started.is_replay else ACCEPTED
    delivery.detail, delivery.status, delivery.run_id = "", 200, started.run_id


def _settle_refused(delivery: WebhookDelivery, refusal: _Refused) -> None:
    delivery.code, delivery.status = refusal.code, refusal.status
    delivery.detail = _storable(refusal.detail)


def _storable(text: str) -> str:
    return text.replace("\x00", "")[:300]
