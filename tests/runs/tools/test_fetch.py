import asyncio
import dataclasses
import datetime
import gzip
import itertools

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runs.tools import fetch as fetching
from runs.tools.addresses import parse_networks
from runs.tools.base import ToolError
from runs.tools.builtin.fetch_url import fetch_url
from runs.tools.fetch import (
    AddressNotAllowed,
    FetchRules,
    HostNotFound,
    InvalidUrl,
    Resolver,
    SchemeNotAllowed,
    TransferFailed,
    fetch,
    post,
)
from tests.runs.tools.servers import AsgiThread, http_server, redirect, response

STRICT = FetchRules()
ONLY_THIS_MACHINE = FetchRules(allow=parse_networks(["127.0.0.1/32"]))


def resolver(**hosts: list[str]) -> Resolver:
    """The name system of the outside world; what it does not know does not resolve."""

    async def resolve(host: str, port: int) -> list[str]:
        try:
            return hosts[host.partition(".")[0]]
        except KeyError:
            raise OSError("unknown") from None

    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://017700000001/",
        "http://0/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://printer.localhost/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.1.2.3/",
        "http://100.64.0.1/",
        "http://192.168.0.1:443/",
        "http://8.8.8.8:22/",
        "http://１２７.0.0.1/",
    ],
)
async def test_addresses_of_our_own_network_are_refused_however_they_are_spelt(url):
    with pytest.raises((AddressNotAllowed, HostNotFound, InvalidUrl)):
        await fetch(url, STRICT)


@pytest.mark.parametrize(
    ("url", "refusal"),
    [
        ("", InvalidUrl),
        ("example.com", InvalidUrl),
        ("/path", InvalidUrl),
        ("http://", InvalidUrl),
        ("http://.../", InvalidUrl),
        ("http://exa mple/", InvalidUrl),
        ("http://example.com:99999/", InvalidUrl),
        ("http://example.com:0/", InvalidUrl),
        ("http://[::1/", InvalidUrl),
        ("http://user:password@example.com/", InvalidUrl),
        ("http://user@example.com/", InvalidUrl),
        ("http://example.com/" + "a" * 9000, InvalidUrl),
        ("http://\ud800/", InvalidUrl),
        ("file:///etc/passwd", SchemeNotAllowed),
        ("ftp://example.com/", SchemeNotAllowed),
        ("gopher://127.0.0.1:25/", SchemeNotAllowed),
        ("data:text/plain,hello", SchemeNotAllowed),
        ("javascript:alert(1)", SchemeNotAllowed),
        ("http://nowhere.invalid/", HostNotFound),
    ],
)
async def test_what_is_no_plain_web_address_is_refused(url, refusal):
    with pytest.raises(refusal):
        await fetch(url, STRICT, resolve=resolver(example=["8.8.8.8"]))


async def test_the_connection_goes_to_the_checked_address_and_keeps_the_name():
    asked = []

    async def rebinding(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with http_server(lambda path, headers: response(b"hello")) as server:
        url = server.url("/a?b=c#d", host="rebinding.example")
        fetched = await fetch(url, ONLY_THIS_MACHINE, resolve=rebinding)

    assert fetched.body == b"hello"
    assert asked == ["rebinding.example"]
    path, headers = server.requests[0]
    assert (path, headers["host"]) == ("/a?b=c", f"rebinding.example:{server.port}")


async def test_one_private_address_among_good_ones_refuses_the_host():
    async with http_server(lambda path, headers: response()) as server:
        resolve = resolver(mixed=["127.0.0.1", "10.0.0.1"])
        with pytest.raises(AddressNotAllowed):
            await fetch(server.url(host="mixed.example"), ONLY_THIS_MACHINE, resolve=resolve)

    assert server.requests == []


async def test_the_next_address_is_tried_when_the_first_does_not_answer():
    async with http_server(lambda path, headers: response(b"second")) as server:
        allow = FetchRules(allow=parse_networks(["127.0.0.0/8"]))
        resolve = resolver(two=["127.0.0.9", "127.0.0.1"])
        fetched = await fetch(server.url(host="two.example"), allow, resolve=resolve)

    assert fetched.body == b"second"


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data/",
        "http://inside.example/",
        "//inside.example/",
        "http://[::1]/",
        "http://8.8.8.8:6379/",
    ],
)
async def test_a_redirect_into_our_own_network_is_refused(location):
    async with http_server(lambda path, headers: redirect(location)) as server:
        with pytest.raises(AddressNotAllowed):
            await fetch(
                server.url(), ONLY_THIS_MACHINE, resolve=_with_literals(inside=["10.0.0.1"])
            )


def _with_literals(**hosts: list[str]) -> Resolver:
    named = resolver(**hosts)

    async def resolve(host: str, port: int) -> list[str]:
        is_name = host.endswith(".example")
        return await (named if is_name else fetching.resolve_host)(host, port)

    return resolve


