"""The `scripted` embedding model: deterministic vectors, for tests and trials.

A text is the sum of its words' groups of three letters, each at a place that its hash decides. So
texts are alike that share parts of words, which word search cannot see.
"""

import re
from collections.abc import Sequence
from typing import get_args

from blake3 import blake3

from runs.providers.base import ErrorKind, ProviderError

DIMENSIONS = 256

_WORD = re.compile(r"\w+")
_FAILURE = re.compile(r"^!fail (\w+)\s*$", re.MULTILINE)
_KINDS: dict[str, ErrorKind] = {kind: kind for kind in get_args(ErrorKind)}


class ScriptedEmbedder:
    provider_id = "scripted"
    model_id = "scripted"

    def embed(
        self, texts: Sequence[str], *, is_query: bool, timeout_seconds: float
    ) -> list[list[float]]:
        """A text with a `!fail` directive fails as it says."""
        for failure in map(_FAILURE.search, texts):
            if failure is not None and failure[1] in _KINDS:
                kind: ErrorKind = _KINDS[failure[1]]
                raise ProviderError(kind, f"the script asked for {kind}")
        return [_vector(text) for text in texts]


def _vector(text: str) -> list[float]:
    vector = [0.0] * DIMENSIONS
    for word in _WORD.findall(text.lower()):
        padded = f"^{word}$"
        for start in range(len(padded) - 2):
            digest = blake3(padded[start : start + 3].encode()).digest()
            vector[digest[0]] += 1.0 if digest[1] & 1 else -1.0
    return vector
