"""A bucket of an S3-like store in memory, on loopback. Signatures are not looked at."""

import threading
from datetime import UTC, datetime
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

_MISSING = b"<Error><Code>NoSuchKey</Code></Error>"


class ObjectStore:
    """`with ObjectStore("bucket") as store:` answers at `store.url` and keeps `store.objects`."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.objects: dict[str, bytes] = {}
        self.modified = datetime.now(UTC)  # of every object
        store = self

        class Handler(_Handler):
            objects_of = store

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def listing(self, prefix: str) -> bytes:
        """ListObjects, up to the next slash."""
        found = [key for key in sorted(self.objects) if key.startswith(prefix)]
        rests = [key.removeprefix(prefix) for key in found]
        folders = sorted({rest.partition("/")[0] for rest in rests if "/" in rest})
        contents = [
            f"<Contents><Key>{escape(prefix + rest)}</Key></Contents>"
            for rest in rests
            if "/" not in rest
        ]
        prefixes = [
            f"<CommonPrefixes><Prefix>{escape(f'{prefix}{name}/')}</Prefix></CommonPrefixes>"
            for name in folders
        ]
        body = "".join([*contents, *prefixes])
        return (
            '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<IsTruncated>false</IsTruncated>{body}</ListBucketResult>"
        ).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects_of: ObjectStore

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.objects_of.objects[self._key] = body
        self._answer(200, headers={"ETag": _etag(body)})

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        if not self._key:
            self._answer(200, self.objects_of.listing(query.get("prefix", [""])[0]))
            return
        data = self.objects_of.objects.get(self._key)
        if data is None:
            self._answer(404, _MISSING)
            return
        modified = self.objects_of.modified.strftime("%a, %d %b %Y %H:%M:%S GMT")
        self._answer(200, data, {"ETag": _etag(data), "Last-Modified": modified})

    do_HEAD = do_GET

    def do_DELETE(self) -> None:
        self.objects_of.objects.pop(self._key, None)
        self._answer(204)

    @property
    def _key(self) -> str:
        """Empty for the bucket itself."""
        bucket, _, key = unquote(urlsplit(self.path).path).removeprefix("/").partition("/")
        assert bucket == self.objects_of.bucket
        return key

    def _answer(
        self, status: int, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _etag(data: bytes) -> str:
    return f'"{md5(data, usedforsecurity=False).hexdigest()}"'
