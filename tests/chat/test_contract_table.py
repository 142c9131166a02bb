"""`README.md` beside this file: what it names are tests."""

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
TABLE = (TESTS / "chat" / "README.md").read_text()


def test_every_row_names_tests_that_exist():
    named = set(re.findall(r"`([\w/]+\.py)::(\w+)`", TABLE))
    rows = [line for line in TABLE.splitlines() if line.startswith("| ") and "| row " not in line]

    assert len(rows) > 200
    assert [row for row in rows if "::test_" not in row] == []
    assert [
        f"{path}::{name}"
        for path, name in sorted(named)
        if not re.search(rf"^(async )?def {name}\(", (TESTS / path).read_text(), re.MULTILINE)
    ] == []
