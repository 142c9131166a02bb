"""Webhook secrets at rest."""

from project.lib import sealing

_PURPOSE = "starport webhook secrets"


def seal(secret: str) -> str:
    return sealing.seal(secret, purpose=_PURPOSE)


def unseal(sealed: str) -> str:
    """Empty when neither `SECRET_KEY` nor one of its fallbacks has sealed it."""
    return sealing.unseal(sealed, purpose=_PURPOSE)
