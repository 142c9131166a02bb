"""The fleet and an instance's page as a person uses them."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, Response, expect

from tests.browser.test_inspector import log_in
from tests.conftest import _server_factory
from tests.instances.fake_backend import FakeBackend
from tests.server import RunningServer

pytestmark = pytest.mark.browser

FLEET = "/admin/fleet/"
HOSTILE = "<img src=x onerror=alert(1)>"


KEY = "key-of-the-backend"


@pytest.fixture(scope="module")
def _backend() -> Iterator[FakeBackend]:
    made = FakeBackend(key=KEY)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, _backend: FakeBackend
) -> Iterator[RunningServer]:
    """Its monitor looks every second, so what happens at the backend is on the page soon."""
    environment = {
        "STARPOD_INSTANCE_BACKEND_URL": _backend.url,
        "STARPOD_INSTANCE_API_KEY": KEY,
        "STARPORT_INSTANCE_POLL_SECONDS": "1",
        "STARPORT_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    }
    with _server_factory(tmp_path_factory) as start:
        yield start(env=environment, workers=0)


@pytest.fixture
def backend(_backend: FakeBackend) -> Iterator[FakeBackend]:
    """Without instances. Those of tests before are stopped, as the server sees it."""
    _backend.reset()
    yield _backend
    _backend.reset()


def in_group(page: Page, group: str, instance_id: str) -> Locator:
    return page.locator(f'section.{group} tr[data-instance="{instance_id}"]')


def open_page(page: Page, instance_id: str) -> None:
    page.locator(f'tr[data-instance="{instance_id}"] a').click()
    expect(page.locator("[data-part=head]")).to_contain_text(instance_id)


def test_what_happens_to_the_fleet_shows_without_a_reload(
    server: RunningServer, backend: FakeBackend, page: Page
):
    up = backend.add(name="sales", region="eu-west-1")
    silent = backend.add(name="support", restart_heals=False)
    suspended = backend.add(name="night-shift", status="paused")
    log_in(page, server, FLEET)
    expect(in_group(page, "running", up.id)).to_be_visible()
    expect(in_group(page, "paused", suspended.id)).to_be_visible()
    expect(page.locator("[data-live]")).to_have_text("live")
    page.evaluate("window.isStillHere = true")

    silent.heartbeat_at = int(time.time()) - 300
    up.status = "paused"

    expect(in_group(page, "restarting", silent.id)).to_be_visible()
    expect(in_group(page, "restarting", silent.id)).to_contain_text("1 of 3")
    expect(in_group(page, "restarting", silent.id)).to_contain_text("no heartbeat for")
    expect(in_group(page, "paused", up.id)).to_be_visible()
    expect(page.locator("[data-told]")).to_contain_text(re.compile("2 paused|paused 2"))
    assert page.evaluate("window.isStillHere")


def test_the_focus_stays_where_it_was_when_the_page_changes(
    server: RunningServer, backend: FakeBackend, page: Page
):
    up = backend.add(name="sales")
    log_in(page, server, FLEET)
    link = page.locator(f'tr[data-instance="{up.id}"] a')
    expect(link).to_be_visible()
    # Found and focused at once: in between, the page may put another in its place.
    page.evaluate("key => document.querySelector(`[data-key='${key}']`).focus()", up.id)

    up.status = "paused"

    expect(in_group(page, "paused", up.id)).to_be_visible()
    expect(link).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=head]")).to_contain_text(up.id)


def test_a_click_is_not_lost_when_the_page_changes_before_it_ends(
    server: RunningServer, backend: FakeBackend, page: Page
):
    up = backend.add(name="sales")
    log_in(page, server, FLEET)
    page.locator(f'tr[data-instance="{up.id}"] a').hover()

    page.mouse.down()
    up.status = "paused"
    until_it_tells(page, "paused", up.id)
    page.mouse.up()

    expect(page.locator("[data-part=head]")).to_contain_text(up.id)


def until_it_tells(page: Page, group: str, instance_id: str) -> None:
    """The server has told the page that the instance stands there."""

    def does_tell(response: Response) -> bool:
        if not response.url.endswith("/admin/fleet/live/"):
            return False
        section = response.text().partition(f'class="group {group}"')[2].partition("</section>")[0]
        return f'data-instance="{instance_id}"' in section

    with page.expect_response(does_tell):
        pass


def test_the_log_is_watched_stopped_and_continued(
    server: RunningServer, backend: FakeBackend, page: Page
):
    up = backend.add(name="sales")
    backend.say(up, "said before", level="debug")
    log_in(page, server, FLEET)
    open_page(page, up.id)
    lines = page.locator("[data-log-lines] > li")
    state = page.locator("[data-log-state]")
    expect(lines).to_have_count(1)
    expect(state).to_have_text("live")

    backend.say(up, HOSTILE, level="error")
    expect(lines.last).to_contain_text(HOSTILE)
    expect(lines.last).to_have_class("error")
    page.get_by_role("button", name="Stop").click()
    expect(state).to_have_text("stopped")
    backend.say(up, "said meanwhile", level="warn")
    page.get_by_role("button", name="Continue").click()
    expect(lines.last).to_contain_text("said meanwhile")

    expect(lines).to_have_count(3)
    expect(page.locator("[data-log-lines] img")).to_have_count(0)


def test_nothing_is_watched_while_nobody_sees_it(
    server: RunningServer, backend: FakeBackend, page: Page
):
    up = backend.add(name="sales")
    backend.say(up, "said before")
    log_in(page, server, FLEET)
    open_page(page, up.id)
    expect(page.locator("[data-log-state]")).to_have_text("live")

    see(page, hidden=True)
    expect(page.locator("[data-log-state]")).to_have_text("paused")
    backend.say(up, "said meanwhile")
    see(page, hidden=False)

    expect(page.locator("[data-log-lines] > li").last).to_contain_text("said meanwhile")


def see(page: Page, *, hidden: bool) -> None:
    """As when the reader goes to another tab, or comes back, which needs a browser with a head."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_log_that_cannot_be_had_says_why(server: RunningServer, backend: FakeBackend, page: Page):
    up = backend.add(name="sales")
    backend.say(up, "the last one")
    log_in(page, server, FLEET)
    open_page(page, up.id)
    expect(page.locator("[data-log-lines] > li")).to_have_count(1)

    backend.refuse()

    expect(page.locator("[data-log-state]")).to_have_text("failed")
    expect(page.locator("[data-log-lines] > li.note")).to_be_visible()
    backend.listen()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("[data-log-state]")).to_have_text("live")