@pytest.mark.parametrize(
    ("location", "refusal"),
    [
        ("file:///etc/passwd", SchemeNotAllowed),
        ("http://user:password@127.0.0.1/", InvalidUrl),
        ("http://[::1/", (InvalidUrl, TransferFailed)),
    ],
)
async def test_a_redirect_to_what_is_no_plain_web_address_is_refused(location, refusal):
    async with http_server(lambda path, headers: redirect(location)) as server:
        with pytest.raises(refusal):
            await fetch(server.url(), ONLY_THIS_MACHINE)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
async def test_redirects_are_followed_and_relative_ones_resolved(status):
    def reply(path, headers):
        return response(b"there") if path == "/a/there" else redirect("there?", status)

    async with http_server(reply) as server:
        fetched = await fetch(server.url("/a/here"), ONLY_THIS_MACHINE)

    assert (fetched.body, fetched.status) == (b"there", 200)
    assert fetched.url.startswith(server.url("/a/there"))


@pytest.mark.parametrize(("hops", "arrives"), [(10, True), (11, False)])
async def test_ten_redirects_are_followed_and_not_one_more(hops, arrives):
    def reply(path, headers):
        hop = int(path.strip("/"))
        return response(b"done") if hop == hops else redirect(f"/{hop + 1}")

    async with http_server(reply) as server:
        if arrives:
            assert (await fetch(server.url("/0"), ONLY_THIS_MACHINE)).body == b"done"
        else:
            with pytest.raises(TransferFailed, match="more than 10 redirects"):
                await fetch(server.url("/0"), ONLY_THIS_MACHINE)


async def test_a_body_above_the_limit_is_cut_and_says_so():
    endless = response(b"x" * 300_000, headers={"Content-Length": "99999999"})
    rules = FetchRules(allow=ONLY_THIS_MACHINE.allow, max_body_bytes=1000)

    async with http_server(lambda path, headers: endless) as server:
        fetched = await fetch(server.url(), rules)

    assert (len(fetched.body), fetched.truncated) == (1000, True)


async def test_a_body_of_exactly_the_limit_is_whole():
    rules = FetchRules(allow=ONLY_THIS_MACHINE.allow, max_body_bytes=1000)

    async with http_server(lambda path, headers: response(b"x" * 1000)) as server:
        fetched = await fetch(server.url(), rules)

    assert (len(fetched.body), fetched.truncated) == (1000, False)


async def test_a_compressed_body_is_unpacked_only_up_to_the_limit():
    bomb = gzip.compress(b"\0" * 200_000_000)
    reply = response(bomb, headers={"Content-Encoding": "gzip"})

    async with http_server(lambda path, headers: reply) as server:
        fetched = await fetch(server.url(), ONLY_THIS_MACHINE)

    assert (len(fetched.body), fetched.truncated) == (1_048_576, True)


@pytest.mark.parametrize("encoding", ["br", "gzip"])
async def test_a_body_in_a_wrong_encoding_is_a_failed_transfer(encoding):
    reply = response(b"not packed at all", headers={"Content-Encoding": encoding})

    async with http_server(lambda path, headers: reply) as server:
        with pytest.raises(TransferFailed, match="encod"):
            await fetch(server.url(), ONLY_THIS_MACHINE)


@pytest.mark.parametrize(
    "reply",
    [b"", b"nonsense\r\n\r\n", response(b"short", headers={"Content-Length": "500"})],
    ids=["hangs up", "no HTTP", "cut"],
)
async def test_a_broken_answer_is_a_failed_transfer(reply):
    async with http_server(lambda path, headers: reply) as server:
        with pytest.raises(TransferFailed):
            await fetch(server.url(), ONLY_THIS_MACHINE)


async def test_a_host_that_does_not_answer_in_time_is_a_failed_transfer():
    rules = FetchRules(allow=ONLY_THIS_MACHINE.allow, total_seconds=0.1)

    async def stalled(host, port):
        await asyncio.Event().wait()

    with pytest.raises(TransferFailed, match=r"within 0\.1 seconds"):
        await fetch("http://slow.example/", rules, resolve=stalled)


async def test_a_port_nobody_listens_on_is_a_failed_transfer_without_the_address():
    async with http_server(lambda path, headers: response()) as server:
        url = server.url()

    with pytest.raises(TransferFailed) as failure:
        await fetch(url, ONLY_THIS_MACHINE)

    assert str(failure.value) == "could not connect to the host"


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async with http_server(lambda path, headers: response(b"direct")) as server:
        fetched = await fetch(server.url(), ONLY_THIS_MACHINE)

    assert fetched.body == b"direct"


