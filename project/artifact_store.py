"""Where artifacts lie: the `STORAGES` entry that `STARPORT_ARTIFACTS_URL` asks for."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*")
_REGION = re.compile(r"[a-z0-9-]{1,40}")
_EXAMPLE = "s3://bucket/prefix?endpoint=https://host&region=name"


def artifact_storage(url: str, *, folder: Path, access_key: str, secret_key: str) -> dict[str, Any]:
    """A folder without a URL, else a bucket. Raises `ImproperlyConfigured` for nonsense."""
    if bool(access_key) != bool(secret_key):
        raise ImproperlyConfigured(
            "STARPORT_S3_ACCESS_KEY and STARPORT_S3_SECRET_KEY belong together: set both or none"
        )
    if not url:
        return {"BACKEND": "runs.artifact_folder.ArtifactFolder", "OPTIONS": {"location": folder}}
    options = _bucket_options(url)
    if access_key:
        # A session token in the environment belongs to the keys there, not to these.
        options |= {"access_key": access_key, "secret_key": secret_key, "security_token": None}
    return {"BACKEND": "runs.artifact_bucket.ArtifactBucket", "OPTIONS": options}


def _bucket_options(url: str) -> dict[str, Any]:
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise _nonsense("is not a URL") from None
    if parts.scheme != "s3":
        raise _nonsense("must begin with s3://")
    if "@" in parts.netloc:
        raise _nonsense("must not hold credentials; STARPORT_S3_ACCESS_KEY is for them")
    if not _BUCKET.fullmatch(parts.netloc):
        raise _nonsense(f"names no bucket: {parts.netloc!r} cannot be one")
    prefix = unquote(parts.path).strip("/")
    if prefix and (not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/"))):
        raise _nonsense(f"has a prefix that is none: {prefix!r}")
    if parts.fragment or (unknown := sorted(set(query) - {"endpoint", "region"})):
        named = "a fragment" if parts.fragment else f"{unknown[0]!r}"
        raise _nonsense(f"has {named}; after the ? may stand endpoint and region")
    endpoint, region = (_only(query, name) for name in ("endpoint", "region"))
    if endpoint and not _is_endpoint(endpoint):
        raise _nonsense("has an endpoint that is not http(s)://host[:port]")
    if region and not _REGION.fullmatch(region):
        raise _nonsense(f"has a region that is none: {region!r}")
    return {
        "bucket_name": parts.netloc,
        "location": prefix,
        "endpoint_url": endpoint.rstrip("/") or None,
        "region_name": region or None,
    }


def _only(query: dict[str, list[str]], name: str) -> str:
    values = query.get(name, [""])
    if len(values) > 1:
        raise _nonsense(f"names the {name} twice")
    return values[0]


def _is_endpoint(text: str) -> bool:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        return False
    is_bare = parts.path in ("", "/") and not parts.query and "@" not in parts.netloc
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_bare


def _nonsense(complaint: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"STARPORT_ARTIFACTS_URL {complaint} (such as {_EXAMPLE})")
