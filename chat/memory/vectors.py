"""Embeddings as they are stored, and the nearest of them.

Walking all vectors of an owner in Python would take seconds at a hundred thousand. So the walk is
over their signatures (a bit for the sign of each number), of which differing bits are quickly
counted, and only the best few hundred are compared exactly.
"""

import heapq
import math
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import mul

from django.db import connection

from chat.models import MemoryChunk

#: Of the vectors with the closest signatures, how many are compared exactly for each wanted one.
EXACT_PER_WANTED = 8
_ROWS_AT_ONCE = 2_000

_SIGNATURES = """
    SELECT id, signature FROM chat_memorychunk
    WHERE owner IN (%s, %s) AND embedding_model = %s AND signature IS NOT NULL
"""
# PostgreSQL counts the differing bits itself (from version 14 on): a hundred thousand rows on
# their way to Python would take ten times as long.
_CLOSEST = """
    SELECT id FROM chat_memorychunk
    WHERE owner IN (%s, %s) AND embedding_model = %s AND signature IS NOT NULL
    ORDER BY
        bit_count(('x' || encode(signature, 'hex'))::bit({bits}) # ('x' || %s)::bit({bits})), id
    LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Vector:
    """An embedding with its length, so that comparing two needs one sum."""

    numbers: "array[float]"
    norm: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> "Vector":
        """Raises `OverflowError` for what float32 cannot hold, and for what is no number."""
        kept = array("f", numbers)
        norm = math.sqrt(sum(map(mul, kept, kept)))
        if not math.isfinite(norm):
            raise OverflowError("an embedding has a number that float32 cannot hold")
        return cls(kept, norm)


NOTHING = Vector(array("f"), 0.0)


def cosine(one: Vector, other: Vector) -> float:
    """0 when one of them is zero, or they are of different models."""
    lengths = one.norm * other.norm
    if lengths == 0.0 or len(one.numbers) != len(other.numbers):
        return 0.0
    product: float = sum(map(mul, one.numbers, other.numbers))
    return product / lengths


def pack(vector: Vector) -> bytes:
    """Little-endian float32, whatever this machine's order is, of the length 1 (or 0)."""
    numbers = array("f", (number / (vector.norm or 1.0) for number in vector.numbers))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def unpack(stored: bytes | memoryview) -> Vector:
    numbers = array("f")
    numbers.frombytes(stored)
    if sys.byteorder == "big":
        numbers.byteswap()
    return Vector(numbers, 1.0)


def signature(vector: Vector) -> bytes:
    """A bit for each number, set when it is positive."""
    bits = 0
    for number in vector.numbers:
        bits = bits << 1 | (number > 0)
    return bits.to_bytes((len(vector.numbers) + 7) // 8, "big")


def read(ids: Sequence[int], model: str) -> dict[int, Vector]:
    """The embeddings that these chunks have of a model."""
    rows = MemoryChunk.objects.filter(
        pk__in=ids, embedding_model=model, embedding__isnull=False
    ).values_list("pk", "embedding")
    return {pk: unpack(stored) for pk, stored in rows if stored is not None}


def nearest(owners: tuple[str, str], model: str, wanted: Vector, *, limit: int) -> list[int]:
    """Ids of the chunks whose embeddings are nearest to `wanted`, the nearest first."""
    there = read(_closest(owners, model, signature(wanted), EXACT_PER_WANTED * limit), model)
    likeness = {pk: cosine(wanted, vector) for pk, vector in there.items()}
    return sorted(likeness, key=lambda pk: (-likeness[pk], pk))[:limit]


def _closest(owners: tuple[str, str], model: str, sign: bytes, count: int) -> list[int]:
    """Ids of the chunks whose signatures differ from `sign` in the fewest bits."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_CLOSEST.format(bits=8 * len(sign)), [*owners, model, sign.hex(), count])
            return [pk for (pk,) in cursor.fetchall()]
        cursor.execute(_SIGNATURES, [*owners, model])
        bits = int.from_bytes(sign, "big")
        rows = chain.from_iterable(iter(lambda: cursor.fetchmany(_ROWS_AT_ONCE), []))
        best = heapq.nsmallest(
            count,
            (((bits ^ int.from_bytes(stored, "big")).bit_count(), pk) for pk, stored in rows),
        )
    return [pk for _, pk in best]
