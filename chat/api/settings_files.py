"""The documents that make the assistant who it is, and the heartbeat that one of them drives."""

from typing import ClassVar

from django.http import HttpResponse

from accounts import audit, capabilities
from chat.api.base import ApiRequest, SettingsView, json_response
from chat.api.bodies import read_body
from chat.api.schema_settings import describe_files, describe_heartbeat
from chat.api.settings_bodies import FileBody, HeartbeatBody
from chat.errors import OutOfRange, TooLarge
from chat.live_settings import current
from chat.live_settings.groups import Cron
from chat.live_settings.writing import PACK_ID, change_settings
from chat.memory.documents import MAX_BYTES, PERSONALITY, SHARED, read_document, write_document
from project.lib.db import write_transaction

HEARTBEAT = "HEARTBEAT.md"
DONE = {"status": "ok"}


@describe_files
class FileView(SettingsView):
    capabilities: ClassVar = {
        "GET": capabilities.SETTINGS_MANAGE,
        "PUT": capabilities.SETTINGS_MANAGE,
    }

    def get(self, request: ApiRequest, name: str) -> HttpResponse:
        _require_editable(name)
        return json_response({"content": read_document(SHARED, name)})

    def put(self, request: ApiRequest, name: str) -> HttpResponse:
        _require_editable(name)
        _write(name, read_body(request, FileBody).content, actor=request.principal.actor)
        return json_response(DONE)


@describe_heartbeat
class HeartbeatView(SettingsView):
    capabilities: ClassVar = {
        "GET": capabilities.SETTINGS_MANAGE,
        "PUT": capabilities.SETTINGS_MANAGE,
    }

    def get(self, request: ApiRequest) -> HttpResponse:
        cron, content = current(Cron), read_document(SHARED, HEARTBEAT)
        return json_response(
            {
                "enabled": cron.heartbeat_enabled and bool(content.strip()),
                "interval_minutes": cron.heartbeat_interval_minutes,
                "content": content,
            }
        )

    def put(self, request: ApiRequest) -> HttpResponse:
        body, actor = read_body(request, HeartbeatBody), request.principal.actor
        if body.enabled and not body.content.strip():
            raise OutOfRange("Heartbeat content cannot be empty when enabled", field="content")
        values = {
            "heartbeat_enabled": body.enabled,
            "heartbeat_interval_minutes": body.interval_minutes,
        }
        with write_transaction():
            change_settings(Cron, values, actor=actor)
            _write(HEARTBEAT, body.content, actor=actor)
        return json_response(DONE)


def _require_editable(name: str) -> None:
    if name not in PERSONALITY:
        raise OutOfRange(f"File '{name[:200]}' is not editable", field="name")


def _write(name: str, content: str, *, actor: str) -> None:
    size = len(content.encode())
    if size > MAX_BYTES:
        raise TooLarge(f"IO error: Content size ({size} bytes) exceeds maximum ({MAX_BYTES} bytes)")
    with write_transaction():
        write_document(SHARED, name, content, actor=actor)
        audit.record("document_written", actor=actor, pack_id=PACK_ID, durable=True, name=name)
