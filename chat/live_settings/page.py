"""What the chat page is told before anybody has logged in."""

from typing import Any

from chat.live_settings.groups import Attachments, Frontend, General
from chat.live_settings.layers import as_json
from chat.live_settings.reading import current
from chat.services.posting import shown_models


def page_config() -> dict[str, Any]:
    """What clients know as `window.__STARPOD__`, and which files may be attached. All of it may be
    read by anybody."""
    frontend = current(Frontend)
    return {
        "greeting": frontend.greeting or None,
        "prompts": list(frontend.prompts),
        "models": shown_models(),
        "agent_name": current(General).agent_name,
        "oauth_proxy_url": "",  # there is none; clients of another gateway look for it
        "attachments": as_json(current(Attachments)),
    }
