"""The daemon contract's test vectors, byte for byte (spec/starling.md §2.11)."""

from blake3 import blake3

from runs.engine.prompt import PromptFrame, canonical_json, encode_message
from runs.event_types import RunCompleted, RunStarted, UserMessageAppended
from runs.log.chain import MerkleTree, envelope, hash_event, merkle_root, run_id_field
from runs.log.codec import encode, json_to_value
from runs.log.events import StoredEvent
from runs.log.validate import validate_events
from runs.providers.base import Message

V0_RUN = "01HXYZABCDEFGHJKMNPQRSTVWX"
V0_TS = 1_700_000_000_000_000_000
V0 = RunStarted(
    schema_version=1,
    goal="summarize the article",
    provider_id="openai",
    model_id="gpt-4o-mini",
    api_version="v1",
    params_hash=b"\xaa" * 32,
    params={"max_tokens": 1024, "temperature": 0.7},
    system_prompt_hash=b"\xbb" * 32,
    system_prompt="You are a helpful assistant.",
    tool_registry_hash=b"\xcc" * 32,
    tool_schemas=[
        {"name": "fetch", "schema_hash": b"\x11" * 32},
        {"name": "read_file", "schema_hash": b"\x22" * 32},
    ],
    budget={"max_output_tokens": 2000, "max_usd": 0.1},
)


def test_v0_the_golden_run_started_has_the_known_bytes_and_hash():
    field = run_id_field(V0_RUN)
    payload = V0.encode()

    whole = envelope(field, ts=V0_TS, seq=1, kind=1, payload=payload, prev_hash=None)

    assert len(whole) == 596
    assert whole.hex().startswith("a66274731b17979cfe362a00006373657101646b696e6401")
    assert whole.hex().endswith("69707265765f68617368f6")
    assert (
        hash_event(field, ts=V0_TS, seq=1, kind=1, payload=payload, prev_hash=None).hex()
        == "7941332c5bf2347268d43e170e4fa8f7dbc766711440e9ba5b67b75f744342c6"
    )


V1_EVENTS = (
    "a6627473016373657101646b696e64016672756e5f6964627231677061796c6f6164ab64676f616c6562656e6368"
    "66706172616d73f6686d6f64656c5f69646b62656e63682d6d6f64656c6b6170695f76657273696f6e606b706172"
    "616d735f68617368f66b70726f76696465725f69646562656e63686c746f6f6c5f736368656d6173f66d73797374"
    "656d5f70726f6d7074606e736368656d615f76657273696f6e017273797374656d5f70726f6d70745f68617368f6"
    "72746f6f6c5f72656769737472795f68617368f669707265765f68617368f6",
    "a6627473026373657102646b696e64026672756e5f6964627231677061796c6f6164a167636f6e74656e74636d73"
    "6769707265765f686173685820ae0177c1f3c8b258589fbbd883aaf563925bf8af0a772402f9c5854f298f3a1d",
    "a6627473036373657103646b696e640c6672756e5f6964627231677061796c6f6164a86a66696e616c5f74657874"
    "626f6b6a7475726e5f636f756e74006b6475726174696f6e5f6d73006b6d65726b6c655f726f6f745820a74c8cab"
    "a80d6a4010ef23cd778c5210507fa0bf721f9d4e6e301ea5f117c5166e746f74616c5f636f73745f757364f90000"
    "6f746f6f6c5f63616c6c5f636f756e740072746f74616c5f696e7075745f746f6b656e730073746f74616c5f6f75"
    "747075745f746f6b656e730069707265765f686173685820ebbdd94b60af7cf2efc77ebacb9bf6104fe97487d6ef"
    "4952b02b0eae33f58c86",
)
V1_HASHES = (
    "ae0177c1f3c8b258589fbbd883aaf563925bf8af0a772402f9c5854f298f3a1d",
    "ebbdd94b60af7cf2efc77ebacb9bf6104fe97487d6ef4952b02b0eae33f58c86",
    "7786352729f1800ada61b864da6184b119ff1f32227c87efbfd69cb45834d22b",
)
V1_ROOT = "a74c8caba80d6a4010ef23cd778c5210507fa0bf721f9d4e6e301ea5f117c516"


