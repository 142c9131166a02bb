"""Markdown of a model as Telegram shows it: cut into messages first, then HTML of the few tags
that Telegram knows. What is cut is the source, so that no tag is ever cut in two.
"""

import html
import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

#: UTF-16 units of one message, as Telegram counts.
LIMIT = 4096
_FENCE = "```"
_LINK_SCHEMES = frozenset({"http", "https", "tg", "mailto"})

_FENCED = re.compile(r"```[^\n]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)
_INLINE_CODE = re.compile(r"`([^`\n]+)`")
_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
_STRUCK = re.compile(r"~~(?=\S)(.+?)(?<=\S)~~")
# Not a bullet: one at the beginning of a line has a space behind it.
_ITALIC = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]*?)(?<=[^\s*])\*(?![\w*])")
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_LINK = re.compile(r"\[([^\]\n]+)\]\(([^\s()]+)\)")


def units(text: str) -> int:
    """The length of a text as Telegram counts it."""
    return len(text) + sum(character > "\uffff" for character in text)


def split(text: str, limit: int = LIMIT) -> list[str]:
    """Markdown in pieces that fit a message, cut at line ends where there are any.

    A code block that has to be cut is closed in one piece and opened again in the next.
    """
    pieces: list[str] = []
    lines: list[str] = []
    fence = ""  # the line that opened the block we are in
    room = limit - len(f"\n{_FENCE}")
    for line in _short_lines(text, room - 64):
        if lines and units("\n".join([*lines, line])) > room:
            pieces.append("\n".join([*lines, _FENCE] if fence else lines))
            lines = [fence] if fence else []
        lines.append(line)
        if line.lstrip().startswith(_FENCE):
            fence = "" if fence else line[:60]
    if lines:
        pieces.append("\n".join(lines))
    return [piece for piece in pieces if piece.strip()]


def to_html(text: str) -> str:
    """Markdown as Telegram's HTML. Links lead to http, https, tg and mailto alone."""
    kept: list[str] = []

    def keep(tagged: str) -> str:
        kept.append(tagged)
        return f"\x00{len(kept) - 1}\x00"

    text = text.replace("\x00", "")
    text = _FENCED.sub(lambda found: keep(f"<pre>{_escaped(found[1])}</pre>"), text)
    text = _INLINE_CODE.sub(lambda found: keep(f"<code>{_escaped(found[1])}</code>"), text)
    text = _LINK.sub(lambda found: _link(found, keep), text)
    text = _escaped(text)
    text = _BOLD.sub(r"<b>\1</b>", text)
    text = _STRUCK.sub(r"<s>\1</s>", text)
    text = _ITALIC.sub(r"<i>\1</i>", text)
    text = _HEADING.sub(r"<b>\1</b>", text)
    return re.sub(r"\x00(\d+)\x00", lambda found: kept[int(found[1])], text)


def _link(found: re.Match[str], keep: Callable[[str], str]) -> str:
    label, target = found[1], found[2]
    if urlsplit(target).scheme.lower() not in _LINK_SCHEMES:
        return found[0]
    return keep(f'<a href="{html.escape(target, quote=True)}">{_escaped(label)}</a>')


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


def _short_lines(text: str, limit: int) -> Iterator[str]:
    """Its lines; one that is too long for a message is cut at a space, or at any character."""
    for line in text.split("\n"):
        rest = line
        while units(rest) > limit:
            cut = _fitting(rest, limit)
            at = rest.rfind(" ", 0, cut)
            at = at if at > cut // 2 else cut
            yield rest[:at]
            rest = rest[at:].lstrip(" ")
        yield rest


def _fitting(text: str, limit: int) -> int:
    """How many characters of the text fit."""
    used = 0
    for index, character in enumerate(text):
        used += 2 if character > "\uffff" else 1
        if used > limit:
            return index
    return len(text)
