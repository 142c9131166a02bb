"""`/openai/v1`: models and chat completions, for clients and SDKs that know OpenAI's API."""

from typing import Any, ClassVar

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from accounts import capabilities
from accounts.permissions import authorize
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.schema_openai import describe_completions, describe_model, describe_models
from chat.errors import ChatError, OverLimit
from chat.openai_api import responses
from chat.openai_api.catalogue import Offer, find_offer, offers
from chat.openai_api.messages import read_conversation
from chat.openai_api.requests import CompletionBody, read_completion
from chat.openai_api.starting import Plan, plan_response, plan_run
from project.lib.deferred import DeferredResponse
from runs.api.requests import read_idempotency


@describe_models
class ModelsView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest) -> HttpResponse:
        return json_response({"object": "list", "data": [_item(offer) for offer in offers()]})


@describe_model
class ModelView(GatewayView):
    capabilities: ClassVar = {"GET": capabilities.CHAT_USE}

    def get(self, request: ApiRequest, name: str) -> HttpResponse:
        return json_response(_item(find_offer(name)))


@describe_completions
class CompletionsView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.CHAT_USE}

    def post(self, request: ApiRequest) -> HttpResponse:
        caller = request.principal
        authorize(caller, capabilities.RUNS_START, route=request.path)
        body, sent = read_completion(request)
        offer = find_offer(body.model)
        conversation = read_conversation(body.messages)
        if body.run_id:
            authorize(caller, capabilities.RUNS_RESPOND, route=request.path)
            plan = plan_response(offer, body.run_id, conversation, caller=caller)
        else:
            idempotency = read_idempotency(request, actor=caller.actor, body=sent)
            plan = plan_run(offer, body, conversation, caller=caller, idempotency=idempotency)
        return DeferredResponse(request, lambda: _answer(plan, body))


async def _answer(plan: Plan, body: CompletionBody) -> HttpResponseBase:
    if not body.stream:
        return await responses.whole(plan, body.model)
    return await responses.streamed(
        plan, body.model, includes_usage=body.includes_usage, describe=_as_error
    )


def _item(offer: Offer) -> dict[str, Any]:
    return {"id": offer.name, "object": "model", "created": 0, "owned_by": offer.owned_by}


def _as_error(error: ChatError) -> dict[str, Any]:
    """A failure once the response has begun: its status cannot be told any more."""
    is_money = isinstance(error, OverLimit)
    return {
        "error": {
            "message": str(error),
            "type": "insufficient_quota" if is_money else "server_error",
            "param": None,
            "code": "spending_limit_reached" if is_money else "run_failed",
        }
    }
