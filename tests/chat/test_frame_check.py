"""GET /api/frame-check: may a page be shown in a frame? The URL is a stranger's word."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from tests.chat.conftest import AsRole
from tests.chat.gateway import Gateway
from tests.conftest import StartServer
from tests.server import RunningServer

FORBIDDEN = "Requests to private/internal addresses are not allowed"
Page = tuple[int, dict[str, str], bytes]


@contextmanager
def web_server(pages: dict[str, Page]) -> Iterator[str]:
    """A site of the world outside; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = pages[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return

    site = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{site.server_port}"
    finally:
        site.shutdown()
        thread.join()
        site.server_close()


def check(client: httpx.Client, url: str) -> httpx.Response:
    return client.get("/api/frame-check", params={"url": url})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example",
        "/path",
        "http://",
        "//example.com/",
        "http://[::1",
        "http://a b/",
        "https:///x",
    ],
)
def test_what_is_no_absolute_url_is_refused(gateway: Gateway, url: str):
    answer = check(gateway.client, url)

    assert (answer.status_code, answer.json()) == (400, {"error": "Invalid URL"})


@pytest.mark.parametrize("url", ["ftp://example.com/", "file:///etc/passwd", "javascript:alert(1)"])
def test_other_schemes_are_refused(gateway: Gateway, url: str):
    answer = check(gateway.client, url)

    assert answer.status_code == 400
    assert answer.json() == {"error": "Only http and https URLs are allowed"}


def test_a_host_that_is_not_there_is_refused(gateway: Gateway):
    answer = check(gateway.client, "http://nothing.invalid/")

    assert (answer.status_code, answer.json()) == (400, {"error": "Could not resolve hostname"})


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://localhost/", "http://0.0.0.0/", "http://10.0.0.1/",
        "http://100.64.0.1/", "http://169.254.169.254/latest/", "http://192.0.0.1/",
        "http://198.18.0.1/", "http://224.0.0.1/", "http://255.255.255.255/", "http://[::1]/",
        "http://[::]/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/", "http://2130706433/", "http://127.0.0.1:22/",
    ],
)  # fmt: skip
def test_an_address_of_our_own_is_forbidden_in_every_disguise(gateway: Gateway, url: str):
    answer = check(gateway.client, url)

    assert (answer.status_code, answer.json()) == (403, {"error": FORBIDDEN})


def test_a_port_that_is_not_the_webs_is_forbidden(gateway: Gateway):
    answer = check(gateway.client, "http://1.1.1.1:8080/")

    assert answer.status_code == 403
    assert answer.json() == {"error": "Requests to this port are not allowed"}


def test_without_a_url_the_query_is_refused(gateway: Gateway):
    answer = gateway.client.get("/api/frame-check")

    assert answer.status_code == 400
    assert "url" in answer.json()["error"]


def test_it_asks_for_a_credential_and_its_capability(server: RunningServer, as_role: AsRole):
    assert check(server.anonymous, "http://127.0.0.1/").status_code == 401
    assert check(as_role("viewer").client, "http://127.0.0.1/").status_code == 403
    assert check(as_role("user").client, "http://").status_code == 400


OPEN_GRAPH = (
    b"<html><head><meta content='A &amp; B' property=og:title>"
    b'<META PROPERTY="og:image" CONTENT="https://example.com/a.png">'
    b'<meta property="og:title" content="second"></head>'
)
PAGES: dict[str, Page] = {
    "/open": (200, {}, OPEN_GRAPH),
    "/missing": (404, {"X-Frame-Options": "DENY"}, b""),
    "/deny": (200, {"X-Frame-Options": "DENY"}, OPEN_GRAPH),
    "/same": (200, {"X-Frame-Options": "SameOrigin"}, b""),
    "/other": (200, {"X-Frame-Options": "ALLOW-FROM https://a.example"}, b""),
    "/none": (200, {"Content-Security-Policy": "default-src *; Frame-Ancestors 'NONE'; x"}, b""),
    "/both": (
        200,
        {"X-Frame-Options": "DENY", "Content-Security-Policy": "frame-ancestors 'self'"},
        b"",
    ),
    "/any": (200, {"Content-Security-Policy": "frame-ancestors *"}, b""),
    "/https": (200, {"Content-Security-Policy": "frame-ancestors https:"}, b""),
    "/subdomains": (200, {"Content-Security-Policy": "frame-ancestors *.example.com"}, b""),
    "/long": (200, {"X-Frame-Options": "DENY"}, b" " * 600_000 + OPEN_GRAPH),
    "/round": (302, {"Location": "/round"}, b""),
    "/away": (302, {"Location": "http://10.0.0.1/"}, b""),
    "/home": (302, {"Location": "/deny"}, b""),
}


def test_a_page_is_judged_by_its_headers_and_shown_by_its_open_graph(start_server: StartServer):
    server = start_server(env={"STARPORT_SSRF_ALLOW": "127.0.0.1/32"}, workers=0)
    shown = {"ogImage": "https://example.com/a.png", "ogTitle": "A & B"}
    hidden = {"ogImage": "", "ogTitle": ""}

    with web_server(PAGES) as site:

        def verdict(path: str) -> Any:
            return check(server.client, site + path).json()

        for path in ("/open", "/other", "/any", "/https"):
            assert verdict(path) == {"frameable": True, "reason": "", **hidden}, path
        for path, reason in {
            "/missing": "X-Frame-Options: deny",
            "/same": "X-Frame-Options: sameorigin",
            "/none": "CSP frame-ancestors: 'none'",
            "/both": "CSP frame-ancestors: 'self'",
            "/subdomains": "CSP frame-ancestors: *.example.com",
            "/long": "X-Frame-Options: deny",
            "/round": "more than 10 redirects",
        }.items():
            assert verdict(path) == {"frameable": False, "reason": reason, **hidden}, path
        for path in ("/deny", "/home"):
            assert verdict(path) == {
                "frameable": False, "reason": "X-Frame-Options: deny", **shown,
            }  # fmt: skip
        led_away = check(server.client, f"{site}/away")
    gone = check(server.client, site)

    assert (led_away.status_code, led_away.json()) == (403, {"error": FORBIDDEN})
    assert gone.json() == {"frameable": False, "reason": "could not connect to the host", **hidden}
