"""The start-up screen: where to go, what answers, where data lies and, once, the admin's key."""

import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from project.version import VERSION


@dataclass(frozen=True, slots=True)
class Announcement:
    url: str
    models: list[str]  # in wire form, the default first
    data_dir: Path
    database: str
    executor: str
    has_inspector: bool
    admin_key: str | None  # only right after it was made
    hints: list[str]

    def lines(self) -> list[tuple[str, str]]:
        others = len(self.models) - 1
        more = f" (and {others} more)" if others else ""
        return [
            ("Chat", f"{self.url}/"),
            ("API", f"{self.url}/api/v1/runs"),
            *([("Inspector", f"{self.url}/inspect/")] if self.has_inspector else []),
            ("Admin", f"{self.url}/admin/"),
            ("Model", f"{self.models[0]}{more}"),
            ("Data", f"{self.data_dir} ({self.database})"),
            ("Runs", self.executor),
        ]


def show(announcement: Announcement) -> None:
    """Print it: framed on a terminal, plain lines otherwise. Never through the log."""
    if sys.stdout.isatty():
        _show_framed(announcement)
    else:
        _show_plain(announcement)
    sys.stdout.flush()


def _show_plain(announcement: Announcement) -> None:
    out = [f"Starport {VERSION} is ready at {announcement.url}"]
    out += [f"  {name:<10}{value}" for name, value in announcement.lines()]
    if announcement.admin_key:
        out += [f"  Admin key {announcement.admin_key}", "  It is shown this once; keep it."]
    out += [f"  Note: {hint}" for hint in announcement.hints]
    sys.stdout.write("\n".join(out) + "\n")


def _show_framed(announcement: Announcement) -> None:
    console = Console()
    table = Table.grid(padding=(0, 2))
    for name, value in announcement.lines():
        table.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    title = f"[bold]Starport {VERSION}[/bold] · {announcement.url}"
    console.print(Panel(table, title=title, title_align="left", border_style="blue"))
    if announcement.admin_key:
        # On a line of its own: it is there to be copied.
        console.print("Admin key, shown this once:", style="bold yellow")
        sys.stdout.write(f"{announcement.admin_key}\n")
    for hint in announcement.hints:
        console.print(Text(f"Note: {hint}", style="yellow"))
