"""May this caller do that? The answer is in the audit trail either way."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.http import HttpRequest
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts import audit, rate_limits
from accounts.authentication import as_api_exception, authenticate_http
from accounts.errors import AuditUnavailable, CapabilityDenied
from accounts.principals import Principal

if TYPE_CHECKING:  # DRF reads its default permissions while it defines APIView
    from rest_framework.views import APIView

logger = logging.getLogger(__name__)


def authorize(principal: Principal, capability: str, *, route: str) -> None:
    """Raise `CapabilityDenied` unless `principal` holds `capability`. `route` is the URL path.

    Raises `AuditUnavailable` when a grant has to be on record and cannot be.
    """
    route = audit.shortened(route)
    if principal.can(capability):
        _record_grant(principal, capability, route)
        return
    audit.record_decision(
        "capability_denied", actor=principal.actor, capability=capability, route=route
    )
    raise CapabilityDenied(capability, settings.STARPORT_PROFILE)


def _record_grant(principal: Principal, capability: str, route: str) -> None:
    try:
        audit.record(
            "capability_granted", actor=principal.actor, capability=capability, route=route
        )
    except DatabaseError as error:
        logger.exception("a grant could not be recorded")
        raise AuditUnavailable from error


def admit(request: HttpRequest, capability: str) -> Principal:
    """The caller, who holds `capability`. Raises an `AccountsError` for anybody else."""
    principal: Principal | None = getattr(request, "principal", None)  # below /inspect the gate's
    if principal is None:
        principal = authenticate_http(request)
    authorize(principal, capability, route=request.path)
    rate_limits.charge(request, principal)
    return principal


class HasCapability(BasePermission):
    """Asks for the view's `required_capability`: a name, or a name per HTTP method.

    A view that names none is a mistake and answers nobody.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        capability = _required(request.method or "", view)
        if capability is None:
            return True
        principal = principal_of(request)
        try:
            authorize(principal, capability, route=request.path)
        except (CapabilityDenied, AuditUnavailable) as error:
            raise as_api_exception(error) from error
        rate_limits.charge(request._request, principal)
        return True


def principal_of(request: Request) -> Principal:
    """The caller of a DRF view that authenticates with `PrincipalAuthentication`."""
    principal: object = request.auth
    if not isinstance(principal, Principal):
        raise ImproperlyConfigured("the view does not authenticate with PrincipalAuthentication")
    return principal


def _required(method: str, view: APIView) -> str | None:
    """`None` where there is nothing to protect: a method that the view will answer with 405."""
    required = getattr(view, "required_capability", None)
    if isinstance(required, str):
        return required
    if not isinstance(required, Mapping):
        raise ImproperlyConfigured(f"{type(view).__name__} names no required_capability")
    name = required.get("GET" if method == "HEAD" else method)
    if name is None and method != "OPTIONS" and hasattr(view, method.lower()):
        raise ImproperlyConfigured(f"{type(view).__name__} names no capability for {method}")
    return name
