import pytest

from tests.wire import AnthropicWireServer, OpenAIWireServer

KEY = "sk-test-0123456789abcdef"


@pytest.fixture
def no_providers(settings):
    """Only the built-in models: whatever keys the machine has, the test does not see them."""
    settings.MODEL_NAMES = []
    for name in ("OPENAI", "ANTHROPIC", "GOOGLE", "OPENROUTER", "OLLAMA"):
        setattr(settings, f"{name}_API_KEY", "")
    for name in ("OPENAI", "ANTHROPIC", "OPENROUTER"):
        setattr(settings, f"{name}_BASE_URL", "")
    # A port nothing listens on: an Ollama on the machine is none of the test's business.
    settings.OLLAMA_BASE_URL = "http://127.0.0.1:9"
    return settings


@pytest.fixture
def openai_server(no_providers):
    with OpenAIWireServer() as server:
        no_providers.OPENAI_BASE_URL = server.url
        no_providers.OPENAI_API_KEY = KEY
        yield server


@pytest.fixture
def anthropic_server(no_providers):
    with AnthropicWireServer() as server:
        no_providers.ANTHROPIC_BASE_URL = server.url
        no_providers.ANTHROPIC_API_KEY = KEY
        yield server
