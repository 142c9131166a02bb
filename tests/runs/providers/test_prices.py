import pytest

from runs.providers.base import Usage
from runs.providers.prices import price_usd


@pytest.mark.parametrize(
    ("provider", "model", "usage", "usd"),
    [
        ("openai", "gpt-4o-mini", Usage(1227, 30), 0.00020205),
        ("openai", "gpt-4o", Usage(1_000_000, 1_000_000), 12.5),
        ("anthropic", "claude-opus-4-7", Usage(1_000_000, 1_000_000), 30.0),
        ("scripted", "scripted", Usage(1_000_000, 1_000_000), 3.0),
        ("local", "smollm2-135m", Usage(1_000_000, 1_000_000), 0.0),
    ],
)
def test_a_known_price_is_applied(provider, model, usage, usd):
    assert price_usd(provider, model, usage) == pytest.approx(usd)


def test_cached_tokens_of_anthropic_cost_a_tenth_to_read_and_a_quarter_more_to_write():
    usage = Usage(100_000, 0, cache_read_tokens=40_000, cache_create_tokens=20_000)

    expected = (40_000 + 40_000 * 0.1 + 20_000 * 1.25) * 5.0 / 1e6
    assert price_usd("anthropic", "claude-opus-4-7", usage) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "my-own-model"), ("ollama", "llama3.2"), ("nobody", "x")]
)
def test_an_unknown_price_stays_unknown(provider, model):
    assert price_usd(provider, model, Usage(10, 10)) is None


def test_counts_that_contradict_each_other_have_no_price():
    assert price_usd("openai", "gpt-4o", Usage(1, 1, cache_read_tokens=50)) is None
