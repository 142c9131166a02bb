"""Secrets that were entered into the program, as the database keeps them."""

from chat.models import Secret
from project.lib import sealing
from project.lib.sql import fetch_all

_TABLE = Secret._meta.db_table
_PURPOSE = "starport live settings"

#: Keys of providers, by the names of their settings.
PROVIDER_KEYS = (
    "ANTHROPIC_API_KEY",
    "GOOGLE_API_KEY",
    "OLLAMA_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
)
BOT_TOKEN = "TELEGRAM_BOT_TOKEN"  # noqa: S105 - its name
NAMES = (*PROVIDER_KEYS, BOT_TOKEN)


def read_all() -> dict[str, str]:
    """Those that can be unsealed. What another SECRET_KEY has sealed is as if it were not there."""
    # Asked every second, and at rest most of what that costs was Django's.
    rows = fetch_all(f"SELECT name, ciphertext FROM {_TABLE}")  # noqa: S608
    found = {name: unseal(bytes(sealed)) for name, sealed in rows if name in NAMES}
    return {name: secret for name, secret in found.items() if secret}


def seal(secret: str) -> bytes:
    return sealing.seal(secret, purpose=_PURPOSE).encode()


def unseal(sealed: bytes) -> str:
    """Empty when this installation's SECRET_KEY and its fallbacks cannot open it."""
    return sealing.unseal(sealed.decode(), purpose=_PURPOSE)
