"""The graph hash of a fork: the vectors of the format."""

from typing import Any

import pytest

from runs.services.forking import derived_hash
from runs.services.mutations import Mutation

PARENT = "dd56de4137951d9c92681b03416ec15f886b4482a27e3a517d32f085244cbe5d"


@pytest.mark.parametrize(
    ("mutation", "derived"),
    [
        ({}, "e9a3daa9c78e7e1f65705a57ad23ea71c5014ca371e16cdd90fc8ebe3ad3a892"),
        (
            {"state_overrides": {"message": "mutated"}},
            "de0dcb4cfaa62e06b2c76103a08d607e78a3c4a6ae30464dbf11aac1d4703372",
        ),
        (
            {"respond_payloads": {"4": {"decision": "reject"}}},
            "1a8553719debf4fd1b0fcef4b31d66d66ede136453c7f221d94689d4670ff211",
        ),
        (
            {
                "node_output_overrides": {"n": {"label": "deny"}},
                "facts_retract": [{"head": "low"}],
            },
            "fda70f5295a905ea7598cbbf762bc6fcc2f1c000e06416056ce43ff704b084f6",
        ),
    ],
    ids=["nothing", "state", "answer", "node and fact"],
)
def test_it_is_that_of_the_format(mutation: dict[str, Any], derived: str):
    assert derived_hash(PARENT, Mutation(**mutation).as_map()) == derived


def test_an_empty_object_is_a_mutation_and_an_absent_key_is_none():
    empty = Mutation(state_overrides={}).as_map()

    assert empty == {"state_overrides": {}}
    assert derived_hash(PARENT, empty) != derived_hash(PARENT, Mutation().as_map())
