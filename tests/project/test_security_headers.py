"""What every page tells the browser to refuse."""

import pytest

from tests.server import RunningServer

pytestmark = pytest.mark.anywhere


@pytest.mark.parametrize(
    "path", ["/page", "/nothing", "/where", "/api/nothing", "/endless", "/boom"]
)
def test_every_response_has_the_strict_policy(probe: RunningServer, path: str):
    with probe.anonymous.stream("GET", path, headers={"Accept": "text/html"}) as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert "script-src 'self';" in f"{policy};"
    assert "style-src 'self';" in f"{policy};"
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_only_the_admin_has_the_policy_its_theme_needs(probe: RunningServer):
    policy = probe.anonymous.get("/admin/login/").headers["Content-Security-Policy"]

    assert "script-src 'self' 'unsafe-eval';" in f"{policy};"
    assert "'unsafe-inline'" not in policy.partition("style-src")[0]


def test_a_page_is_neither_framed_nor_sniffed_nor_referred(probe: RunningServer):
    headers = probe.anonymous.get("/page").headers

    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"


def test_our_pages_hold_no_inline_script_or_style(probe: RunningServer):
    for path in ("/page", "/nothing"):
        page = probe.anonymous.get(path, headers={"Accept": "text/html"}).text

        assert "<style" not in page
        assert "style=" not in page
        assert "<script>" not in page


def test_api_answers_are_not_stored_by_caches(probe: RunningServer):
    assert probe.client.get("/api/nothing").headers["Cache-Control"] == "no-store"
    assert probe.anonymous.get("/api/v1/nothing").headers["Cache-Control"] == "no-store"
