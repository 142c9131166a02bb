"""Documents between people and the registry: as YAML to read, as text that was sent."""

from typing import Any

import yaml
from django.core.files.base import File

from runs.graphs.problems import GraphInvalid, Problem
from runs.graphs.registry import read_document

LONGEST_DOCUMENT = 1024 * 1024  # bytes


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as blocks."""


def _represent_text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def as_yaml(document: Any) -> str:
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=90)
    return text


def text_of(upload: "File[Any] | None", pasted: str) -> str:
    """What was sent; a file counts more than the text. Raises `GraphInvalid`."""
    if upload is None:
        if len(pasted.encode()) > LONGEST_DOCUMENT:
            raise _too_long()
        return pasted
    if upload.size is None or upload.size > LONGEST_DOCUMENT:
        raise _too_long()
    try:
        text: str = upload.read().decode("utf-8")
    except UnicodeDecodeError:
        raise GraphInvalid([Problem("", "the file is no UTF-8 text")]) from None
    return text


def decode(text: str) -> Any:
    """A document out of YAML or JSON. Raises `GraphInvalid`."""
    if not text.strip():
        raise GraphInvalid([Problem("", "there is no document", hint="Paste it or choose a file.")])
    return read_document(text, is_json=text.lstrip().startswith("{"))


def _too_long() -> GraphInvalid:
    return GraphInvalid([Problem("", "the document is too long", "at most 1 MiB")])