def v1_run() -> list[StoredEvent]:
    payloads = [
        RunStarted(1, "bench", "bench", "bench-model", ""),
        UserMessageAppended("msg"),
        RunCompleted("ok", 0, 0, 0.0, 0, 0, 0, bytes.fromhex(V1_ROOT)),
    ]
    field, events, previous = run_id_field("r1"), [], None
    for seq, payload in enumerate(payloads, 1):
        data = payload.encode()
        digest = hash_event(
            field, ts=seq, seq=seq, kind=payload.kind, payload=data, prev_hash=previous
        )
        events.append(StoredEvent("r1", seq, previous, seq, payload.kind, data, digest))
        previous = digest
    return events


def test_v1_a_three_event_run_has_the_known_bytes_hashes_and_root():
    events = v1_run()

    encoded = [
        envelope(
            run_id_field("r1"),
            ts=event.ts,
            seq=event.seq,
            kind=event.kind,
            payload=event.payload or b"",
            prev_hash=event.prev_hash,
        ).hex()
        for event in events
    ]

    assert encoded == list(V1_EVENTS)
    assert [event.hash.hex() for event in events] == list(V1_HASHES)
    assert merkle_root([event.hash for event in events[:2]]).hex() == V1_ROOT


def test_v1_validates_as_a_run():
    assert validate_events("r1", v1_run()).is_valid


def test_v2_merkle_roots_of_zero_to_five_leaves():
    leaves = [blake3(letter.encode()).digest() for letter in "abcde"]

    roots = {count: merkle_root(leaves[:count]).hex() for count in (0, 1, 2, 3, 5)}

    assert roots == {
        0: "0" * 64,
        1: "17762fddd969a453925d65717ac3eea21320b66b54342fde15128d6caf21215f",
        2: "8912f1e49d6c94830787bc8765e92f409d6db9041739884a42e59f16388756b1",
        3: "248af8bcc8de124ea6f136e2318c70dd1429f3ede1e4b3736cfd9fc2a085e1c7",
        5: "a76273f7bc6916d0e93594954f1ad80affe4c33cd2e600449844e63f740aa509",
    }


def test_a_tree_that_grows_has_the_root_of_its_leaves_at_every_size():
    leaves = [blake3(bytes((number,))).digest() for number in range(70)]
    tree = MerkleTree()

    for count, leaf in enumerate(leaves):
        assert tree.root() == merkle_root(leaves[:count])
        tree.add(leaf)


def test_v3_json_becomes_the_known_cbor():
    known = {
        '{"b":1,"aa":2.0,"":null,"a":[true,1.5,-1,"é"]}': (
            "a460f6616184f5f93e002062c3a9616201626161f94000"
        ),
        "1e3": "f963d0",
        "9223372036854775808": "fa5f000000",
        '"\\ud800"': "63efbfbd",
        "0.1": "fb3fb999999999999a",
        "1700000000000000000": "1b17979cfe362a0000",
        "-0": "00",
        "": "a0",
    }

    assert {text: encode(json_to_value(text)).hex() for text in known} == known
    assert encode(2**64 - 1).hex() == "1bffffffffffffffff"


def test_v4_a_tool_registry_of_one_tool_has_the_known_hashes():
    schema = (
        b'{"type":"object","properties":{"msg":{"type":"string"}},"required":["msg"],'
        b'"additionalProperties":false}'
    )
    schema_hash = blake3(schema).digest()

    registry_hash = blake3(encode([{"name": "echo", "schema_hash": schema_hash}])).hexdigest()

    assert schema_hash.hex() == "bf2b83a652002ad7a4c5740df30b96290345a0f7441a5f55c743da9b2f156cbf"
    assert registry_hash == "3be7f14ec146c37009caca46247dd0081ef42c8e09dbe115a18f3bc6550b9673"


def test_v5_the_first_turn_has_the_known_prompt_hash_and_estimate():
    message = Message("user", "hi")
    frame = PromptFrame("gpt-4o-mini")

    assert (
        frame.hash([encode_message(message)[0]]).hex()
        == "98c94bc833053d46080929537945334c7032342224ccf7f7f640f2333dd7f8fc"
    )
    assert frame.estimate(encode_message(message)[1]) == 1


def test_canonical_json_sorts_keys_so_that_spacing_of_a_model_never_matters():
    assert canonical_json({"b": 1, "a": {"d": 1, "c": 2}}) == b'{"a":{"c":2,"d":1},"b":1}'
