"""What refusals look like on the wire, whoever makes them."""

import re

import pytest

from tests.project.probe_urls import SECRET_DETAIL
from tests.server import RunningServer

pytestmark = pytest.mark.anywhere

ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/nothing", {"error": "Not found"}),
        ("/api/nothing", {"error": "Not found"}),
        ("/v1/nothing", {"detail": "Not Found"}),
        ("/api/refusing/missing", {"error": "there is no run 42"}),
        ("/v1/refusing/missing", {"detail": "there is no run 42"}),
    ],
)
def test_what_does_not_exist_is_404_in_the_words_of_its_surface(
    probe: RunningServer, path: str, body: dict[str, str]
):
    answer = probe.client.get(path)

    assert answer.status_code == 404
    assert answer.json() == body
    assert answer.headers["Content-Type"] == "application/json"


def test_an_unknown_page_of_a_surface_is_a_page_to_a_browser(probe: RunningServer):
    answer = probe.anonymous.get("/docs/nothing", headers={"Accept": "text/html,*/*"})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Not found" in answer.text


def test_any_other_page_that_a_browser_asks_for_is_the_chat_page(probe: RunningServer):
    stranger = probe.anonymous.get("/settings/general", headers={"Accept": "text/html,*/*"})
    program = probe.anonymous.get("/settings/general")

    assert (stranger.status_code, stranger.headers["Location"]) == (
        302,
        "/login?next=/settings/general",
    )
    assert program.status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/boom", {"error": "Internal server error"}),
        ("/api/refusing/boom", {"error": "Internal server error"}),
        ("/v1/refusing/boom", {"detail": "internal server error"}),
    ],
)
def test_a_defect_is_a_500_that_tells_nothing(
    probe: RunningServer, path: str, body: dict[str, str]
):
    before = probe.mark()

    answer = probe.client.get(path)

    assert answer.status_code == 500
    assert answer.json() == body
    assert SECRET_DETAIL in probe.errors_since(before)  # the operator's log has it


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/api/refusing/invalid", 400, {"error": "limit must be at most 1000"}),
        (
            "/v1/refusing/invalid",
            422,
            {
                "detail": [
                    {
                        "type": "value_error",
                        "loc": ["body", "limit"],
                        "msg": "limit must be at most 1000",
                    }
                ]
            },
        ),
    ],
)
def test_invalid_input_names_the_field(
    probe: RunningServer, path: str, status: int, body: dict[str, object]
):
    answer = probe.client.get(path)

    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/refusing/forks", {"error": "Counterfactual rate limit exceeded"}),
        ("/v1/refusing/forks", {"detail": "counterfactual_rate_limit_exceeded"}),
    ],
)
def test_a_caller_without_tokens_for_forks_is_told_when_to_come_again(
    probe: RunningServer, path: str, body: dict[str, str]
):
    answer = probe.client.get(path)

    assert (answer.status_code, answer.json()) == (429, body)
    assert answer.headers["Retry-After"] == "6"


def test_a_full_queue_says_when_to_come_again(probe: RunningServer):
    answer = probe.client.get("/api/refusing/full")

    assert answer.status_code == 503
    assert answer.json() == {"error": "100 runs wait already"}
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["X-Error-Code"] == "queue_full"


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/api/refusing/x", 400, {"error": "goal: This field is required."}),
        (
            "/v1/refusing/x",
            422,
            {"detail": [{"type": "missing", "loc": ["body", "goal"], "msg": "Field required"}]},
        ),
    ],
)
def test_a_missing_field_is_named(
    probe: RunningServer, path: str, status: int, body: dict[str, object]
):
    answer = probe.client.post(path, json={})

    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b'{"goal": NaN}', b"[" * 100_000, b'{"goal": "\\ud800"}']
)
def test_a_body_that_is_not_json_is_400(probe: RunningServer, content: bytes):
    answer = probe.client.post("/api/refusing/x", content=content)

    assert answer.status_code == 400
    assert answer.json() == {"error": "The request body is not valid JSON"}


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "", "application/x-www-form-urlencoded"]
)
def test_json_is_read_whatever_the_content_type_says(probe: RunningServer, content_type: str):
    answer = probe.client.post(
        "/api/refusing/x", content=b'{"goal": "fly"}', headers={"Content-Type": content_type}
    )

    assert (answer.status_code, answer.json()) == (202, {"goal": "fly"})


@pytest.mark.parametrize("path", ["/only-get", "/api/refusing/x"])
def test_a_wrong_method_is_405_and_names_the_right_ones(probe: RunningServer, path: str):
    answer = probe.client.delete(path)

    assert answer.status_code == 405
    assert answer.json() == {"error": "Method not allowed"}
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "path", ["/api/v1/nothing", "/api/v1", "/metrics", "/metrics/x", "/inspect/", "/inspect/a/b"]
)
def test_who_is_unknown_does_not_learn_which_guarded_paths_exist(probe: RunningServer, path: str):
    answer = probe.anonymous.get(path)

    assert answer.status_code == 401
    assert set(answer.json()) == {"error"}
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_a_known_caller_gets_404_for_an_unknown_guarded_path(probe: RunningServer):
    answer = probe.client.get("/api/v1/nothing")

    assert (answer.status_code, answer.json()) == (404, {"error": "Not found"})


def test_a_browser_at_the_inspector_is_led_to_the_login(probe: RunningServer):
    answer = probe.anonymous.get("/inspect/run/abc?x=1", headers={"Accept": "text/html"})

    assert answer.status_code == 302
    assert "next=/inspect/run/abc%3Fx%3D1" in answer.headers["Location"]


def test_a_path_that_is_not_text_is_answered(probe: RunningServer):
    answer = probe.client.get("/%ff%fe")

    assert answer.status_code in (400, 404)


@pytest.mark.parametrize("path", ["/nothing", "/boom", "/page", "/where", "/static/css/site.css"])
def test_every_response_carries_a_request_id(probe: RunningServer, path: str):
    answer = probe.anonymous.get(path)

    assert ULID.fullmatch(answer.headers["X-Request-Id"])


def test_a_sane_request_id_of_the_caller_is_kept(probe: RunningServer):
    answer = probe.anonymous.get("/where", headers={"X-Request-Id": "trace-1.2_3"})

    assert answer.headers["X-Request-Id"] == "trace-1.2_3"


@pytest.mark.parametrize("proposed", ["a b", "x" * 129, 'quote"', "ü".encode().decode("latin1")])
def test_a_strange_request_id_is_replaced(probe: RunningServer, proposed: str):
    answer = probe.anonymous.get("/where", headers={b"X-Request-Id": proposed.encode("latin1")})

    assert ULID.fullmatch(answer.headers["X-Request-Id"])


def test_a_failure_in_the_log_names_the_request(probe: RunningServer):
    probe.client.get("/boom", headers={"X-Request-Id": "find-me-in-the-log"})

    assert "find-me-in-the-log" in probe.errors()


def test_the_traceback_of_a_defect_is_in_the_audit_trail_alone(probe: RunningServer):
    answer = probe.client.get(
        "/v1/refusing/boom", headers={"X-Request-Id": "a-defect-in-the-trail"}
    )

    page = probe.client.get("/v1/audit", params={"kind": "unhandled_exception"}).json()
    [fact] = [
        item["fact"]
        for item in page["items"]
        if item["fact"]["request_id"] == "a-defect-in-the-trail"
    ]
    assert answer.status_code == 500
    assert (fact["error_class"], fact["route"]) == ("RuntimeError", "/v1/refusing/boom")
    assert SECRET_DETAIL in fact["traceback"]