@pytest.fixture
def certificate(tmp_path):
    """A certificate for pinned.example, signed by itself: certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pinned.example")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pinned.example")]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "pinned.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(pem)
    )
    return path


async def _say_hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"secure"})


@pytest.fixture
def tls_server(certificate):
    with AsgiThread(_say_hello, certificate=certificate) as server:
        yield server


@pytest.fixture
def trusted(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    fetching._tls.cache_clear()
    yield
    fetching._tls.cache_clear()


@pytest.mark.usefixtures("trusted")
async def test_tls_verifies_the_name_although_the_address_is_pinned(tls_server):
    resolve = resolver(pinned=["127.0.0.1"], other=["127.0.0.1"])

    fetched = await fetch(
        f"https://pinned.example:{tls_server.port}/", ONLY_THIS_MACHINE, resolve=resolve
    )
    with pytest.raises(TransferFailed, match="certificate"):
        await fetch(f"https://other.example:{tls_server.port}/", ONLY_THIS_MACHINE, resolve=resolve)

    assert fetched.body == b"secure"


async def test_a_certificate_nobody_vouches_for_is_refused(tls_server):
    with pytest.raises(TransferFailed, match="certificate"):
        await fetch(
            f"https://pinned.example:{tls_server.port}/",
            ONLY_THIS_MACHINE,
            resolve=resolver(pinned=["127.0.0.1"]),
        )


async def test_the_tool_returns_status_type_and_text(settings, context):
    settings.STARPORT_SSRF_ALLOW = ["127.0.0.0/8"]
    page = response(
        "grüße".encode("latin-1"), "404 Not Found", {"Content-Type": "text/html; charset=latin-1"}
    )

    async with http_server(lambda path, headers: page) as server:
        result = await fetch_url.execute({"url": server.url()}, context)

    assert result == {
        "url": server.url(),
        "status": 404,
        "content_type": "text/html; charset=latin-1",
        "body": "grüße",
        "truncated": False,
    }


async def test_the_tool_refuses_our_own_network_unless_the_operator_allows_it(context):
    with pytest.raises(ToolError, match="private or internal"):
        await fetch_url.execute({"url": "http://127.0.0.1/"}, context)


async def test_the_tool_refuses_what_is_not_text(settings, context):
    settings.STARPORT_SSRF_ALLOW = ["127.0.0.0/8"]
    image = response(b"\x89PNG\0\0", headers={"Content-Type": "image/png"})

    async with http_server(lambda path, headers: image) as server:
        with pytest.raises(ToolError, match="not text but image/png"):
            await fetch_url.execute({"url": server.url()}, context)


async def test_a_replay_of_the_tool_contacts_nobody(settings, context):
    settings.STARPORT_SSRF_ALLOW = ["127.0.0.0/8"]
    counter = itertools.count()

    async with http_server(lambda path, headers: response(b"%d" % next(counter))) as server:
        live = await fetch_url.execute({"url": server.url()}, context)
        replayed = await fetch_url.execute({"url": server.url()}, context.replay())

    assert live["body"] == replayed["body"] == "0"
    assert len(server.requests) == 1


# --- POST -------------------------------------------------------------------------------------


async def test_a_post_brings_its_body_and_headers_and_follows_no_redirect():
    bodies = []

    async def receive(scope, receive, send):
        message = await receive()
        bodies.append((scope["method"], scope["path"], dict(scope["headers"]), message["body"]))
        await send(
            {"type": "http.response.start", "status": 307, "headers": [(b"location", b"/there")]}
        )
        await send({"type": "http.response.body", "body": b"over there"})

    with AsgiThread(receive) as server:
        url = f"http://127.0.0.1:{server.port}/here"
        answer = await post(url, b"{}", ONLY_THIS_MACHINE, headers={"X-Kind": "test"})

    [(method, path, headers, body)] = bodies
    assert (method, path, headers[b"x-kind"], body) == ("POST", "/here", b"test", b"{}")
    assert (answer.status, answer.body, answer.truncated) == (307, b"over there", False)


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::ffff:10.0.0.1]/", "file:///x"])
async def test_a_post_goes_no_further_than_a_get(url):
    with pytest.raises((AddressNotAllowed, SchemeNotAllowed)):
        await post(url, b"{}", STRICT, headers={})


async def test_a_post_whose_answer_does_not_end_has_its_status():
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthanks"
    async with http_server(lambda path, headers: endless) as server:
        cut_off = await post(server.url(), b"", ONLY_THIS_MACHINE, headers={})

    assert (cut_off.status, cut_off.body, cut_off.truncated) == (200, b"thanks", True)


async def test_a_post_that_is_not_answered_is_given_up():
    gone = asyncio.Event()

    async def never(reader, writer):
        await reader.read()  # until the other side hangs up
        writer.close()
        gone.set()

    rules = dataclasses.replace(ONLY_THIS_MACHINE, total_seconds=0.2)
    async with await asyncio.start_server(never, "127.0.0.1", 0) as listener:
        url = "http://127.0.0.1:{1}/".format(*listener.sockets[0].getsockname())
        with pytest.raises(TransferFailed, match=r"within 0\.2 seconds"):
            await post(url, b"{}", rules, headers={})
        await gone.wait()
