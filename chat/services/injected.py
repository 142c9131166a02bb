"""What became of texts that joined a run.

A run reads its mail before each call of its model. One that ends before it could (it failed, or
somebody stopped it) leaves texts behind that nobody has answered: those begin a run of their own.
"""

from collections.abc import Sequence

from chat import live
from chat.models import Exchange
from chat.services.prompts import prompt_of
from runs.log.read import walk_events
from runs.models import Run


def settle_injected(run: Run, injected: Sequence[Exchange]) -> None:
    """Say of texts that joined a run whether they were used. The caller holds the session's lock.

    Before the run has ended nobody can tell, and they stay as they are.
    """
    if not injected or not run.is_finished:
        return
    used = _used(run.pk, injected)
    for exchange in injected:
        if exchange.pk in used:
            exchange.status = Exchange.Status.ANSWERED
        else:
            exchange.kind, exchange.status = Exchange.Kind.MESSAGE, Exchange.Status.WAITING
            exchange.run_id, exchange.after_seq = "", 0
        exchange.save(update_fields=["kind", "status", "run_id", "after_seq"])
        live.exchange_changed(exchange.pk)


def _used(run_id: str, injected: Sequence[Exchange]) -> set[int]:
    """Those whose text the log has before a call of the model."""
    waiting = sorted(injected, key=lambda exchange: exchange.pk)
    taken: list[int] = []
    used: set[int] = set()
    for event in walk_events(run_id, after=min(exchange.after_seq for exchange in waiting)):
        if event.kind_name == "UserMessageAppended":
            content = event.data.get("content")
            for exchange in waiting:
                text = prompt_of(exchange.text, exchange.attachments)
                if exchange.pk not in taken and event.seq > exchange.after_seq and content == text:
                    taken.append(exchange.pk)
                    break
        elif event.kind_name == "TurnStarted":
            used.update(taken)
    return used
