"""A proxy is used only when somebody names it and vouches for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import preflight
from preflight import UsageError
from preflight.deliver.client import Bounds, Client, Undelivered
from preflight.deliver.sparse import Span
from preflight.facts import Cause
from tests.delivery import CLIP, LOOPBACK
from tests.proxies import Proxy
from tests.servers import Certificates, MediaServer

if TYPE_CHECKING:
    from pathlib import Path

    from preflight.facts import Delivery


async def fetch(url: str, proxy: str, bounds: Bounds = LOOPBACK, authorities: Path | None = None) -> Delivery:
    """One fetch through the proxy."""
    async with Client(bounds, proxy=proxy, authorities=authorities) as client, client.source(url) as source:
        try:
            await source.fetch((Span(0, 1000),))
        except Undelivered as stop:
            return source.delivery(stop.failure)
        assert source.data.read(0, 1000) == CLIP[:1000]
        return source.delivery()


def run(url: str, proxy: str, bounds: Bounds = Bounds(), authorities: Path | None = None) -> Delivery:  # noqa: B008
    import asyncio  # noqa: PLC0415

    return asyncio.run(fetch(url, proxy, bounds, authorities))


def test_names_are_the_proxys(server: MediaServer) -> None:
    """Through a trusted proxy a name is not looked up here; ranges work, and every request goes through it."""
    server.serve("clip.mp4", CLIP)
    with Proxy({"clip.example": ("127.0.0.1", server.port)}) as proxy:
        delivery = run("http://clip.example/clip.mp4", proxy.url)
    assert (delivery.failure, proxy.asked) == (None, ["http://clip.example/clip.mp4"])
    assert not delivery.private
    assert server.log[0].headers["host"] == "clip.example"


def test_tls_goes_through_a_tunnel(tmp_path: Path) -> None:
    """TLS ends at the server, whose certificate is checked against the URL's host."""
    certificates = Certificates()
    with MediaServer(tls=certificates.good()) as server:
        server.serve("clip.mp4", CLIP)
        with Proxy({"localhost": ("127.0.0.1", server.port)}) as proxy:
            delivery = run("https://localhost/clip.mp4", proxy.url, authorities=certificates.write_authority(tmp_path))
    assert (delivery.failure, proxy.asked) == (None, ["localhost:443"])


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[64:ff9b::7f00:1]"])
def test_an_address_is_refused_all_the_same(host: str) -> None:
    """An address needs no looking up: the proxy is not even asked."""
    with Proxy({}) as proxy:
        delivery = run(f"http://{host}/clip.mp4", proxy.url)
    assert delivery.failure is not None
    assert (delivery.failure.cause, proxy.asked) == (Cause.NOT_PUBLIC, [])


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses(scheme: str) -> None:
    """Its refusal is told as what it is."""
    with Proxy({}, refuses=True) as proxy:
        delivery = run(f"{scheme}://clip.example/clip.mp4", proxy.url)
    assert delivery.failure is not None
    assert delivery.failure.cause is {"http": Cause.FORBIDDEN, "https": Cause.UNREACHABLE}[scheme]


def test_a_password_goes_to_the_proxy_alone(server: MediaServer) -> None:
    """The userinfo of the proxy's URL becomes its authorization, and the media server never sees it."""
    server.serve("clip.mp4", CLIP)
    with Proxy({"clip.example": ("127.0.0.1", server.port)}) as proxy:
        run("http://clip.example/clip.mp4", proxy.url.replace("//", "//user:secret@"))
    assert proxy.authorizations == ["proxy-authorization: basic dxnlcjpzzwnyzxq="]


def test_the_environment_is_not_asked(server: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used: they would look names up where no guard stands."""
    url = server.serve("clip.mp4", CLIP)
    with Proxy({}) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        preflight.probe(url, allow_private=True)
    assert (len(server.log) > 0, proxy.asked) == (True, [])


def test_a_proxy_has_to_be_vouched_for() -> None:
    """Naming one is not enough, and the message says why."""
    with pytest.raises(UsageError, match="trust_proxy=True"):
        preflight.Preflight(proxy="http://proxy.example:3128")


@pytest.mark.parametrize("proxy", ["proxy.example", "socks5://proxy.example", "http://", "http://x:99999", "", 7])
def test_what_is_no_proxy(proxy: str) -> None:
    """A slip is told before anything is fetched, without the password."""
    with pytest.raises(UsageError, match="URL of an HTTP proxy"):
        preflight.Preflight(proxy=proxy, trust_proxy=True)


def test_the_message_hides_the_password() -> None:
    """A proxy's URL may hold a password."""
    with pytest.raises(UsageError) as refusal:
        preflight.Preflight(proxy="ftp://user:hunter2secret@proxy.example", trust_proxy=True)
    assert "hunter2secret" not in str(refusal.value)
