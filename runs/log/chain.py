"""Hashes of the log: the envelope of an event, its chain, and the Merkle root of a run."""

from collections.abc import Sequence

from blake3 import blake3

from runs.log.codec import encode_head, encode_text

GENESIS_ROOT = bytes(32)

# The envelope is a six-key map whose keys, in canonical order, are
# ts, seq, kind, run_id, payload, prev_hash.
_TS = b"\xa6\x62ts"
_SEQ = b"\x63seq"
_KIND = b"\x64kind"
_RUN_ID = b"\x66run_id"
_PAYLOAD = b"\x67payload"
_PREV_NULL = b"\x69prev_hash\xf6"
_PREV_HASH = b"\x69prev_hash\x58\x20"


def run_id_field(run_id: str) -> bytes:
    """The envelope's `run_id` entry up to the payload; the same for every event of a run."""
    return _RUN_ID + encode_text(run_id) + _PAYLOAD


def envelope(
    run_field: bytes, *, ts: int, seq: int, kind: int, payload: bytes, prev_hash: bytes | None
) -> bytes:
    """Canonical CBOR of one event. `payload` goes in verbatim; `run_field` is `run_id_field`."""
    time_field = encode_head(0, ts) if ts >= 0 else encode_head(1, -1 - ts)
    return b"".join(
        (
            _TS,
            time_field,
            _SEQ,
            encode_head(0, seq),
            _KIND,
            encode_head(0, kind),
            run_field,
            payload,
            _PREV_NULL if prev_hash is None else _PREV_HASH + prev_hash,
        )
    )


def hash_event(
    run_field: bytes, *, ts: int, seq: int, kind: int, payload: bytes, prev_hash: bytes | None
) -> bytes:
    """BLAKE3-256 of the envelope: what the next event carries as `prev_hash`."""
    return blake3(
        envelope(run_field, ts=ts, seq=seq, kind=kind, payload=payload, prev_hash=prev_hash)
    ).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over event hashes in seq order: plain pairs, an odd level repeats its last node.

    Without domain separation (a, b, c) and (a, b, c, c) share a root; seq and chain checks tell
    them apart. No leaves: 32 zero bytes.
    """
    if not leaves:
        return GENESIS_ROOT
    level = list(leaves)
    while len(level) > 1:
        if len(level) % 2:
            level.append(level[-1])
        level = [blake3(level[i] + level[i + 1]).digest() for i in range(0, len(level), 2)]
    return level[0]


class MerkleTree:
    """`merkle_root` of leaves that come one by one, without keeping them.

    A run's last event then costs no more than any other, however many there were.
    """

    def __init__(self) -> None:
        # By height: the root of a full subtree without its right-hand neighbour, empty if none is.
        self._alone: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        node = leaf
        for height, left in enumerate(self._alone):
            if not left:
                self._alone[height] = node
                return
            node = blake3(left + node).digest()
            self._alone[height] = b""
        self._alone.append(node)

    def root(self) -> bytes:
        """Of the leaves so far; more may follow."""
        if not self._alone:
            return GENESIS_ROOT
        *lower, top = self._alone
        last = b""  # of its level, as soon as some level below was not full
        for left in lower:
            if left or last:
                last = blake3((left or last) + (last or left)).digest()
        return blake3(top + last).digest() if last else top
