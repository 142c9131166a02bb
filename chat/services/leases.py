"""Turns at services that several processes could run and only one may."""

import logging
import uuid
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from chat.models import ServiceLease
from project.lib.db import write_transaction
from project.lib.pool import in_database_thread

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=15)
#: This process, for as long as it lives.
ME = str(uuid.uuid4())


def is_our_turn(name: str) -> bool:
    """Whether this server runs a service. On SQLite there is one, which holds the folder's lock."""
    return connection.vendor == "sqlite" or has_turn(name, timezone.now())


def has_turn(name: str, now: datetime, owner: str = ME) -> bool:
    """Take the turn, or keep it, unless somebody else has it. Ask well within `LEASE`.

    Most of a lease that is held is left alone: it is written anew when two thirds of it are over.
    """
    lease = ServiceLease.objects.filter(pk=name).first()
    if lease is not None and lease.owner == owner and lease.expires_at - now > LEASE / 3:
        return True
    if lease is not None and lease.owner != owner and lease.expires_at > now:
        return False
    with write_transaction():
        mine_or_free = Q(owner=owner) | Q(expires_at__lte=now)
        taken = ServiceLease.objects.filter(mine_or_free, pk=name).update(
            owner=owner, expires_at=now + LEASE
        )
        if taken:
            return True
        _, is_new = ServiceLease.objects.get_or_create(
            name=name, defaults={"owner": owner, "expires_at": now + LEASE}
        )
        return is_new


def give_up(name: str, owner: str = ME) -> None:
    """Let the next one have the turn at once."""
    ServiceLease.objects.filter(pk=name, owner=owner).delete()


async def leave(name: str) -> None:
    """Give up while a service stops: whatever the database does, the rest has to stop as well.

    Without it the next one has the turn when the lease is over.
    """
    try:
        await in_database_thread(give_up, name)
    except Exception:
        logger.exception("a turn could not be given up", extra={"service": name})
