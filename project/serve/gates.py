"""What a security profile demands of the machine and the settings before a server may listen.

What flags alone can tell is refused in `project.serve.options`, before settings are read.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks.security.base import check_secret_key, check_secret_key_fallbacks
from django.db import DatabaseError

from accounts import audit
from accounts.client_certificates import GrantsError, read_grants
from accounts.credentials import is_loopback
from accounts.profiles import PROFILES, Profile

#: File systems of other machines: locks and renames on them are promises nobody keeps.
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb", "smb3", "smbfs", "afpfs", "afs"})

_JWT = ("STARPORT_JWT_JWKS_URL", "STARPORT_JWT_ISSUER", "STARPORT_JWT_AUDIENCE")


class ProfileViolation(Exception):
    """The profile cannot hold. The message is one sentence for the person at the terminal."""


def check_configuration(*, has_client_ca: bool) -> None:
    """Raise `ProfileViolation` when the settings break what the profile promises."""
    profile = PROFILES[settings.STARPORT_PROFILE]
    _refuse_network_folder(settings.DATA_DIR)
    _refuse_half_configured_tokens()
    if profile.default_deny:
        _refuse_other_ways_in(profile)
        _refuse_debug_and_weak_keys(profile)
        _refuse_trust_in_everybody(profile)
        _require_provider(profile, has_client_ca=has_client_ca)


def check_audit() -> None:
    """Raise `ProfileViolation` unless the required trail is whole and can be written to.

    The start itself is the record that proves it.
    """
    profile = PROFILES[settings.STARPORT_PROFILE]
    if not profile.audit_required:
        return
    try:
        verdict = audit.verify()
        if not verdict.is_intact:
            raise ProfileViolation(
                f"the audit trail is broken at record {verdict.seq}: {verdict.reason}"
            )
        audit.record(
            "server_started",
            actor=None,
            pack_id=audit.ADMINISTRATION,
            durable=True,
            profile=profile.name,
            auth_provider=settings.STARPORT_AUTH_PROVIDER,
        )
    except DatabaseError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ProfileViolation(f"the audit trail cannot be written: {reason}") from error


def file_system_of(path: Path, mounts: str) -> str:
    """The type of the file system that `path` lies on; `mounts` is `/proc/self/mountinfo`."""
    found, longest = "", -1
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        point = Path(re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), fields.split()[4]))
        # A later mount at the same place covers the earlier one.
        if path.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = rest.split()[0], len(point.parts)
    return found


def _refuse_network_folder(folder: Path) -> None:
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return  # not Linux: nobody to ask
    kind = file_system_of(folder.resolve(), mounts)
    if kind in NETWORK_FILE_SYSTEMS:
        raise ProfileViolation(f"the data folder {folder} lies on a network file system ({kind})")


def _refuse_half_configured_tokens() -> None:
    given = [name for name in _JWT if getattr(settings, name)]
    if not given:
        return
    if missing := [name for name in _JWT if name not in given]:
        raise ProfileViolation(f"{given[0]} is set, so {' and '.join(missing)} must be, too")
    if urlsplit(settings.STARPORT_JWT_JWKS_URL).scheme not in ("http", "https"):
        raise ProfileViolation("STARPORT_JWT_JWKS_URL must be an http or https address")


def _refuse_other_ways_in(profile: Profile) -> None:
    if settings.STARLINGD_TOKEN:
        raise ProfileViolation(
            f"the {profile.name} profile has no daemon token: leave out --token and STARLINGD_TOKEN"
        )
    if settings.STARPORT_INSTANCE_BACKEND == "local":
        raise ProfileViolation(
            "STARPORT_INSTANCE_BACKEND=local would start servers without TLS, which the "
            f"{profile.name} profile does not allow"
        )


def _refuse_debug_and_weak_keys(profile: Profile) -> None:
    if settings.DEBUG:
        raise ProfileViolation(f"DEBUG not permitted under {profile.name} profile")
    if check_secret_key(None) or check_secret_key_fallbacks(None):
        raise ProfileViolation(
            f"SECRET_KEY and its fallbacks must be random and of 50 characters or more under "
            f"{profile.name} profile"
        )


def _refuse_trust_in_everybody(profile: Profile) -> None:
    for network in settings.STARPORT_TRUSTED_PROXIES:
        if ip_network(network).prefixlen == 0:
            raise ProfileViolation(
                f"STARPORT_TRUSTED_PROXIES must name proxies under {profile.name} profile, "
                f"and {network} is everybody"
            )


def _require_provider(profile: Profile, *, has_client_ca: bool) -> None:
    provider = settings.STARPORT_AUTH_PROVIDER
    if provider == "mtls":
        if not has_client_ca and not settings.STARPORT_TRUSTED_PROXIES:
            raise ProfileViolation(
                "client certificates are asked for and nobody can check them: give "
                "--tls-client-ca, or name the proxy that does in STARPORT_TRUSTED_PROXIES"
            )
        try:
            read_grants(settings.STARPORT_MTLS_GRANTS)
        except GrantsError as error:
            raise ProfileViolation(f"STARPORT_MTLS_GRANTS {error}") from None
    if provider == "bearer_jwt":
        if not settings.STARPORT_JWT_JWKS_URL:
            raise ProfileViolation(f"bearer tokens are asked for: set {', '.join(_JWT)}")
        url = urlsplit(settings.STARPORT_JWT_JWKS_URL)
        if url.scheme != "https" and not is_loopback(url.hostname or ""):
            raise ProfileViolation(
                f"STARPORT_JWT_JWKS_URL must be https under {profile.name} profile"
            )
