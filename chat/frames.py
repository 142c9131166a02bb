"""May a page be shown inside another one? Judged by what it answers, from where its browser is not.

Whoever asks chooses the URL, so it is fetched under the rules of `runs.tools.fetch`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import httpx

from chat.errors import TargetForbidden, TargetInvalid
from runs.tools.fetch import (
    AddressNotAllowed,
    Fetched,
    FetchError,
    HostNotFound,
    InvalidUrl,
    PortNotAllowed,
    SchemeNotAllowed,
    fetch,
    parse_url,
    rules_from_settings,
)

BODY_BYTES = 512 * 1024
TOTAL_SECONDS = 5.0
#: Nothing of a stranger's page is passed on at any length.
_TEXT_CHARS = 2_000

#: Sources that let any site show a page. `*.example.com` is not one of them.
_ANYBODY = frozenset({"*", "http:", "https:", "http://*", "https://*"})


@dataclass(frozen=True, slots=True)
class FrameVerdict:
    """`reason` is empty for a page that may be shown; the others are about one that may not."""

    frameable: bool
    reason: str = ""
    og_image: str = ""
    og_title: str = ""


async def check_frame(url: str) -> FrameVerdict:
    """Raises `TargetInvalid` and `TargetForbidden`; a page that does not answer is a verdict."""
    try:
        parse_url(url)
    except SchemeNotAllowed:
        raise TargetInvalid("Only http and https URLs are allowed") from None
    except InvalidUrl:
        raise TargetInvalid("Invalid URL") from None
    rules = replace(rules_from_settings(), total_seconds=TOTAL_SECONDS, max_body_bytes=BODY_BYTES)
    try:
        page = await fetch(url, rules)
    except HostNotFound:
        raise TargetInvalid("Could not resolve hostname") from None
    except PortNotAllowed:
        raise TargetForbidden("Requests to this port are not allowed") from None
    except AddressNotAllowed:
        raise TargetForbidden("Requests to private/internal addresses are not allowed") from None
    except FetchError as error:
        return FrameVerdict(False, str(error))
    return verdict_on(page)


def verdict_on(page: Fetched) -> FrameVerdict:
    """What the headers say; of a page that may not be shown, what stands for it."""
    reason = _objection(page.headers)
    if not reason:
        return FrameVerdict(True)
    shown = open_graph(page.body.decode(errors="replace"))
    return FrameVerdict(False, reason, shown.get("og:image", ""), shown.get("og:title", ""))


def _objection(headers: httpx.Headers) -> str:
    """Why no other site may show it; where both headers object, the policy is named."""
    for sources in _frame_ancestors(headers.get_list("content-security-policy")):
        if not _ANYBODY & set(sources.split()):
            return f"CSP frame-ancestors: {sources}"[:_TEXT_CHARS]
    for option in headers.get_list("x-frame-options", split_commas=True):
        word = option.strip().lower()
        if word in ("deny", "sameorigin"):
            return f"X-Frame-Options: {word}"
    return ""


def _frame_ancestors(policies: Iterable[str]) -> list[str]:
    """The sources of each `frame-ancestors` directive, in lower case."""
    found = []
    for policy in policies:
        for directive in policy.lower().replace(",", ";").split(";"):
            name, _, sources = directive.strip().partition(" ")
            if name == "frame-ancestors":
                found.append(" ".join(sources.split()))
    return found


def open_graph(html: str) -> dict[str, str]:
    """The first content of each `og:` property."""
    reader = _OpenGraph()
    reader.feed(html)
    return reader.found


class _OpenGraph(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            return
        values = dict(attrs)
        name, content = (values.get("property") or "").lower(), values.get("content")
        if name.startswith("og:") and content is not None:
            self.found.setdefault(name, content[:_TEXT_CHARS])
