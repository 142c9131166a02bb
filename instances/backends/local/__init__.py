"""The backend `local`: instances are processes of this machine, each a Starport of its own.

All that is known of them lies on disk, so every process that may read the folder can operate
them, and a server that was killed finds what still runs when it comes back.
"""

from instances.backends.local.backend import LocalBackend
from instances.backends.local.supervision import supervise

__all__ = ["LocalBackend", "supervise"]
