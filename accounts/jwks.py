"""The public keys of a token issuer (JWKS), fetched when a token needs one and kept for a day."""

import logging
import threading
import time
from functools import lru_cache

import httpx
import jwt

logger = logging.getLogger(__name__)

KEEP_SECONDS = 24 * 3600.0
REFETCH_SECONDS = 60.0  # at most this often for a `kid` that is not among the keys
RETRY_SECONDS = 5.0  # after a fetch that failed
TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1024 * 1024


class KeysUnavailable(Exception):
    """The issuer's keys could not be fetched."""


class KeySet:
    """The keys behind one address. Thread-safe; one thread fetches, the others wait for it."""

    def __init__(
        self,
        url: str,
        *,
        keep_seconds: float = KEEP_SECONDS,
        refetch_seconds: float = REFETCH_SECONDS,
    ) -> None:
        self._url = url
        self._keep_seconds = keep_seconds
        self._refetch_seconds = refetch_seconds
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")  # monotonic
        self._tried_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str) -> jwt.PyJWK | None:
        """The key of that id; `None` if the issuer has none. Raises `KeysUnavailable`."""
        if self._is_fresh() and kid in self._keys:
            return self._keys[kid]
        with self._lock:
            if self._may_fetch(kid):
                self._fetch()
            if not self._is_fresh():
                # Keys of yesterday may have been withdrawn since.
                raise KeysUnavailable(self._url)
            return self._keys.get(kid)

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._fetched_at < self._keep_seconds

    def _may_fetch(self, kid: str) -> bool:
        if self._is_fresh() and kid in self._keys:  # a neighbour was faster
            return False
        # Whoever makes up ids must not make us ask the issuer each time.
        has_succeeded = self._tried_at == self._fetched_at
        pause = self._refetch_seconds if has_succeeded else RETRY_SECONDS
        return time.monotonic() - self._tried_at >= pause

    def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            self._keys = _read(self._url)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            logger.warning(
                "the keys of the token issuer cannot be fetched", extra={"reason": str(error)}
            )
            return
        self._fetched_at = self._tried_at


@lru_cache(maxsize=4)
def key_set(url: str) -> KeySet:
    return KeySet(url)


def forget() -> None:
    """Forget what this process fetched."""
    key_set.cache_clear()


def _read(url: str) -> dict[str, jwt.PyJWK]:
    with httpx.stream("GET", url, timeout=TIMEOUT_SECONDS) as answer:
        answer.raise_for_status()
        body = b""
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise ValueError("the answer is longer than a key set can be")
    try:
        found = jwt.PyJWKSet.from_json(body.decode())
    except (jwt.PyJWTError, AttributeError, TypeError) as error:
        raise ValueError(f"the answer is no key set: {error}") from error
    return {
        key.key_id: key for key in found.keys if key.key_id and key.public_key_use in (None, "sig")
    }
