"""Servers on 127.0.0.1 that speak the wire formats of model providers, scripted by a test."""

from tests.wire.anthropic_messages import AnthropicWireServer
from tests.wire.openai_chat import OpenAIWireServer
from tests.wire.server import Failure, RecordedRequest, Silence, Stream

__all__ = [
    "AnthropicWireServer",
    "Failure",
    "OpenAIWireServer",
    "RecordedRequest",
    "Silence",
    "Stream",
]
