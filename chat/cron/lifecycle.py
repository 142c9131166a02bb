"""The assistant's prompts at the start of a server: BOOTSTRAP.md until it succeeds, BOOT.md always.

What becomes of BOOTSTRAP.md is read from the exchange that its text became: the idempotency key is
the digest of the text and how often it has failed, so that servers that start together ask once.
"""

import logging

from blake3 import blake3

from chat.cron.assistant import BOOT, BOOTSTRAP, MAIN, assistant_principal
from chat.errors import ChatError
from chat.memory.documents import SHARED, read_document, write_document
from chat.models import Exchange
from chat.services.posting import Incoming, post_message
from chat.services.sessions import Address
from project.lib.db import write_transaction
from runs.errors import RunsError
from runs.models import Run
from runs.services.starting import Idempotency

logger = logging.getLogger(__name__)

BOOT_DOCUMENT, BOOTSTRAP_DOCUMENT = "BOOT.md", "BOOTSTRAP.md"
SOURCE = "boot"
_SCOPE = "bootstrap"


def post_start_prompts() -> None:
    """Once in each start of a server; the runs are not waited for."""
    bootstrap = read_document(SHARED, BOOTSTRAP_DOCUMENT)
    if bootstrap.strip():
        _bootstrap(bootstrap)
    boot = read_document(SHARED, BOOT_DOCUMENT)
    if boot.strip():
        _post(BOOT, boot, BOOT_DOCUMENT)


def run_has_ended(run_id: str) -> None:
    """Empty BOOTSTRAP.md when it was its run, and that succeeded."""
    exchange = Exchange.objects.filter(run_id=run_id, idempotency_scope=_SCOPE).first()
    if exchange is not None and _has_succeeded(exchange):
        _empty(exchange)


def _bootstrap(text: str) -> None:
    digest = _digest(text)
    asked = Exchange.objects.filter(
        idempotency_scope=_SCOPE, idempotency_key__startswith=f"{digest}:"
    ).exclude(idempotency_key="")  # for SQLite: see ExchangeQuerySet.under_key
    last = asked.order_by("-id").first()
    if last is not None and _is_under_way(last):
        return
    if last is not None and _has_succeeded(last):
        _empty(last)
        return
    key = f"{digest}:{asked.count()}"
    _post(BOOTSTRAP, text, BOOTSTRAP_DOCUMENT, Idempotency(_SCOPE, key, None))


def _post(owner: str, text: str, document: str, idempotency: Idempotency | None = None) -> None:
    try:
        post_message(
            Address(owner, "main", MAIN),
            Incoming(text, trigger_source=SOURCE, triggered_by=document),
            caller=assistant_principal(owner),
            idempotency=idempotency,
        )
    except (ChatError, RunsError) as error:
        logger.warning("a prompt at start was not taken", extra={"reason": str(error)})


def _is_under_way(exchange: Exchange) -> bool:
    """By its run: that may have ended before its session was told."""
    run = Run.objects.filter(pk=exchange.run_id).first()
    waits = exchange.status == Exchange.Status.WAITING
    return waits if run is None else not run.is_finished


def _has_succeeded(exchange: Exchange) -> bool:
    return Run.objects.filter(pk=exchange.run_id, status=Run.Status.DONE).exists()


def _empty(exchange: Exchange) -> None:
    """Unless somebody has written something else there meanwhile."""
    with write_transaction():
        text = read_document(SHARED, BOOTSTRAP_DOCUMENT)
        if exchange.idempotency_key.startswith(f"{_digest(text)}:"):
            write_document(SHARED, BOOTSTRAP_DOCUMENT, "", actor=BOOTSTRAP, run_id=exchange.run_id)


def _digest(text: str) -> str:
    return blake3(text.encode(errors="replace")).hexdigest()
