"""Users with a key in their hand."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.key_format import argon2_verifications
from accounts.models import ApiKey, AuditRecord, User
from accounts.services.api_keys import issue_key
from accounts.services.users import create_user

PASSWORD = "a passphrase nobody guesses"


@dataclass(frozen=True)
class Member:
    user: User
    key: ApiKey
    secret: str

    @property
    def headers(self) -> dict[str, str]:
        return {"X-API-Key": self.secret}


def make_member(
    *, role: str = "user", email: str | None = None, password: str | None = None, **key: Any
) -> Member:
    user = create_user(actor="test", role=role, email=email, password=password)
    issued = issue_key(user_id=user.pk, actor="test", **key)
    return Member(user=user, key=issued.key, secret=issued.secret)


def verifications() -> float:
    """How often this process has run argon2 for API keys."""
    return next(
        sample.value
        for metric in argon2_verifications.collect()
        for sample in metric.samples
        if sample.name == "starport_argon2_verifications_total"
    )


def expire(key: ApiKey, moment: datetime) -> None:
    """As if time had passed: a key cannot be issued with an expiry in the past."""
    ApiKey.objects.filter(pk=key.pk).update(expires_at=moment)


def facts(kind: str) -> list[dict[str, Any]]:
    """The facts of that kind in the audit trail, oldest first."""
    records = AuditRecord.objects.filter(fact_kind=kind).order_by("seq")
    return [record.event["fact"] for record in records]
