"""Users, their credentials, and the record of what was decided about them."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import Any, ClassVar, NoReturn

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Upper

from accounts.errors import AuditIsAppendOnly


def new_id() -> str:
    return str(uuid.uuid4())


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        """The user who logs in as `username`: their e-mail address in any letters' case."""
        return self.get(email__iexact=username)

    def create_superuser(self, *args: object, **kwargs: object) -> NoReturn:
        """Django's `createsuperuser` prints this; a new admin goes through the audited service."""
        raise ValidationError("Use `manage.py apikey create --role admin` instead.")

    def active_admins(self) -> models.QuerySet[User]:
        return self.filter(role=User.Role.ADMIN, is_active=True)


class User(AbstractBaseUser):
    """Whoever acts: a person or a service. Never deleted, only deactivated."""

    class Role(models.TextChoices):
        ADMIN = "admin"
        USER = "user"  # its own runs only
        VIEWER = "viewer"
        OPERATOR = "operator"
        RESPONDER = "responder"
        ANALYST = "analyst"
        SCRAPER = "scraper"  # metrics

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    email = models.EmailField(unique=True, null=True, blank=True)
    display_name = models.CharField(max_length=100, blank=True, default="")
    role = models.CharField(max_length=20, choices=Role, default=Role.USER)
    is_active = models.BooleanField(default=True)
    filesystem_enabled = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [
            # services.users trusts it: Ada@x and ada@x are one person. Also the index of the
            # login's look-up, which compares upper-case on Postgres.
            models.UniqueConstraint(Upper("email"), name="user_email_unique_in_any_case"),
            models.CheckConstraint(
                # The capabilities of a role are looked up by its name.
                name="user_role_known",
                condition=Q(
                    role__in=[
                        "admin",
                        "user",
                        "viewer",
                        "operator",
                        "responder",
                        "analyst",
                        "scraper",
                    ]
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.display_name or self.email or self.id

    def get_username(self) -> str:
        """How pages address them; somebody who logs in by API key may have no e-mail address."""
        return str(self)

    def clean(self) -> None:
        self.email = self.email or None  # an empty form field; two users may have no address

    @property
    def is_staff(self) -> bool:
        """Whether the admin site lets them in."""
        return self.role == self.Role.ADMIN

    @property
    def is_superuser(self) -> bool:
        return self.role == self.Role.ADMIN

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return self.is_active and self.is_superuser

    def has_perms(self, perm_list: list[str], obj: object = None) -> bool:
        return self.is_active and self.is_superuser

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_superuser


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def live(self, now: datetime) -> ApiKeyQuerySet:
        return self.filter(revoked_at=None).exclude(expires_at__lte=now)


class ApiKey(models.Model):
    """A credential. The secret itself exists only in the answer to its creation."""

    id = models.CharField(primary_key=True, max_length=36, default=new_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    prefix = models.CharField(max_length=8)  # finds the row; not secret, and not unique
    key_hash = models.CharField(max_length=200)  # PHC string, $argon2id$…
    label = models.CharField(max_length=100, blank=True, default="")
    # Names the key is limited to; null: all of its owner's, whatever they will be.
    capabilities = models.JSONField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)  # to the minute
    created_at = models.DateTimeField(auto_now_add=True)
    spending_limit_usd = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True
    )  # over the key's life; null: none

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        indexes = [
            # accounts.verification: the candidates for a presented key.
            models.Index(name="apikey_prefix", fields=["prefix"]),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}… {self.label}".strip()

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


class AuditRecordQuerySet(models.QuerySet["AuditRecord"]):
    def update(self, **kwargs: Any) -> NoReturn:
        raise AuditIsAppendOnly("audit records are never changed")

    def delete(self) -> NoReturn:
        raise AuditIsAppendOnly("audit records are never removed")


class AuditRecord(models.Model):
    """A decision or an administrative change. `accounts.audit` is the only writer.

    It names people by id and has no foreign key, so nothing that happens to them touches it.
    """

    seq = models.BigIntegerField(primary_key=True)  # 1-based, gapless; assigned under the head
    ts = models.BigIntegerField()  # Unix ns of the fact; the order of `seq` is that of writing
    fact_kind = models.CharField(max_length=60)
    actor = models.CharField(max_length=200, blank=True, default="")  # "" = unknown
    run_id = models.CharField(max_length=64, blank=True, default="")
    pack_id = models.CharField(max_length=60)
    # The whole record as JSON text: its UTF-8 bytes are what `hash` covers, so no reordering.
    record = models.TextField()
    prev_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)  # BLAKE3 of prev_hash + record

    objects = AuditRecordQuerySet.as_manager()

    class Meta:
        indexes = [
            # accounts.audit.reading and the admin: each filter, newest first
            models.Index(name="audit_by_time", fields=["ts", "seq"]),
            models.Index(name="audit_by_kind", fields=["fact_kind", "ts", "seq"]),
            models.Index(name="audit_by_actor", fields=["actor", "ts", "seq"]),
            # Most records belong to no run.
            models.Index(
                name="audit_by_run", fields=["run_id", "ts", "seq"], condition=~Q(run_id="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.fact_kind}"

    def save(self, *args: object, **kwargs: object) -> NoReturn:
        raise AuditIsAppendOnly("audit records are written by accounts.audit")

    def delete(self, *args: object, **kwargs: object) -> NoReturn:
        raise AuditIsAppendOnly("audit records are never removed")

    @property
    def event(self) -> dict[str, Any]:
        """The record as the clients of the audit trail read it."""
        return dict(json.loads(self.record))


class AuditHead(models.Model):
    """One row: where the audit chain ends. Its row lock is what makes `seq` gapless."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField(default=0)
    hash = models.BinaryField(max_length=32)

    def __str__(self) -> str:
        return f"audit head at {self.seq}"
