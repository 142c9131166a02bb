"""Asking an instance for a sign of life."""

import asyncio
import ssl

import httpx

#: In all. Whoever polls many instances must not wait long for one that hangs.
_SECONDS = 1.0


class Probe:
    def __init__(self) -> None:
        # No proxy of the environment, no authorities to read: it is the loopback address, in clear.
        self._http = httpx.AsyncClient(
            trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), timeout=_SECONDS
        )

    async def answers(self, port: int) -> bool:
        try:
            async with asyncio.timeout(_SECONDS):
                answer = await self._http.get(f"http://127.0.0.1:{port}/api/health")
        except (httpx.HTTPError, TimeoutError):
            return False
        return answer.status_code == httpx.codes.OK

    async def aclose(self) -> None:
        await self._http.aclose()
