"""System checks (`manage.py check`): settings that are each legal and together a mistake."""

import re
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from instances.backends.http.address import read_address
from instances.errors import BackendFailed


@register()
def check_executor(**_kwargs: Any) -> list[CheckMessage]:
    if settings.STARPORT_EXECUTOR != "celery":
        return []
    problems: list[CheckMessage] = []
    if not settings.REDIS_URL:
        problems.append(
            Error(
                "STARPORT_EXECUTOR=celery needs Redis as broker and channel layer.",
                hint="Set REDIS_URL, or STARPORT_EXECUTOR=embedded.",
                id="starport.E001",
            )
        )
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        problems.append(
            Error(
                "STARPORT_EXECUTOR=celery needs a database that several machines can share.",
                hint="Set DATABASE_URL to a PostgreSQL database.",
                id="starport.E002",
            )
        )
    return problems


@register()
def check_networks(**_kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name} holds {network!r}, which is not a network.",
            hint="Write networks as CIDR, for example 10.0.0.0/8, separated by commas.",
            id="starport.E003",
        )
        for name in ("STARPORT_TRUSTED_PROXIES", "STARPORT_SSRF_ALLOW")
        for network in getattr(settings, name)
        if not _is_network(network)
    ]


@register()
def check_secrets(**_kwargs: Any) -> list[CheckMessage]:
    return [
        Warning(
            f"{name} is shorter than 16 characters and easy to guess.",
            hint="Use a random one: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            id="starport.W001",
        )
        for name in ("STARLINGD_TOKEN", "STARPOD_API_KEY")
        if 0 < len(getattr(settings, name)) < 16
    ]


@register()
def check_graph_folders(**_kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"The graph folder {path} does not exist.",
            hint="Correct --graphs or STARPORT_GRAPHS.",
            id="starport.E004",
        )
        for path in settings.STARPORT_GRAPHS
        if not path.is_dir()
    ]


@register()
def check_redaction(**_kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"STARPORT_REDACT holds {pattern!r}, which is no regular expression: {complaint}.",
            hint="Write one regular expression of Python a line.",
            id="starport.E005",
        )
        for pattern in settings.STARPORT_REDACT
        if (complaint := _complaint_about(pattern))
    ]


@register()
def check_instances(**_kwargs: Any) -> list[CheckMessage]:
    url, key = settings.STARPORT_INSTANCE_BACKEND_URL, settings.STARPORT_INSTANCE_API_KEY
    if not url:
        return []
    problems: list[CheckMessage] = []
    if settings.STARPORT_INSTANCE_BACKEND:
        problems.append(
            Warning(
                "Two backends of instances are configured; the one with a URL is used.",
                hint="Unset STARPOD_INSTANCE_BACKEND_URL or STARPORT_INSTANCE_BACKEND.",
                id="starport.W002",
            )
        )
    try:
        address = read_address(url, key)
    except BackendFailed as error:
        hint = "Correct STARPOD_INSTANCE_BACKEND_URL or STARPOD_INSTANCE_API_KEY."
        return [*problems, Error(f"Instances: {error}.", hint=hint, id="starport.E006")]
    if address.is_in_the_clear:
        problems.append(
            Warning(
                "The credential of the instance backend is sent unencrypted.",
                hint="Use an https:// address in STARPOD_INSTANCE_BACKEND_URL.",
                id="starport.W003",
            )
        )
    return problems


def _complaint_about(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)
    return ""


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True
