"""The pages that show the OpenAPI document. The `page` fixture fails when the policy complains."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import StartServer

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("path", ["/swagger", "/redoc"])
def test_it_shows_the_operations_and_asks_no_other_host(
    start_server: StartServer, page: Page, path: str
):
    server = start_server(workers=0)
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))

    page.goto(f"{server.url}{path}")

    expect(page.get_by_text("Start a run of a graph").locator("visible=true").first).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert hosts - {""} == {urlsplit(server.url).netloc}
