"""`manage.py openapi`: write the OpenAPI document, or check that the written one is current."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from project.openapi import build_document, render_document

DOCUMENT = Path("docs/reference/openapi.json")


class Command(BaseCommand):
    help = f"Write {DOCUMENT}."
    requires_system_checks = []  # the document depends on the code alone

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="write nothing; exit 1 when it is out of date"
        )

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        current = render_document(build_document())
        path = settings.BASE_DIR / DOCUMENT
        is_current = path.exists() and path.read_bytes() == current
        if check and not is_current:
            raise CommandError(f"{DOCUMENT} is out of date: run `make openapi`")
        if not is_current:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(current)
        self.stdout.write(f"{DOCUMENT} is {'current' if is_current else 'written'}")
