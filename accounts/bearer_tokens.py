"""From a signed token (JWT) of a configured issuer to the principal it names."""

import json
from typing import Any

import jwt
from django.conf import settings
from django.http import HttpRequest
from jwt.utils import base64url_decode

from accounts import jwks
from accounts.errors import ExpiredToken, InvalidAudience, InvalidToken
from accounts.principals import Principal, external_principal

ALGORITHMS = ("EdDSA", "RS256")  # none with a shared secret, and never "none"
REQUIRED_CLAIMS = ("exp", "iat", "iss", "aud", "sub")
LEEWAY_SECONDS = 30

_END_OF_TIME = 2**53  # the largest `exp` that is exact as a float


def is_configured() -> bool:
    return bool(settings.STARPORT_JWT_JWKS_URL)


def token_of(request: HttpRequest) -> str:
    """The token of `Authorization: Bearer …`, the scheme in any letters' case; else empty."""
    scheme, _, token = str(request.META.get("HTTP_AUTHORIZATION", "")).partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def looks_like_jwt(token: str) -> bool:
    """Whether somebody signed this; API keys and daemon tokens travel as bearer tokens too."""
    header, *rest = token.split(".")
    if len(rest) != 2:
        return False
    try:
        decoded = json.loads(base64url_decode(header))
    except (ValueError, RecursionError):
        return False
    return isinstance(decoded, dict) and "alg" in decoded


def token_principal(token: str) -> Principal:
    """The principal that the token names.

    Raises `ExpiredToken`, `InvalidAudience` (also for another issuer) or `InvalidToken`.
    """
    claims = _verified_claims(token)
    grants, remark = _grants(claims.get("caps", []))
    principal = external_principal(
        actor=claims["sub"],
        grants=grants,
        provider="bearer_jwt",
        expires_at=min(int(claims["exp"]), _END_OF_TIME) + LEEWAY_SECONDS,
        session_id=_text(claims.get("jti")),
        remark=remark,
    )
    if principal is None:
        raise InvalidToken("unusable_subject")
    return principal


def _verified_claims(token: str) -> dict[str, Any]:
    try:
        key = jwks.key_set(settings.STARPORT_JWT_JWKS_URL).find(_key_id(token))
        if key is None:
            raise InvalidToken("unknown_key")
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(ALGORITHMS),
            audience=settings.STARPORT_JWT_AUDIENCE,
            issuer=settings.STARPORT_JWT_ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": list(REQUIRED_CLAIMS), "enforce_minimum_key_length": True},
        )
    except jwks.KeysUnavailable as error:
        raise InvalidToken("keys_unavailable") from error
    except jwt.ExpiredSignatureError as error:
        raise ExpiredToken from error
    except (jwt.InvalidAudienceError, jwt.InvalidIssuerError) as error:
        raise InvalidAudience from error
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        # PyJWT lets what JSON and base64 raise about odd bytes pass through.
        raise InvalidToken(type(error).__name__) from error
    return claims


def _key_id(token: str) -> str:
    kid = jwt.get_unverified_header(token).get("kid")
    if not isinstance(kid, str):
        raise InvalidToken("unknown_key")
    return kid


def _grants(caps: Any) -> tuple[frozenset[str], str | None]:
    """The granted capabilities, and what the audit trail should know of a claim that grants none.

    One string would be an array of letters to a careless reader.
    """
    if isinstance(caps, list) and all(isinstance(name, str) for name in caps):
        return frozenset(caps), None
    return frozenset(), "caps_not_an_array"


def _text(value: Any) -> str | None:
    return value[:200] if isinstance(value, str) else None
