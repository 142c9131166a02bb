"""The chat page in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import FilePayload, Page, Request, Route, expect

from tests.server import RunningServer

pytestmark = pytest.mark.browser


@pytest.fixture
def chat(page: Page, server: RunningServer) -> Iterator[Page]:
    """Logged in and connected, with nothing said yet."""
    page.goto(f"{server.url}/")
    page.get_by_label("API key").fill(server.admin_key)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Send")).to_be_enabled()
    yield page


def say(chat: Page, text: str) -> None:
    chat.get_by_label("Message").fill(text)
    chat.get_by_label("Message").press("Enter")


def test_an_answer_streams_as_markdown_and_survives_a_reload(chat: Page):
    say(chat, "!say **Two** uses:\n!say \n!say - audit\n!say - replay")

    expect(chat.locator(".message.assistant strong")).to_have_text("Two")
    expect(chat.locator(".message.assistant li")).to_have_text(["audit", "replay"])
    expect(chat).to_have_url(re.compile(r"/chat/[0-9a-f-]{36}$"))
    chat.reload()
    expect(chat.locator(".message.assistant strong")).to_have_text("Two")
    expect(chat.locator(".message.user")).to_contain_text("!say **Two** uses:")


def test_a_tool_call_is_a_card_that_tells_what_came_of_it(chat: Page):
    say(chat, '!tool calculate {"expression": "6*7"}\n!turn\n!say It is 42.')

    card = chat.locator("details.tool")
    expect(card).to_contain_text("calculate")
    expect(card.locator("[data-outcome]")).to_have_text("done")
    card.locator("summary").click()
    expect(card.locator("[data-result]")).to_contain_text("42")
    expect(chat.get_by_text("It is 42.", exact=True)).to_be_visible()


def test_what_a_model_says_cannot_do_anything(chat: Page):
    elsewhere: list[str] = []
    chat.route(re.compile("evil"), lambda route: _note(route, elsewhere))

    say(
        chat,
        "!say <img src=https://evil.example/x onerror=alert(1)><script>document.title='x'</script>"
        " [a](javascript:alert(1)) ![b](https://evil.example/pixel) <b id=content>end</b>",
    )

    expect(chat.locator(".message.assistant")).to_contain_text("<b id=content>end</b>")
    assert chat.locator(".message.assistant img, .message.assistant script").count() == 0
    assert chat.locator(".message.assistant a[href^='javascript']").count() == 0
    assert chat.locator(".message.assistant #content").count() == 0
    assert elsewhere == []


def _note(route: Route, seen: list[str]) -> None:
    request: Request = route.request
    seen.append(request.url)
    route.abort()


def test_a_question_is_answered_by_the_next_message(chat: Page):
    say(chat, '!tool ask_human {"prompt": "Which colour?"}\n!turn\n!say Thank you.')
    expect(chat.get_by_text("It waits for your answer.")).to_be_visible()

    say(chat, "green")

    expect(chat.get_by_text("Thank you.", exact=True)).to_be_visible()
    expect(chat.get_by_text("It waits for your answer.")).to_be_hidden()


def test_a_run_can_be_stopped(chat: Page):
    say(chat, "!say working\n!sleep 120\n!say never")
    stop = chat.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()

    stop.click()

    expect(stop).to_be_hidden()
    expect(chat.get_by_text("never", exact=True)).to_have_count(0)


def test_a_file_goes_along(chat: Page):
    chat.locator("[data-file]").set_input_files(
        files=FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"milk")
    )
    expect(chat.get_by_label("Remove notes.txt")).to_be_visible()

    say(chat, "read this")

    expect(chat.locator(".message.assistant")).to_contain_text("downloads/")
    expect(chat.get_by_label("Remove notes.txt")).to_have_count(0)


def test_an_answer_goes_on_after_the_page_was_away(chat: Page):
    say(chat, "!say first\n!tool now {}\n!turn\n!sleep 3\n!say last")
    expect(chat.locator("details.tool")).to_be_visible()

    chat.reload()

    expect(chat.get_by_text("last", exact=True)).to_be_visible()
    expect(chat.get_by_text("first", exact=True)).to_have_count(1)


def test_conversations_are_listed_opened_and_put_away(chat: Page):
    say(chat, "A talk about rivers")
    entry = chat.locator(".chat-sessions").get_by_role("link", name="A talk about rivers")
    expect(entry).to_be_visible()

    chat.get_by_role("link", name="New conversation").click()
    expect(chat.locator(".message")).to_have_count(0)
    entry.click()
    expect(chat.locator(".message.user")).to_have_text("A talk about rivers")
    entry.hover()
    chat.get_by_label("Archive A talk about rivers").click()

    expect(entry).to_have_count(0)