def test_an_instance_is_created_paused_and_killed(
    server: RunningServer, backend: FakeBackend, page: Page
):
    log_in(page, server, FLEET)
    page.get_by_role("link", name="New instance").click()
    page.get_by_label("Name").fill("my bot")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Created my bot.")).to_be_visible()
    [made] = backend.instances.values()
    made.status = "running"
    expect(in_group(page, "running", made.id)).to_be_visible()

    open_page(page, made.id)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused my bot.")).to_be_visible()
    page.get_by_role("link", name="Kill…").click()
    page.get_by_role("button", name="Kill", exact=True).click()

    expect(page.get_by_text("Killed my bot.")).to_be_visible()
    expect(page.locator("[data-part=head]")).to_contain_text("stopped")
    assert backend.instances == {}


def test_the_pages_are_read_without_scripts(
    server: RunningServer, backend: FakeBackend, chromium: Browser
):
    up = backend.add(name="sales")
    headers = {"X-API-Key": server.admin_key}
    context = chromium.new_context(java_script_enabled=False, extra_http_headers=headers)
    page = context.new_page()
    server.client.get("/api/instances").raise_for_status()

    page.goto(f"{server.url}{FLEET}")
    expect(in_group(page, "running", up.id)).to_be_visible()
    open_page(page, up.id)
    expect(page.get_by_role("link", name="Download")).to_be_visible()

    context.close()


def test_the_pages_fit_a_phone(server: RunningServer, backend: FakeBackend, page: Page):
    up = backend.add(name="a-name-without-any-place-to-break-it-" * 4, region="eu-west-1")
    backend.say(up, "w" * 500)
    page.set_viewport_size({"width": 390, "height": 844})
    log_in(page, server, FLEET)
    expect(in_group(page, "running", up.id)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.goto(f"{server.url}{FLEET}instances/{up.id}/")
    expect(page.locator("[data-log-lines] > li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
