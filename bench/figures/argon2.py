"""A key is verified once, not with every request."""

import time

from argon2 import PasswordHasher

from bench.core.api import Api
from bench.core.background import starport
from bench.core.figure import Figure, Row, Scale, at_most
from bench.core.load import Request, load_of
from bench.core.surroundings import fresh_folder

_REQUESTS = {Scale.FULL: 1_000, Scale.QUICK: 1_000, Scale.TINY: 10}
_CONNECTIONS = 16  # the first ones arrive together, and must not each verify
_SECONDS = 120.0
#: The costs that keys are hashed with (accounts.key_format).
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


def measure(scale: Scale) -> list[Row]:
    count = _REQUESTS[scale]
    with fresh_folder() as data, starport(data) as server:
        get = Request("GET", "/api/v1/healthz")
        report = load_of(server, [get], connections=_CONNECTIONS, count=count, seconds=_SECONDS)
        assert not report.failed
        api = Api(server)
        verified = api.metric("starport_argon2_verifications_total")
        api.close()
    return [
        Row(
            label=f"argon2 verifications in {count:,} requests with one key",
            value=verified,
            unit="verifications",
            yardstick="one for each request",
            yardstick_value=count,
            targets=(at_most(1.0),),
            detail=f"one takes {_verification_ms():.0f} ms here",
        )
    ]


def _verification_ms() -> float:
    hashed = _HASHER.hash("correct horse battery staple")
    began = time.perf_counter()
    _HASHER.verify(hashed, "correct horse battery staple")
    return (time.perf_counter() - began) * 1e3


FIGURE = Figure("argon2", "Verifying an API key", measure)
