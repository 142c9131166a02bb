"""What an API key looks like, how it is found, and how it is hashed."""

import re
import secrets
from functools import cache

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from blake3 import blake3
from prometheus_client import Counter

MARK = "sp_live_"
PREFIX_LENGTH = 8
MAX_LENGTH = 512  # characters; longer strings are not looked at
MIN_IMPORTED_LENGTH = 16  # characters; a shorter secret can be guessed

_STANDARD = re.compile(r"sp_live_[0-9a-f]{40}")
_VISIBLE_ASCII = re.compile(r"[\x21-\x7e]+")  # what fits into a header unchanged

# Costs and lengths of the Rust argon2 library's defaults; a stored hash names its own.
_hasher = PasswordHasher(
    time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID
)

argon2_verifications = Counter(
    "starport_argon2_verifications_total",
    "argon2id verifications of API keys, those against the dummy hash included.",
)


def new_secret() -> str:
    return MARK + secrets.token_hex(20)


def prefix_of(secret: str) -> str:
    """The look-up prefix: the first digits of a standard key, of its BLAKE3 for any other."""
    if _STANDARD.fullmatch(secret):
        return secret[len(MARK) : len(MARK) + PREFIX_LENGTH]
    return blake3(secret.encode()).hexdigest()[:PREFIX_LENGTH]


def is_presentable(secret: str) -> bool:
    """Whether a client could send it in a header."""
    return len(secret) <= MAX_LENGTH and bool(_VISIBLE_ASCII.fullmatch(secret))


def hash_secret(secret: str) -> str:
    """A PHC string, `$argon2id$v=19$m=19456,t=2,p=1$…`."""
    return _hasher.hash(secret)


def matches(secret: str, key_hash: str) -> bool:
    argon2_verifications.inc()
    try:
        return _hasher.verify(key_hash, secret)
    except (VerificationError, InvalidHashError):
        return False


def match_nothing(secret: str) -> None:
    """Take as long as a real comparison: the time must not say that the prefix is unknown."""
    matches(secret, _dummy_hash())


@cache
def _dummy_hash() -> str:
    return hash_secret(secrets.token_hex(20))
