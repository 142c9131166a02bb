"""What the accounts app refuses. `project/api_errors.py` maps each class to a status.

The message of each is one sentence that a client may read; `code` is the word for programs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accounts.rate_limits.quotas import Standing


class AccountsError(Exception):
    """Base of all refusals."""

    code = "refused"


class AuthenticationError(AccountsError):
    """The caller is not known: 401."""

    scheme = "ApiKey"  # what the caller is asked for, as WWW-Authenticate names it


class MissingCredential(AuthenticationError):
    """No credential was sent and the server is not open."""

    code = "missing_api_key"

    def __init__(self, message: str = "Missing API key — set X-API-Key header") -> None:
        super().__init__(message)


class MissingBearer(MissingCredential):
    """No token was sent where tokens are asked for first."""

    code = "missing_bearer"
    scheme = "Bearer"

    def __init__(self) -> None:
        super().__init__("Missing bearer token")


class MissingClientCertificate(MissingCredential):
    """No client certificate came with the connection, nor with a declared proxy's word for it."""

    code = "missing_client_cert"
    scheme = "mTLS"

    def __init__(self) -> None:
        super().__init__("Missing client certificate")


class InvalidCredential(AuthenticationError):
    """A credential was sent and it does not count. The reason goes to the audit trail alone."""

    code = "invalid_api_key"
    message = "Invalid API key"

    def __init__(self, reason: str = "", *, actor: str | None = None) -> None:
        super().__init__(self.message)
        self.reason = reason or self.code
        self.actor = actor  # whose credential it was, when that is certain


class InvalidToken(InvalidCredential):
    """A bearer token is not a token of the configured issuer, or not a token at all."""

    code = "invalid_token"
    scheme = "Bearer"
    message = "Invalid bearer token"


class ExpiredToken(InvalidToken):
    """A bearer token's time is up."""

    code = "expired_token"
    message = "The bearer token has expired"


class InvalidAudience(InvalidToken):
    """A bearer token was made for somebody else, or by somebody else."""

    code = "invalid_audience"
    message = "The bearer token is not meant for this server"


class InvalidClientCertificate(InvalidCredential):
    """A client certificate, or a proxy's word about one, names nobody."""

    code = "invalid_client_cert"
    scheme = "mTLS"
    message = "Invalid client certificate"


class TooManyAttempts(AccountsError):
    """Too many wrong credentials came from this address: 429 with Retry-After."""

    code = "too_many_attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many failed attempts")
        self.retry_after = retry_after  # seconds, at least 1


class RateLimited(AccountsError):
    """The caller's quota of this window is used up: 429 with Retry-After."""

    code = "rate_limit_exceeded"

    def __init__(self, retry_after: int, standing: Standing) -> None:
        super().__init__("Rate limit exceeded")
        self.retry_after = retry_after  # seconds, at least 1
        self.standing = standing


class CounterfactualLimited(AccountsError):
    """The caller forks runs faster than its bucket fills: 429 with Retry-After."""

    code = "counterfactual_rate_limit_exceeded"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Counterfactual rate limit exceeded")
        self.retry_after = retry_after  # seconds, at least 1


class CrossSiteRequest(AccountsError):
    """A login session was used without the proof that our own page sent the request: 403."""

    code = "csrf_failed"

    def __init__(self, detail: str) -> None:
        super().__init__(f"CSRF check failed: {detail}")


class InsecureTransport(AccountsError):
    """A socket was opened without TLS under a profile that requires it: 403."""

    code = "tls_required"

    def __init__(self, profile: str) -> None:
        super().__init__(f"TLS is required under {profile} profile")


class CapabilityDenied(AccountsError):
    """The caller is known and may not do this: 403."""

    code = "capability_denied"

    def __init__(self, capability: str, profile: str) -> None:
        super().__init__(f"capability '{capability}' not granted under {profile} profile")
        self.capability = capability


class CredentialStoreUnavailable(AccountsError):
    """The database did not answer while a caller was identified: 503, never "let them in"."""

    code = "credential_store_unavailable"

    def __init__(self) -> None:
        super().__init__("The credential store does not answer")


class AuditUnavailable(AccountsError):
    """What was decided cannot be recorded, and nothing may be done unrecorded: 503."""

    code = "audit_unavailable"

    def __init__(self) -> None:
        super().__init__("The audit trail cannot be written")


class UserNotFound(AccountsError):
    """There is no such user."""

    code = "user_not_found"

    def __init__(self) -> None:
        super().__init__("User not found")


class ApiKeyNotFound(AccountsError):
    """There is no such API key."""

    code = "api_key_not_found"

    def __init__(self) -> None:
        super().__init__("API key not found")


class AmbiguousPrefix(AccountsError):
    """Several live keys share the prefix; the id says which is meant."""

    code = "ambiguous_prefix"


class EmailTaken(AccountsError):
    """Another user has this e-mail address, whatever its letters' case."""

    code = "email_taken"

    def __init__(self) -> None:
        super().__init__("Email already in use")


class LastAdmin(AccountsError):
    """The last active admin can be neither demoted nor deactivated."""

    code = "last_admin"

    def __init__(self) -> None:
        super().__init__("The last active admin must stay an active admin")


class BeyondYourRights(AccountsError):
    """Nobody hands out more than they hold."""

    code = "beyond_your_rights"

    def __init__(self, missing: Iterable[str]) -> None:
        super().__init__(f"This would give more than you hold: {', '.join(sorted(missing))}")


class UsersExist(AccountsError):
    """The first user can be created only once."""

    code = "users_exist"


class InvalidValue(AccountsError):
    """A field has a value it cannot take. `field` names it."""

    code = "invalid_value"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class AuditIsAppendOnly(AccountsError):
    """An audit record is never changed or removed."""

    code = "audit_append_only"
