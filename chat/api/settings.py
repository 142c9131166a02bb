"""`/api/settings/…`: the groups of live settings, as clients of the gateway know them.

What is unset is null on the wire and the empty text inside. A PUT replaces what the wire has of a
group: an optional field that is left out gets its default.
"""

from typing import Any, ClassVar

from django.http import HttpResponse

from accounts import capabilities
from chat.api.base import ApiRequest, SettingsView, json_response
from chat.api.bodies import Body, read_body
from chat.api.schema_settings import (
    describe_attachments,
    describe_channels,
    describe_cron,
    describe_frontend,
    describe_general,
    describe_instances,
    describe_memory,
    describe_models,
)
from chat.api.settings_bodies import (
    AttachmentsBody,
    ChannelsBody,
    CronSettingsBody,
    FrontendBody,
    GeneralBody,
    InstanceSettingsBody,
    MemorySettingsBody,
    present,
)
from chat.live_settings import current
from chat.live_settings.catalogue import known_models
from chat.live_settings.groups import (
    Attachments,
    Cron,
    Frontend,
    General,
    Group,
    Instances,
    Memory,
    Telegram,
)
from chat.live_settings.layers import as_json
from chat.live_settings.secrets import BOT_TOKEN, mask, remove_secret, set_secret
from chat.live_settings.writing import change_settings
from chat.services.posting import shown_models
from project.lib.db import write_transaction

DONE = {"status": "ok"}


class GroupView(SettingsView):
    capabilities: ClassVar = {
        "GET": capabilities.SETTINGS_MANAGE,
        "PUT": capabilities.SETTINGS_MANAGE,
    }


@describe_general
class GeneralView(GroupView):
    def get(self, request: ApiRequest) -> HttpResponse:
        general, models = current(General), shown_models()
        provider, _, model = models[0].partition("/")
        compaction_provider = general.compaction_model.partition("/")[0]
        shown = {
            **as_json(general),
            "models": models,
            "provider": provider,
            "model": model,
            "timezone": general.timezone or None,
            "reasoning_effort": general.reasoning_effort or None,
            "compaction_model": general.compaction_model or None,
            "compaction_provider": compaction_provider or None,
            "proxy_enabled": False,
        }
        return json_response(shown)

    def put(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, GeneralBody)
        shown = shown_models()
        models = body.chosen_models(shown)
        values = {
            "max_turns": body.max_turns,
            "max_tokens": body.max_tokens,
            "agent_name": body.agent_name.strip(),
            "timezone": body.timezone or "",
            "reasoning_effort": body.reasoning_effort or "",
            "compaction_model": body.chosen_compaction_model(current(General).compaction_model),
            "followup_mode": body.followup_mode or _default(General, "followup_mode"),
            "server_addr": body.server_addr,
            "self_improve": bool(body.self_improve),
        }
        # Those of before are perhaps nobody's choice, but what was found at the start.
        chosen = {"models": models} if models != shown else {}
        change_settings(General, {**values, **chosen}, actor=request.principal.actor)
        return json_response(DONE)


@describe_memory
class MemoryView(GroupView):
    def get(self, request: ApiRequest) -> HttpResponse:
        memory = current(Memory)
        shown = {name: getattr(memory, name) for name in MemorySettingsBody.model_fields}
        return json_response({**shown, "nudge_model": memory.nudge_model or None})

    def put(self, request: ApiRequest) -> HttpResponse:
        return _replace(request, Memory, read_body(request, MemorySettingsBody))


@describe_cron
class CronSettingsView(GroupView):
    def get(self, request: ApiRequest) -> HttpResponse:
        cron = current(Cron)
        return json_response({name: getattr(cron, name) for name in CronSettingsBody.model_fields})

    def put(self, request: ApiRequest) -> HttpResponse:
        return _replace(request, Cron, read_body(request, CronSettingsBody))


@describe_channels
class ChannelsView(GroupView):
    """The token goes one way: what comes back of it is a mask, and the mask is no new token."""

    def get(self, request: ApiRequest) -> HttpResponse:
        token = mask(BOT_TOKEN)
        shown = {**as_json(current(Telegram)), **({"bot_token": token} if token else {})}
        return json_response({"telegram": shown})

    def put(self, request: ApiRequest) -> HttpResponse:
        telegram, actor = read_body(request, ChannelsBody).telegram, request.principal.actor
        values = {
            "enabled": telegram.enabled,
            "gap_minutes": _default(Telegram, "gap_minutes")
            if telegram.gap_minutes is None
            else telegram.gap_minutes,
            **present(stream_mode=telegram.stream_mode),
        }
        with write_transaction():
            change_settings(Telegram, values, actor=actor)
            if telegram.bot_token == "":
                remove_secret(BOT_TOKEN, actor=actor)
            elif telegram.bot_token is not None and telegram.bot_token != mask(BOT_TOKEN):
                set_secret(BOT_TOKEN, telegram.bot_token, actor=actor)
        return json_response(DONE)


@describe_frontend
class FrontendView(GroupView):
    def get(self, request: ApiRequest) -> HttpResponse:
        frontend = current(Frontend)
        return json_response({**as_json(frontend), "greeting": frontend.greeting or None})

    def put(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, FrontendBody)
        values = {
            "greeting": (body.greeting or "").strip(),
            "prompts": [prompt.strip() for prompt in body.prompts if prompt.strip()],
        }
        change_settings(Frontend, values, actor=request.principal.actor)
        return json_response(DONE)


@describe_attachments
class AttachmentsView(GroupView):
    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response(as_json(current(Attachments)))

    def put(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, AttachmentsBody)
        extensions = [name.strip().lstrip(".").lower() for name in body.allowed_extensions or ()]
        values = {
            "enabled": body.enabled,
            "max_file_size": body.max_file_size,
            "allowed_extensions": list(dict.fromkeys(filter(None, extensions))),
        }
        change_settings(Attachments, values, actor=request.principal.actor)
        return json_response(DONE)


@describe_instances
class InstanceSettingsView(GroupView):
    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response(as_json(current(Instances)))

    def put(self, request: ApiRequest) -> HttpResponse:
        return _replace(request, Instances, read_body(request, InstanceSettingsBody))


@describe_models
class ModelsView(SettingsView):
    capabilities: ClassVar = {"GET": capabilities.SETTINGS_MANAGE}

    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response({"models": known_models()})


def _replace(request: ApiRequest, kind: type[Group], body: Body) -> HttpResponse:
    """For groups whose fields are called the same on the wire."""
    said = body.model_dump()
    values = {
        name: _default(kind, name) if value is None else value for name, value in said.items()
    }
    change_settings(kind, values, actor=request.principal.actor)
    return json_response(DONE)


def _default(kind: type[Group], name: str) -> Any:
    return as_json(kind())[name]
