"""What one audit record looks like. The shape is that of Stargraph's audit events."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache

import orjson

GATE = "stargraph.serve.gate"  # who came in, and who was turned away
RUNTIME = "stargraph.runtime"  # what was done to a run
ARTIFACTS = "stargraph.artifacts"  # who read one
ADMINISTRATION = "starport.accounts"  # users, keys, bootstrap

# What `fact.kind` can be, for those who choose one to look for.
KINDS = (
    "api_key_imported",
    "api_key_issued",
    "api_key_revoked",
    "artifact_read",
    "auth_failed",
    "auth_succeeded",
    "bootstrap",
    "capability_denied",
    "capability_granted",
    "counterfactual_forked",
    "document_written",
    "event_redacted",
    "graph_registered",
    "graph_retired",
    "instance_command",
    "instance_given_up",
    "instance_restarted",
    "instance_status_changed",
    "lifecycle_cancel",
    "lifecycle_pause",
    "memory_document_deleted",
    "memory_document_written",
    "memory_reindexed",
    "password_set",
    "respond",
    "respond_orchestrated",
    "run_enqueued",
    "run_resumed",
    "runs_pruned",
    "secret_removed",
    "secret_set",
    "server_started",
    "settings_changed",
    "settings_file_applied",
    "spending_limit_changed",
    "spending_limit_reached",
    "spending_limit_removed",
    "spending_warned",
    "stream_closed",
    "stream_opened",
    "telegram_linked",
    "telegram_unlinked",
    "trigger_created",
    "trigger_fired",
    "trigger_updated",
    "unhandled_exception",
    "user_created",
    "user_updated",
    "webhook_endpoint_created",
    "webhook_endpoint_deleted",
    "webhook_endpoint_disabled",
    "webhook_endpoint_updated",
    "webhook_message_redelivered",
    "webhook_redelivered",
    "webhook_secret_rotated",
    "webhook_signature_invalid",
    "webhook_test_requested",
)

PACK_VERSION = "1.0"
MAX_TEXT = 200  # characters of a string that callers choose: their paths may have thousands


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing to record. Kept raw until it is stored: requests make thousands a second."""

    ts: int  # Unix ns
    kind: str
    actor: str | None
    run_id: str
    pack_id: str
    details: Mapping[str, object]


def shortened(text: str) -> str:
    """What is recorded of a string that a caller chose."""
    return text[:MAX_TEXT]


def encode(fact: Fact) -> bytes:
    """The record's canonical bytes: JSON, keys sorted, no spaces."""
    moment = _timestamp(fact.ts)
    record = {
        "type": "bosun_audit",
        "run_id": fact.run_id,
        "step": 0,
        "branch_id": None,
        "ts": f"{moment}Z",
        "payload": {},
        "pack_id": fact.pack_id,
        "pack_version": PACK_VERSION,
        "fact": {"kind": fact.kind, "actor": fact.actor, **_run(fact), **fact.details},
        "provenance": {
            "origin": "system",
            "source": fact.pack_id,
            "run_id": fact.run_id,
            "step": 0,
            "confidence": 1.0,
            "timestamp": f"{moment}+00:00",
        },
    }
    try:
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS, default=str)
    except orjson.JSONEncodeError:  # half a surrogate pair in a path: record it, mended
        return encode(replace(fact, details=_mended(fact.details)))


def _mended(details: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value).encode(errors="replace").decode() for key, value in details.items()}


def _run(fact: Fact) -> dict[str, str]:
    return {"run_id": fact.run_id} if fact.run_id else {}


def _timestamp(ns: int) -> str:
    """RFC 3339 to the microsecond, without a zone."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    return f"{_to_the_second(seconds)}.{fraction // 1000:06d}"


@lru_cache(maxsize=64)  # facts are stored about in their order
def _to_the_second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def timestamp_of(ns: int) -> str:
    """What a record of that moment has as its `ts`."""
    return f"{_timestamp(ns)}Z"
