"""What is said while a run is under way: put into that run, if it still takes it."""

from django.db import transaction

from accounts.principals import Principal
from chat.models import Exchange, Session
from chat.services.posting import Incoming, Posted, check_incoming, store_exchange
from chat.services.prompts import prompt_of
from chat.services.sessions import Address, open_session_at
from project.lib.db import write_transaction
from runs.errors import RunsError
from runs.log.redaction import redact_text
from runs.models import Run
from runs.services.lifecycle import inject_message


def inject(
    address: Address, incoming: Incoming, *, caller: Principal, run_id: str
) -> Posted | None:
    """Join the run that works for the conversation at `address`.

    `None`, and nothing is stored, when that run takes no more (it has ended, or it waits for the
    answer to a question), or may do what the caller may not: a limited key would borrow that.
    Raises `OutOfRange` for a blank text.
    """
    check_incoming(incoming)
    with write_transaction():
        session = open_session_at(address)
        run = _run_under_way(session, run_id)
        if session is None or run is None or not _holds_all(caller, run):
            return None
        content = redact_text(prompt_of(incoming.text, [a.as_map() for a in incoming.attachments]))
        try:
            with transaction.atomic():
                inject_message(run_id=run_id, content=content)
        except RunsError:
            return None
        exchange = store_exchange(
            session,
            incoming,
            caller,
            kind=Exchange.Kind.INJECTED,
            status=Exchange.Status.RUNNING,
            run_id=run_id,
            after_seq=run.head_seq,
        )
    return Posted(exchange.pk, session.pk, run_id=run_id, after_seq=run.head_seq)


def _holds_all(caller: Principal, run: Run) -> bool:
    return run.granted is not None and caller.capabilities >= set(run.granted)


def _run_under_way(session: Session | None, run_id: str) -> Run | None:
    if session is None:
        return None
    works = session.exchanges.filter(run_id=run_id, status=Exchange.Status.RUNNING)
    run = Run.objects.filter(pk=run_id).first() if works.exists() else None
    if run is None or run.is_finished or run.status == Run.Status.AWAITING_INPUT:
        return None
    return run
