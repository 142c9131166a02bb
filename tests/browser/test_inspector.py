"""The inspector as a person uses it."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import StartServer
from tests.server import RunningServer

pytestmark = pytest.mark.browser

GOAL = '!tool calculate {"expression": "6*7"}\n!turn\n!say It is 42.'
ASKING = '!tool ask_human {"prompt": "May I?"}\n!turn\n!say Thank you.'


def log_in(page: Page, server: RunningServer, path: str) -> None:
    page.goto(f"{server.url}{path}")
    page.get_by_label("API key").fill(server.admin_key)
    page.get_by_role("button", name="Log in").click()


def start(server: RunningServer, goal: str) -> str:
    answer = server.client.post("/api/v1/runs", json={"goal": goal})
    run_id: str = answer.raise_for_status().json()["run_id"]
    return run_id


def row(page: Page, kind: str):
    return page.locator("[data-rows] > li").filter(has=page.locator(".kind", has_text=kind)).first


def test_a_run_is_watched_live_from_the_login_to_the_green_badge(
    start_server: StartServer, page: Page
):
    server = start_server()
    run_id = start(server, ASKING)

    log_in(page, server, f"/inspect/run/{run_id}")
    expect(page).to_have_url(re.compile(rf"/admin/runs/run/{run_id}/change/"))
    expect(row(page, "InputRequested")).to_be_visible()
    expect(page.locator("[data-live]")).to_have_text("live")
    expect(page.locator("[data-part=badge]")).to_have_text("in progress, chain ok so far")
    before = page.locator("[data-rows] > li").count()
    server.client.post(f"/api/v1/runs/{run_id}/cancel").raise_for_status()

    expect(row(page, "RunCancelled")).to_be_visible()
    expect(page.locator("[data-part=badge]")).to_have_text("✓ chain valid")
    expect(page.locator("[data-part=status]")).to_have_text("cancelled")
    expect(page.locator("[data-live]")).to_be_hidden()
    seqs = page.locator("[data-rows] > li").evaluate_all("rows => rows.map(r => +r.dataset.seq)")
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) > before


def test_a_run_that_is_still_queued_fills_its_page_as_it_goes(
    start_server: StartServer, page: Page
):
    server = start_server(flags=["--workers", "1"])
    blocking = start(server, "!sleep 600")
    waiting = start(server, GOAL)

    log_in(page, server, f"/inspect/run/{waiting}")
    expect(page.locator("[data-part=badge]")).to_have_text("no events yet")
    server.client.post(f"/api/v1/runs/{blocking}/cancel").raise_for_status()

    expect(row(page, "RunCompleted")).to_be_visible()
    expect(page.locator("[data-part=badge]")).to_have_text("✓ chain valid")
    expect(page.locator("[data-part=totals]")).to_contain_text("tools1")
    expect(page.locator("[data-event]")).to_be_visible()


def test_the_keyboard_walks_filters_and_jumps(server: RunningServer, page: Page):
    run_id = start(server, GOAL)
    log_in(page, server, f"/inspect/run/{run_id}")
    expect(row(page, "RunCompleted")).to_be_visible()
    shown = page.locator("[data-event]")

    expect(shown).to_have_attribute("data-event", "1")
    page.keyboard.press("j")
    expect(shown).to_have_attribute("data-event", "2")
    page.keyboard.press("k")
    expect(shown).to_have_attribute("data-event", "1")
    page.keyboard.press("G")
    expect(shown.locator(".kind")).to_have_text("RunCompleted")
    page.keyboard.press("/")
    page.keyboard.type("toolcall")
    expect(page.locator("[data-shown]")).to_have_text(re.compile(r"^2 of \d+ shown$"))
    page.keyboard.press("Enter")
    expect(shown.locator(".kind")).to_have_text("ToolCallScheduled")
    page.locator("[data-jump-call]").click()
    expect(shown.locator(".kind")).to_have_text("ToolCallCompleted")
    page.keyboard.press("Escape")
    expect(page.locator("[data-rows] > li:visible")).to_have_count(
        page.locator("[data-rows] > li").count()
    )
    page.reload()
    expect(shown.locator(".kind")).to_have_text("ToolCallCompleted")


def test_a_run_is_cancelled_from_its_page_after_a_question(server: RunningServer, page: Page):
    run_id = start(server, "!sleep 600")
    log_in(page, server, f"/inspect/run/{run_id}")
    questions: list[str] = []

    def answer(dialog):
        questions.append(dialog.message)
        dialog.accept()

    page.on("dialog", answer)
    page.get_by_role("button", name="Cancel run").click()

    expect(page.get_by_text(f"Cancelled {run_id}")).to_be_visible()
    expect(page.locator("[data-part=status]")).to_have_text("cancelled")
    assert questions == ["Cancel this run?"]


def test_the_pages_fit_a_phone(server: RunningServer, page: Page):
    run_id = start(server, GOAL)
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page, server, "/inspect/")
    expect(page.locator(f'tr[data-run="{run_id}"]')).to_be_visible()

    for path in ("/inspect/", f"/inspect/run/{run_id}"):
        page.goto(f"{server.url}{path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, path


def test_the_theme_of_the_reader_is_kept(server: RunningServer, page: Page):
    page.set_extra_http_headers({"X-API-Key": server.admin_key})
    page.emulate_media(color_scheme="light")
    page.goto(f"{server.url}/inspect/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="light and dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()

    assert dark != light
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark
