"""From a draft over a person's approval to a published artifact, as everybody involved sees it."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_inspector import log_in
from tests.runs.graph_api.client import GraphClient
from tests.runs.graph_api.sockets import follow, read_in_pieces, types
from tests.server import RunningServer

pytestmark = pytest.mark.browser


def test_a_draft_is_approved_in_the_admin_and_published(server: RunningServer, page: Page):
    graphs = GraphClient(server.client)
    run_id = graphs.start("!say Spring is here.", graph_id="approval")
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_in_pieces, server.client, run_id, at_a_time=1)
        graphs.until(run_id, "awaiting-input")

        log_in(page, server, f"/admin/approvals/{run_id}/")
        expect(page.get_by_text("Spring is here.").first).to_be_visible()
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_text(f"Run {run_id} goes on")).to_be_visible()

        graphs.until(run_id, "done")
        seen = reading.result()
    [artifact] = server.client.get(f"/v1/runs/{run_id}/artifacts").json()
    content = server.client.get(f"/v1/artifacts/{artifact['artifact_id']}")
    assert (content.text, content.headers["Content-Type"]) == ("Spring is here.", "text/markdown")
    assert seen == follow(server.client, run_id)  # each frame once, in order
    kinds = types(seen)
    assert kinds.count("waiting_for_input") == kinds.count("artifact_written") == 1
    assert kinds[-1] == "result"


def test_an_answer_needs_no_scripts(server: RunningServer, chromium: Browser):
    graphs = GraphClient(server.client)
    run_id = graphs.start("!say Spring is here.", graph_id="approval")
    graphs.until(run_id, "awaiting-input")
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()

    log_in(page, server, f"/admin/approvals/{run_id}/")
    expect(page.get_by_text("Spring is here.").first).to_be_visible()
    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_text(f"Run {run_id} goes on")).to_be_visible()
    graphs.until(run_id, "done")
    context.close()
