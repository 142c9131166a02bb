"""`POST /api/chat`: a message, answered whole."""

from contextlib import aclosing
from typing import Any, ClassVar

from django.http import HttpResponse
from pydantic import Field

from accounts import capabilities
from chat.answers import Refused, Settled, Tally, follow_answer
from chat.api.base import ApiRequest, GatewayView, json_response
from chat.api.bodies import Body, read_body
from chat.api.schema_chat import describe_chat
from chat.deliveries import Delivery, read_deliveries
from chat.errors import ChatError, NotTakenUp, OverLimit
from chat.failures import failure_of
from chat.services.posting import Incoming, Posted, post_message
from chat.services.sessions import Address, owner_of
from project.lib.deferred import DeferredResponse
from project.lib.pool import in_database_thread
from runs.api.requests import read_idempotency
from runs.log.events import StoredEvent


class ChatBody(Body):
    """A message. Attachments are for the socket; here they are an unknown field."""

    text: str
    user_id: str | None = None  # counts where nobody can prove who they are
    channel_id: str | None = None
    channel_session_key: str | None = Field(None, max_length=200)
    model: str | None = None


@describe_chat(ChatBody)
class ChatView(GatewayView):
    capabilities: ClassVar = {"POST": capabilities.CHAT_USE}

    def post(self, request: ApiRequest) -> HttpResponse:
        body = read_body(request, ChatBody)
        caller = request.principal
        address = Address.of(
            owner_of(caller, body.user_id or ""),
            body.channel_id or "",
            body.channel_session_key or "",
        )
        posted = post_message(
            address,
            Incoming(body.text, model=body.model or ""),
            caller=caller,
            idempotency=read_idempotency(
                request, actor=caller.actor, body=body.model_dump(mode="json")
            ),
        )
        return DeferredResponse(request, lambda: _answer(posted))


async def _answer(posted: Posted) -> HttpResponse:
    tally = Tally()
    settled: Settled | None = None
    async with aclosing(follow_answer(posted.exchange_id)) as items:
        async for item in items:
            match item:
                case Refused():
                    raise _refusal(item)
                case StoredEvent():
                    tally.add(item)
                case Settled():
                    settled = item
    if tally.error:
        raise failure_of(tally, prefix="Chat error: ")
    answer: dict[str, Any] = {
        "text": tally.text,
        "session_id": posted.session_id,
        "usage": {
            "input_tokens": tally.uncached_input_tokens,
            "output_tokens": tally.output_tokens,
            "cache_read_tokens": tally.cache_read_tokens,
            "cache_write_tokens": tally.cache_write_tokens,
            "cost_usd": tally.cost_usd,
        },
    }
    if tally.artifacts and settled is not None:
        found = await in_database_thread(_files, settled.run_id, tally.artifacts)
        if found:
            answer["attachments"] = found
    if settled is not None and settled.is_awaiting_input:
        answer |= {"awaiting_input": True, "run_id": settled.run_id}
    headers = {"Idempotency-Replayed": "true"} if posted.is_replay else {}
    return json_response(answer, headers=headers)


def _files(run_id: str, attached: list[dict[str, Any]]) -> list[dict[str, str]]:
    found = read_deliveries(run_id, attached)
    return [item.as_map() for item in found if isinstance(item, Delivery)]


def _refusal(refused: Refused) -> ChatError:
    text = f"Chat error: {refused.error}"
    return OverLimit(text) if refused.code == "spending_limit" else NotTakenUp(text)
