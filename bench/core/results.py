"""What a run of the benchmark found, and the file it is kept in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.core.figure import Figure, Row, Scale
from bench.core.machine import ROOT, Machine

FOLDER = ROOT / "bench-results"


@dataclass(frozen=True, slots=True)
class Results:
    """Rows by figure, in the order of measuring."""

    began: datetime
    scale: Scale
    machine: Machine
    rows: Mapping[Figure, Sequence[Row]]
    failures: Mapping[Figure, str]

    def as_map(self) -> dict[str, Any]:
        return {
            "began": self.began.isoformat(timespec="seconds"),
            "scale": self.scale,
            "machine": asdict(self.machine),
            "figures": {
                figure.name: [_as_map(row) for row in rows] for figure, rows in self.rows.items()
            },
            "failures": {figure.name: reason for figure, reason in self.failures.items()},
        }

    def save(self, folder: Path) -> Path:
        """Write them to a file of their own."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.began:%Y%m%d-%H%M%S}-{self.scale}.json"
        path.write_text(json.dumps(self.as_map(), indent=2) + "\n")
        return path


def _as_map(row: Row) -> dict[str, Any]:
    return {**asdict(row), "ratio": row.ratio, "is_met": row.is_met}
