"""The approvals inbox as a person uses it."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_inspector import log_in, start
from tests.server import RunningServer

pytestmark = pytest.mark.browser

SCHEMA = """{"type": "object", "required": ["decision", "amount"], "properties": {
"decision": {"enum": ["approve", "reject"]},
"amount": {"type": "integer", "title": "Amount", "maximum": 500}}}""".replace("\n", " ")
ASKING = f'!tool ask_human {{"prompt": "Refund order 7?", "schema": {SCHEMA}}}\n!turn\n!say Paid.'


def test_a_run_is_answered_from_the_inbox_and_goes_on_to_its_end(server: RunningServer, page: Page):
    run_id = start(server, ASKING)
    log_in(page, server, f"/admin/runs/run/{run_id}/change/")
    page.get_by_role("link", name="Answer", exact=True).click()

    page.get_by_label("Amount").fill("900")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("less than or equal to 500")).to_be_visible()
    page.get_by_label("Amount").fill("90")
    page.get_by_label("Amount").press("Enter")  # decides nothing
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.get_by_role("button", name="Approve").click()

    expect(page.get_by_text(f"Run {run_id} goes on")).to_be_visible()
    expect(page.locator(f'li[data-run="{run_id}"]')).to_have_count(0)
    page.goto(f"{server.url}/admin/runs/run/{run_id}/change/")
    expect(page.locator("[data-part=status]")).to_have_text("completed")


def test_the_inbox_fits_a_phone(server: RunningServer, page: Page):
    run_id = start(server, ASKING)
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page, server, f"/admin/runs/run/{run_id}/change/")
    page.get_by_role("link", name="Answer", exact=True).click()
    expect(page.get_by_label("Amount")).to_be_visible()

    for path in ("/admin/approvals/", f"/admin/approvals/{run_id}/"):
        page.goto(f"{server.url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    server.client.post(f"/api/v1/runs/{run_id}/cancel").raise_for_status()
