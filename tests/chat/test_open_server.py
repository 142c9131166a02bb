"""A server that nobody has an account on yet, to whoever sits at its machine."""

import httpx

from tests.chat.gateway import Gateway
from tests.chat.socket.client import ask, chat_socket, refused, text_of
from tests.conftest import StartServer


def whose(gateway: Gateway, session_id: str) -> str:
    owner: str = gateway.get(f"/api/sessions/{session_id}")["user_id"]
    return owner


def test_it_is_open_on_every_surface_until_the_first_user_is_made(start_server: StartServer):
    server = start_server(flags=["--no-bootstrap"])
    anybody = Gateway(server.anonymous)

    named = anybody.chat("hello", user_id="grace")["session_id"]
    unnamed = anybody.chat("hello")["session_id"]
    with chat_socket(server.anonymous, query="") as socket:
        frames = ask(socket, "hello", user_id="ada")
    general = anybody.get("/api/settings/general")
    written = server.anonymous.put("/api/settings/general", json={**general, "agent_name": "Vega"})
    seen = {session["user_id"] for session in anybody.get("/api/sessions")}
    made = server.anonymous.post("/api/settings/auth/users", json={"display_name": "Ada"})

    assert seen == {"grace", "admin", "ada"}
    assert text_of(frames) == "You said: hello"
    assert (written.status_code, made.status_code) == (200, 201)
    for path in (f"/api/sessions/{named}", f"/api/sessions/{unnamed}", "/api/settings/general"):
        assert server.anonymous.get(path).status_code == 401
    assert refused(server.anonymous, "") == (401, "Missing token parameter")
    headers = {"X-API-Key": made.json()["key"]}
    with httpx.Client(base_url=server.url, headers=headers, timeout=30.0) as client:
        admin = Gateway(client)
        assert [whose(admin, session) for session in (named, unnamed)] == ["grace", "admin"]
