"""The documentation as it lies in `docs/`: found, rendered and searched.

Pages are rendered once and kept, since they change only with the program.
"""

import functools
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import nh3
from django.conf import settings
from django.utils.text import slugify
from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER: Path = settings.BASE_DIR / "docs"
ROOT = "/docs"
#: What is shown around a hit.
SNIPPET_CHARS = 160
MAX_HITS = 30

_SECTIONS = {"": "Start", "howto": "How to", "reference": "Reference", "adr": "Decisions"}
_TAGS = nh3.ALLOWED_TAGS | {"input"}
_ATTRIBUTES = {
    **nh3.ALLOWED_ATTRIBUTES,
    **{heading: {"id"} for heading in ("h1", "h2", "h3", "h4")},
    "code": {"class"},
    "td": {"align"},
    "th": {"align"},
}
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Page:
    """One page. `path` is where it is served, below `/docs/`, without an extension."""

    path: str
    title: str
    html: str
    text: str  # what search looks through
    headings: tuple[tuple[int, str, str], ...]  # level, anchor, text

    @property
    def url(self) -> str:
        return f"{ROOT}/{self.path}"

    @property
    def section(self) -> str:
        return _SECTIONS.get(self.path.rpartition("/")[0], "Start")


@dataclass(frozen=True, slots=True)
class Hit:
    page: Page
    before: str
    match: str
    after: str


@functools.cache
def pages() -> dict[str, Page]:
    """Every page by its path, in the order of the table of contents."""
    found = [_page(path) for path in sorted(FOLDER.rglob("*.md"))]
    order = list(_SECTIONS.values())
    found.sort(key=lambda page: (order.index(page.section), page.path))
    return {page.path: page for page in found}


def contents() -> list[tuple[str, list[Page]]]:
    """The table of contents: sections with their pages."""
    sections: dict[str, list[Page]] = {}
    for page in pages().values():
        sections.setdefault(page.section, []).append(page)
    return list(sections.items())


def section_of(folder: str) -> list[tuple[str, list[Page]]]:
    """The part of the contents that lies in a folder; empty for no folder of ours."""
    title = _SECTIONS.get(folder.strip("/")) if folder else None
    return [(name, found) for name, found in contents() if name == title]


def find_page(path: str) -> Page | None:
    """A page by its path, with or without extension; a folder's page is its `index`."""
    for name in (path, path.removesuffix(".md"), path.removesuffix(".html"), f"{path}/index"):
        page = pages().get(name.strip("/"))
        if page is not None:
            return page
    return None


def find_file(path: str) -> Path | None:
    """A file of the documentation that is no page, such as the OpenAPI document."""
    known = {file.relative_to(FOLDER).as_posix(): file for file in _other_files()}
    return known.get(path)


def search(query: str) -> list[Hit]:
    """Pages that hold every word, those first whose title holds them."""
    words = [word.casefold() for word in _WORD.findall(query)]
    if not words:
        return []
    ranked = []
    for page in pages().values():
        text, title = page.text.casefold(), page.title.casefold()
        if all(word in text or word in title for word in words):
            in_title = sum(word in title for word in words)
            ranked.append((-in_title, -sum(text.count(word) for word in words), page))
    ranked.sort(key=lambda item: item[:2])
    return [_hit(page, words) for *_, page in ranked[:MAX_HITS]]


def _hit(page: Page, words: list[str]) -> Hit:
    text = page.text.casefold()
    at, word = min(((text.find(word), word) for word in words if word in text), default=(0, ""))
    if len(text) != len(page.text):  # folding has moved the places
        at, word = 0, ""
    start = max(0, at - SNIPPET_CHARS // 2)
    end = at + len(word)
    return Hit(
        page, page.text[start:at], page.text[at:end], page.text[end : end + SNIPPET_CHARS // 2]
    )


@functools.cache
def _other_files() -> tuple[Path, ...]:
    return tuple(path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".md")


def _page(file: Path) -> Page:
    path = file.relative_to(FOLDER).with_suffix("").as_posix()
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = parser.parse(file.read_text(encoding="utf-8"))
    headings = tuple(_name_headings(tokens))
    _lead_links(tokens, path)
    html = nh3.clean(
        parser.renderer.render(tokens, parser.options, {}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        link_rel=None,
    )
    title = next((text for level, _, text in headings if level == 1), path)
    text = " ".join(_texts(tokens))
    return Page(path, title, html, text, tuple(item for item in headings if item[0] in (2, 3)))


def _name_headings(tokens: list[Token]) -> Iterator[tuple[int, str, str]]:
    """Give every heading an id to link to; the same text twice gets a number."""
    used: dict[str, int] = {}
    for opening, inline in itertools.pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or ())
        anchor = slugify(text) or "section"
        count = used[anchor] = used.get(anchor, 0) + 1
        anchor = anchor if count == 1 else f"{anchor}-{count}"
        opening.attrSet("id", anchor)
        yield int(opening.tag[1]), anchor, text


def _lead_links(tokens: list[Token], path: str) -> None:
    """Links between files become links between pages."""
    for token in tokens:
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("href", _target(str(child.attrGet("href") or ""), path))


def _target(href: str, path: str) -> str:
    parts = urlsplit(href)
    if parts.scheme or parts.netloc or not parts.path:
        return href
    joined = PurePosixPath(ROOT) / PurePosixPath(path).parent / parts.path
    resolved = _without_dots(joined).removesuffix(".md")
    return resolved + (f"#{parts.fragment}" if parts.fragment else "")


def _without_dots(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            if parts:
                parts.pop()
        elif part != ".":
            parts.append(part)
    return "/" + "/".join(parts)


def _texts(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        if token.type == "inline":
            yield "".join(
                child.content if child.type in ("text", "code_inline") else " "
                for child in token.children or ()
            )
        elif token.type in ("fence", "code_block"):
            yield token.content
