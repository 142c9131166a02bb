"""The admin's pages of triggers as a person uses them, and webhooks as their senders do."""

import hashlib
import hmac
import json
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any

import httpx

from tests.server import RunningServer

_ROW = re.compile(r'name="_selected_action" value="(\d+)"')


def sign(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class AdminPages:
    """Logged in with the admin's key."""

    def __init__(self, server: RunningServer) -> None:
        self.client = httpx.Client(base_url=server.url, timeout=30.0, follow_redirects=True)
        page = self.post("/admin/login/?next=/admin/", api_key=server.admin_key)
        assert "Log out" in page or "logout" in page

    def __enter__(self) -> "AdminPages":
        return self

    def __exit__(self, *failure: object) -> None:
        self.client.close()

    def get(self, path: str) -> str:
        answer = self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def post(self, path: str, /, **fields: Any) -> str:
        """The page that posting a form leads to."""
        self.client.get(path)
        token = self.client.cookies["csrftoken"]
        answer = self.client.post(path, data={**fields, "csrfmiddlewaretoken": token})
        assert answer.status_code == 200, answer.text
        return answer.text

    def add_webhook(self, **fields: Any) -> "Hook":
        name = f"hook-{secrets.token_hex(6)}"
        hook = Hook(self.client.base_url, name, secrets.token_urlsafe(24))
        page = self.post(
            "/admin/runs/webhooktrigger/add/",
            trigger_id=name,
            path=f"/hooks/{name}",
            new_secret=hook.secret,
            **{**WEBHOOK, **fields},
        )
        assert "was added successfully" in page, page
        return hook

    def change_webhook(self, hook: "Hook", **fields: Any) -> str:
        found = re.search(
            r"/admin/runs/webhooktrigger/\d+/change/",
            self.get(f"/admin/runs/webhooktrigger/?q={hook.name}"),
        )
        assert found
        return self.post(found[0], **{**WEBHOOK, "path": hook.name, **fields})

    def deliveries(self, hook: "Hook") -> list[str]:
        """Ids in the delivery log, newest first."""
        page = self.get(f"/admin/runs/webhookdelivery/?q={hook.name}")
        return _ROW.findall(page)

    def delivery(self, hook: "Hook") -> str:
        """The page of the newest delivery."""
        return self.get(f"/admin/runs/webhookdelivery/{self.deliveries(hook)[0]}/change/")


#: What the form of a webhook holds unless told otherwise; an unticked box is left out.
WEBHOOK = {
    "graph_id": "agent",
    "params": "{}",
    "mapping": "{}",
    "is_enabled": "on",
    "scheme": "stargraph",
    "timestamp_window_seconds": "300",
    "keep_previous_secret": "on",
}


@dataclass(frozen=True)
class Hook:
    """A webhook as its sender knows it."""

    base_url: httpx.URL
    name: str
    secret: str

    def send(self, body: bytes, **headers: str) -> httpx.Response:
        return httpx.post(f"{self.base_url}/hooks/{self.name}", content=body, headers=headers)

    def headers(
        self, body: bytes, *, secret: str = "", timestamp: int | None = None
    ) -> dict[str, str]:
        stamp = str(int(time.time()) if timestamp is None else timestamp)
        signature = sign(secret or self.secret, stamp.encode() + b"." + body)
        return {"X-Stargraph-Timestamp": stamp, "X-Stargraph-Signature": signature}

    def deliver(self, body: Any, **how: Any) -> httpx.Response:
        """A signed request. Bytes are sent as they are, everything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send(content, **self.headers(content, **how))

    def github(self, body: Any, *, delivery: str, event: str = "issues") -> httpx.Response:
        content = json.dumps(body).encode()
        return self.send(
            content,
            **{
                "X-Hub-Signature-256": f"sha256={sign(self.secret, content)}",
                "X-GitHub-Delivery": delivery,
                "X-GitHub-Event": event,
            },
        )
