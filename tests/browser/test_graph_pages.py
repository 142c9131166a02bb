"""Graphs in the admin as a person uses them."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_inspector import log_in
from tests.server import RunningServer

pytestmark = pytest.mark.browser

GRAPHS = "/admin/runs/graphversion/"
DOCUMENT = """
ir_version: "1.1.0"
id: browsed
nodes:
  - {id: draft, kind: template, config: {template: "A draft", out: text}}
  - {id: ask, kind: interrupt, config: {prompt: "Publish?", output_field: review}}
  - {id: published, kind: halt}
"""


def test_a_graph_is_registered_looked_at_and_its_run_watched(server: RunningServer, page: Page):
    log_in(page, server, f"{GRAPHS}register/")
    page.get_by_label("Document").fill(DOCUMENT.replace("halt", "stop"))
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("cell", name="/nodes/2/kind")).to_be_visible()
    page.get_by_label("Document").fill(DOCUMENT)
    page.get_by_role("button", name="Register").click()

    drawing = page.get_by_role("img", name="Graph browsed")
    expect(drawing).to_be_visible()
    expect(drawing.locator("[data-node]")).to_have_count(3)
    answer = server.client.post("/v1/runs", json={"graph_id": "browsed", "params": {}})
    run_id = answer.raise_for_status().json()["run_id"]
    page.goto(f"{server.url}/admin/runs/run/{run_id}/change/")
    node = page.locator('[data-node="ask"]')
    expect(node).to_have_class("node gate waiting")
    server.client.post(
        f"/v1/runs/{run_id}/respond", json={"response": {"decision": "yes"}}
    ).raise_for_status()

    # The page is told, and draws it again.
    expect(node).to_have_class("node gate done")
    expect(page.locator('[data-node="published"]')).to_have_class("node end done")
    expect(page.locator("[data-step]")).to_have_count(3)
    page.set_viewport_size({"width": 390, "height": 844})
    for path in (page.url, f"{server.url}{GRAPHS}", f"{server.url}{GRAPHS}graph/browsed"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
