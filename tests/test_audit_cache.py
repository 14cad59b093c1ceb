"""Facts between runs: a hit is one request for one byte, and a file that has changed is never taken for the old one."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preflight.audit.cache import GROUP_ROWS, FactsCache, default_path
from preflight.audit.hosts import Hosts
from preflight.deliver.client import Bounds, Client
from preflight.deliver.sparse import SparseBytes
from preflight.facts import Cause, Delivery, Failure, ImageFacts, Medium, NotMedia, Refusal, Transfer, VideoFacts
from preflight.inspection import Inspector
from preflight.probes import probe
from tests.delivery import LOOPBACK
from tests.media import Clip, build
from tests.pictures import encode
from tests.servers import Ask, MediaServer, NoRanges, Ranges, Redirect, Silent, Status, send_range

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preflight.deliver.source import Turn
    from preflight.facts import NeedSpans, Outcome
    from tests.servers import Behaviour

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ETAG = '"d41d8cd98f00b204e9800998ecf8427e"'
CLIP = build(Clip())
URL = "https://media.example/clips/one.mp4"
DELIVERY = Delivery(URL, final_url=URL, status=206, size_bytes=9, size_proof="content-range", ranges=True, etag=ETAG)
MEDIUM = Medium("video", DELIVERY, VideoFacts("mp4", "video/mp4", codec="h264"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "facts.sqlite"


@pytest.fixture
def cache(path: Path) -> Iterator[FactsCache]:
    with FactsCache(path) as opened:
        assert opened.trouble is None
        yield opened


async def _prober(data: SparseBytes) -> Outcome | NeedSpans:
    return probe(data)


def look(url: str, cache: FactsCache, *, bounds: Bounds = LOOPBACK, turn: Turn | None = None) -> tuple[bool, Medium]:
    """One medium as an auditor looks at it: was it known, and what is it?"""

    async def run() -> tuple[bool, Medium]:
        async with Client(bounds) as client:
            if (entry := cache.lookup(url)) is not None:
                known = await cache.revalidated(entry, client, url, turn, kind="video", timeout=bounds.timeout)
                if known is not None:
                    return True, known
            medium = await Inspector(client, _prober, bounds.timeout).inspect("video", url, turn)
            cache.remember(url, medium)
            return False, medium

    return asyncio.run(run())


# ------------------------------------------------------------------------------------------------ what a hit is


def test_a_hit_is_one_request_for_one_byte(server: MediaServer, path: Path) -> None:
    """Of an unchanged file everything is known again, and nothing but the transfer tells the runs apart."""
    url = server.serve("clip.mp4", CLIP, behaviour=Ranges(etag=ETAG))
    with FactsCache(path) as cache:
        was_known, first = look(url, cache)
    assert not was_known
    asked = len(server.log)
    with FactsCache(path) as cache:
        was_known, second = look(url, cache)
    (entry,) = server.log[asked:]
    assert was_known
    assert (entry.range, entry.status, entry.sent) == ("bytes=0-0", 206, 1)
    assert second.delivery.transfer.requests == 1
    assert second.delivery.transfer.bytes_received < 300  # the headers of our server, and the byte
    forget = Transfer()
    assert replace(second, delivery=replace(second.delivery, transfer=forget)) == replace(
        first, delivery=replace(first.delivery, transfer=forget)
    )
    assert isinstance(second.outcome, VideoFacts)
    assert second.outcome.durations.container == 4


def test_pictures_and_what_is_no_medium_are_known_too(server: MediaServer, cache: FactsCache) -> None:
    """A sign-in page with an entity tag stays one; a picture is known under either kind."""
    page = server.serve("page.mp4", b"<!DOCTYPE html><html></html>", behaviour=Ranges(etag=ETAG))
    picture = server.serve("p.jpg", encode("JPEG"), media_type="image/jpeg", behaviour=Ranges(etag=ETAG))
    for url in (page, picture):
        assert look(url, cache)[0] is False
        assert look(url, cache)[0] is True
    assert isinstance(look(picture, cache)[1].outcome, ImageFacts)
    assert isinstance(look(page, cache)[1].outcome, NotMedia)
    assert look(page, cache)[1].kind == "video"


def test_another_signature_hits(server: MediaServer, cache: FactsCache) -> None:
    """The same object signed again, as a nightly export does; the new link is the one that is asked."""
    server.serve("clip.mp4", CLIP, behaviour=Ranges(etag=ETAG))
    signed = server.base + "/clip.mp4?X-Amz-Date=20270114T080000Z&X-Amz-Expires=86400&X-Amz-Signature={}"
    assert look(signed.format("one"), cache)[0] is False
    was_known, medium = look(signed.format("two"), cache)
    assert was_known
    assert medium.delivery.final_url == signed.format("two")
    assert server.log[-1].path.endswith("Signature=two")


def test_a_redirect_hits_where_it_leads_to_the_same_object(server: MediaServer, cache: FactsCache) -> None:
    """Entity tags are unique within one object only: the same tag of another object proves nothing."""
    for name in ("a.mp4", "b.mp4"):
        server.serve(name, CLIP, behaviour=Ranges(etag='"1"'))
    url = server.serve("latest", behaviour=Redirect("/a.mp4"))
    assert look(url, cache)[0] is False
    was_known, medium = look(url, cache)
    assert was_known
    assert medium.delivery.transfer.requests == 2
    assert [hop.status for hop in medium.delivery.hops] == [302]
    server.serve("latest", behaviour=Redirect("/b.mp4"))
    assert look(url, cache)[0] is False


def test_a_turn_goes_back_to_the_first_host_before_the_file_is_looked_at_anew(
    server: MediaServer, cache: FactsCache
) -> None:
    """Else the inspection would ask one host in the turn of another one."""
    behaviour = Versions([(CLIP, '"1"'), (CLIP, '"2"')])

    async def hosts() -> tuple[str | None, Medium | None]:
        ticket = Hosts().ticket()
        await ticket.move("127.0.0.1")
        async with Client(LOOPBACK) as client:
            entry = cache.lookup(url)
            assert entry is not None
            answer = await cache.revalidated(entry, client, url, ticket, kind="video")
        try:
            return ticket.host, answer
        finally:
            ticket.release()

    with MediaServer(host="localhost") as other:
        target = other.serve("clip.mp4", CLIP, behaviour=behaviour)
        url = server.serve("latest", behaviour=Redirect(target))
        look(url, cache)
        behaviour.now += 1
        assert asyncio.run(hosts()) == ("127.0.0.1", None)


# ------------------------------------------------------------------------- what has changed is never taken for old


@dataclass
class Versions:
    """A file that changes: content and entity tag of each version, and which one is served now."""

    versions: list[tuple[bytes, str | None]]
    now: int = 0
    ignores_range: bool = False
    seen: list[str | None] = field(default_factory=list)

    def respond(self, ask: Ask) -> None:
        """Answer with the version of now."""
        content, etag = self.versions[self.now]
        ask.resource.data = content
        if self.ignores_range:
            ask.headers.pop("range", None)
        send_range(ask, etag=etag)


OTHER = build(Clip(width=80))
PADDED = CLIP + b"\0\0\0\x08free"


@pytest.mark.parametrize(
    ("content", "etag"),
    [
        (OTHER, '"new"'),
        (CLIP, '"new"'),
        (PADDED, ETAG),
        (PADDED, None),
        (CLIP, None),
        (CLIP, f"W/{ETAG}"),
        (CLIP, ETAG.replace('"', "")),
        (CLIP, '""'),
    ],
    ids=["all", "etag", "size", "size, no etag", "no etag", "weak etag", "unquoted etag", "empty etag"],
)
def test_a_changed_promise_is_a_new_look(server: MediaServer, cache: FactsCache, content: bytes, etag: str) -> None:
    """Whatever differs in what the server promises, the file is inspected again."""
    behaviour = Versions([(CLIP, ETAG), (content, etag)])
    url = server.serve("clip.mp4", behaviour=behaviour)
    assert look(url, cache)[0] is False
    assert look(url, cache)[0] is True
    behaviour.now = 1
    was_known, medium = look(url, cache)
    assert not was_known
    assert medium.outcome == probe(SparseBytes.whole(content))


def test_a_server_that_has_no_ranges_any_more_is_asked_anew(server: MediaServer, cache: FactsCache) -> None:
    """A length that is only claimed proves no size."""
    behaviour = Versions([(CLIP, ETAG)])
    url = server.serve("clip.mp4", behaviour=behaviour)
    look(url, cache)
    behaviour.ignores_range = True
    assert look(url, cache)[0] is False


_CONTENTS = st.sampled_from([build(Clip(width=width)) for width in (64, 80, 96)])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=st.lists(st.tuples(_CONTENTS, st.booleans()), min_size=2, max_size=6))
def test_whatever_a_file_was_before_its_facts_are_those_of_now(
    history: list[tuple[bytes, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file that changes back and forth, under an honest server that tags some versions and not others."""
    versions = [(content, f'"{hash(content)}"' if tagged else None) for content, tagged in history]
    behaviour = Versions(versions)
    with MediaServer() as server, FactsCache(tmp_path_factory.mktemp("cache") / "facts.sqlite") as cache:
        url = server.serve("clip.mp4", behaviour=behaviour)
        for behaviour.now, (content, _) in enumerate(versions):
            assert look(url, cache)[1].outcome == probe(SparseBytes.whole(content))


# ------------------------------------------------------------------------------------------------- what is not kept


@pytest.mark.parametrize(
    "medium",
    [
        replace(MEDIUM, delivery=replace(DELIVERY, failure=Failure(Cause.TIMEOUT, "late"))),
        replace(MEDIUM, outcome=None),
        replace(MEDIUM, outcome=NotMedia(Refusal.CRASHES, "it may have been us")),
        *(replace(MEDIUM, delivery=replace(DELIVERY, etag=etag)) for etag in (None, f"W/{ETAG}", '""', "plain", "")),
        replace(MEDIUM, delivery=replace(DELIVERY, size_proof="content-length")),
        replace(MEDIUM, delivery=replace(DELIVERY, size_proof="read")),
        replace(MEDIUM, delivery=replace(DELIVERY, size_proof=None, size_bytes=None)),
        replace(MEDIUM, delivery=replace(DELIVERY, final_url=None)),
    ],
)
def test_what_cannot_be_confirmed_later_is_not_kept(cache: FactsCache, medium: Medium) -> None:
    """Failures, crashes, and files about which the server promises nothing."""
    cache.remember(URL, medium)
    assert cache.lookup(URL) is None
    cache.remember(URL, MEDIUM)
    assert cache.lookup(URL) is not None


@pytest.mark.parametrize(
    "reference", ["clip.mp4", "/media/clip.mp4", "ftp://a/b", "https://u:p@a.example/b", "https://", ""]
)
def test_what_is_no_url_is_not_looked_up(cache: FactsCache, reference: str) -> None:
    """Local files change without telling; a URL that is never fetched is never known."""
    cache.remember(reference, replace(MEDIUM, delivery=replace(DELIVERY, reference=reference)))
    assert cache.lookup(reference) is None


@pytest.mark.parametrize(
    ("behaviour", "cause", "requests"),
    [
        (Status(403), Cause.FORBIDDEN, 1),
        (Status(404), Cause.NOT_FOUND, 1),
        (Status(429), Cause.RATE_LIMITED, 1),
        (Silent(), Cause.TIMEOUT, 1),
    ],
)
def test_a_failure_is_told_and_not_asked_for_twice(
    server: MediaServer, cache: FactsCache, behaviour: Behaviour, cause: Cause, requests: int
) -> None:
    """A link that has expired fails whatever is known of its object, and a busy host is not asked again at once."""
    url = server.serve("clip.mp4", CLIP, behaviour=Ranges(etag=ETAG))
    look(url, cache)
    server.serve("clip.mp4", CLIP, behaviour=behaviour)
    asked = len(server.log)
    _, medium = look(url, cache, bounds=replace(LOOPBACK, attempts=1, timeout=0.3))
    assert medium.outcome is None
    assert medium.delivery.failure is not None
    assert medium.delivery.failure.cause is cause
    assert len(server.log) - asked == requests
    server.serve("clip.mp4", CLIP, behaviour=Ranges(etag=ETAG))
    assert look(url, cache)[0] is True


def test_servers_without_ranges_are_never_cached(server: MediaServer, cache: FactsCache) -> None:
    """To ask them for one byte is to ask for the file."""
    url = server.serve("clip.mp4", CLIP, behaviour=NoRanges(headers=(("ETag", ETAG),)))
    assert look(url, cache)[0] is False
    assert look(url, cache)[0] is False


def test_a_guard_holds_for_what_is_known(server: MediaServer, cache: FactsCache) -> None:
    """An address that is not public is not asked for that byte either."""
    url = server.serve("clip.mp4", CLIP, behaviour=Ranges(etag=ETAG))
    look(url, cache)
    server.wait_closed()
    accepted = server.accepted
    was_known, medium = look(url, cache, bounds=Bounds())
    assert was_known
    assert medium.outcome is None
    assert medium.delivery.failure is not None
    assert medium.delivery.failure.cause is Cause.NOT_PUBLIC
    assert server.accepted == accepted


# ------------------------------------------------------------------------------------------------------- the file


def test_nothing_is_kept_in_clear(server: MediaServer, path: Path) -> None:
    """No URL, host, parameter, secret or entity tag."""
    url = server.serve("private/folder/clip.mp4", CLIP, behaviour=Ranges(etag=ETAG)) + f"?user={CANARY}&sig={CANARY}"
    with FactsCache(path) as cache:
        look(url, cache)
        look(server.serve("moved", behaviour=Redirect(url)), cache)
        cache.remember(URL, replace(MEDIUM, delivery=replace(DELIVERY, etag=f'"{CANARY}"')))
        for suffix in ("", "-wal", "-shm"):  # as it lies there while a run goes on, and afterwards
            _shows_nothing(Path(f"{path}{suffix}"))
    _shows_nothing(path)
    assert _rows(path) == 3


CANARY = "canary-7f3a"


def _shows_nothing(path: Path) -> None:
    content = path.read_bytes()
    for word in (CANARY, "127.0.0.1", "folder", "clip.mp4", "media.example", ETAG.strip('"')):
        assert word.encode() not in content


def test_it_is_for_its_owners_eyes(path: Path) -> None:
    """0600 and 0700, whatever the umask says and whatever the file was before."""
    path.parent.mkdir(mode=0o700)
    path.touch(0o644)
    with FactsCache(path) as cache:
        cache.remember(URL, MEDIUM)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert path.name in modes


def test_it_lies_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As the XDG specification says: an absolute path of the environment, else ~/.cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    with FactsCache() as cache:
        cache.remember(URL, MEDIUM)
    assert (tmp_path / "xdg" / "preflight" / "facts.sqlite").is_file()
    assert stat.S_IMODE((tmp_path / "xdg" / "preflight").stat().st_mode) == 0o700
    monkeypatch.setenv("HOME", str(tmp_path))
    for without in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", without)
        assert default_path() == tmp_path / ".cache" / "preflight" / "facts.sqlite"


def test_facts_wait_in_groups_and_are_known_while_they_wait(path: Path) -> None:
    """Written once in a while; what is not written yet is known all the same, and nothing is forgotten at the end."""
    urls = [f"https://a.example/{number}.mp4" for number in range(GROUP_ROWS + 1)]
    with FactsCache(path) as cache:
        for url in urls:
            assert _rows(path) == 0
            cache.remember(url, MEDIUM, NOW)
            if url == urls[-2]:
                assert _rows(path) == GROUP_ROWS
                break
        cache.remember(urls[-1], MEDIUM, NOW)
        entry = cache.lookup(urls[-1])
        assert entry is not None
        assert (entry.outcome, entry.checked_at) == (MEDIUM.outcome, NOW)
    assert _rows(path) == len(urls)


def _rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (rows,) = database.execute("SELECT count(*) FROM facts").fetchone()
    return int(rows)


def test_the_newest_facts_of_an_object_are_the_ones(path: Path) -> None:
    """A second look replaces the first, in the same run and in a later one."""
    for codec in ("h264", "hevc"):
        with FactsCache(path) as cache:
            cache.remember(URL, replace(MEDIUM, outcome=VideoFacts("mp4", "video/mp4", codec="vp9")))
            cache.remember(URL, replace(MEDIUM, outcome=VideoFacts("mp4", "video/mp4", codec=codec)))
    with FactsCache(path) as cache:
        entry = cache.lookup(URL)
    assert entry is not None
    assert isinstance(entry.outcome, VideoFacts)
    assert entry.outcome.codec == "hevc"
    assert _rows(path) == 1


def test_another_version_of_the_probe_knows_nothing(path: Path) -> None:
    """An upgrade of preflight, PyAV or Pillow looks at everything anew; going back finds the old facts again."""
    with FactsCache(path, version="1 av1") as cache:
        cache.remember(URL, MEDIUM)
    with FactsCache(path, version="1 av2") as cache:
        assert cache.lookup(URL) is None
    with FactsCache(path, version="1 av1") as cache:
        assert cache.lookup(URL) is not None


def test_the_version_names_what_probes(path: Path) -> None:
    """Each part that makes facts is in the key that is used by default."""
    from importlib import metadata  # noqa: PLC0415

    import preflight  # noqa: PLC0415

    named = " ".join((preflight.__version__, "1", metadata.version("av"), metadata.version("pillow")))
    with FactsCache(path) as cache:
        cache.remember(URL, MEDIUM)
    with FactsCache(path, version=named) as cache:
        assert cache.lookup(URL) is not None


def test_what_is_old_or_too_much_is_forgotten(cache: FactsCache, path: Path) -> None:
    """By age first, then the oldest of the rest."""
    for age in range(10):
        cache.remember(f"https://a.example/{age}.mp4", MEDIUM, NOW - timedelta(days=age * 10))
    assert cache.prune(max_age_days=65, max_rows=4, now=NOW) == 6
    known = [age for age in range(10) if cache.lookup(f"https://a.example/{age}.mp4")]
    assert known == [0, 1, 2, 3]
    assert cache.prune(now=NOW) == 0
    assert _rows(path) == 4


# ----------------------------------------------------------------------------------------- whatever is wrong with it


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE recipes (text)")
        database.execute("INSERT INTO recipes VALUES ('soup')")
        database.commit()


def _damaged_words(path: Path) -> None:
    """SQLite's message quotes them, and Python cannot read its message."""
    FactsCache(path).close()
    path.write_bytes(path.read_bytes().replace(b"indexfacts_by_age", b"indexf\x80cts_by_age"))


def _another_layout(path: Path) -> None:
    FactsCache(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.write_bytes(b"no database at all, but long enough to be taken for one" * 20),
        lambda path: path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4080),
        _damaged_words,
        _database,
        _another_layout,
    ],
    ids=["text", "damaged", "damaged words", "foreign", "another layout"],
)
def test_what_is_not_ours_is_set_aside_and_told(
    path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps every byte under another name, and a new cache begins."""
    path.parent.mkdir()
    make(path)
    before = path.read_bytes()
    for number in (1, 2):
        with FactsCache(path) as cache:
            cache.remember(URL, MEDIUM)
            assert cache.trouble is None
            assert cache.lookup(URL) is not None
        aside = path.with_name(f"{path.name}.aside-{number}")
        assert aside.read_bytes() == before
        assert aside.name in caplog.text
        path.write_bytes(before)


def test_damage_inside_is_met_without_a_crash(path: Path) -> None:
    """Pages that were overwritten: nothing wrong is ever read, and at the latest the next run begins anew."""
    urls = [f"https://a.example/{number}.mp4" for number in range(600)]
    with FactsCache(path) as cache:
        for url in urls:
            cache.remember(url, MEDIUM)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    with FactsCache(path) as cache:
        assert [url for url in urls if cache.lookup(url)] == []
        assert cache.trouble is not None
        cache.remember(URL, MEDIUM)
        assert cache.prune() == 0
    with FactsCache(path) as cache:
        cache.remember(URL, MEDIUM)
        assert cache.lookup(URL) is not None


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=64)), min_size=1, max_size=4)
)
def test_any_damage_is_a_miss_or_the_truth(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[float, bytes]]
) -> None:
    """Bytes anywhere in the file: an exception never leaves, and facts are those that were kept, or none."""
    path = tmp_path_factory.mktemp("cache") / "facts.sqlite"
    kept = {f"https://a.example/{n}.mp4": VideoFacts("mp4", "video/mp4", frames=n) for n in range(30)}
    with FactsCache(path) as cache:
        for url, facts in kept.items():
            cache.remember(url, replace(MEDIUM, outcome=facts))
    content = bytearray(path.read_bytes())
    for place, junk in damage:
        start = int(place * len(content))
        content[start : start + len(junk)] = junk[: len(content) - start]
    path.write_bytes(content)
    with FactsCache(path) as cache:
        for url, facts in kept.items():
            entry = cache.lookup(url)
            assert entry is None or entry.outcome == facts
        cache.remember(URL, MEDIUM)
        cache.prune()


@pytest.mark.parametrize("column", ["promise", "record", "checked_at", "key"])
@pytest.mark.parametrize("value", ["", "soon", b"", b"\xff" * 40, 7, 1e300, "zlib"])
def test_a_record_that_means_nothing_is_a_miss(path: Path, column: str, value: object) -> None:
    """By whatever hand it got there."""
    with FactsCache(path) as cache:
        cache.remember(URL, MEDIUM)
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"UPDATE facts SET {column} = ?", (value,))  # noqa: S608  (our own names)
        database.commit()
    with FactsCache(path) as cache:
        entry = cache.lookup(URL)
        assert entry is None or (column == "checked_at" and entry.outcome == MEDIUM.outcome)
        cache.remember(URL, MEDIUM)
        assert cache.lookup(URL) is not None


def test_a_record_of_another_object_is_a_miss(path: Path) -> None:
    """A record belongs to its key and its promise: one that was copied to another row says nothing there."""
    other = "https://a.example/other.mp4"
    with FactsCache(path) as cache:
        cache.remember(URL, MEDIUM)
        cache.remember(other, replace(MEDIUM, delivery=replace(DELIVERY, final_url=other)))
    with closing(sqlite3.connect(path)) as database:
        ((record,),) = database.execute("SELECT record FROM facts ORDER BY rowid LIMIT 1").fetchall()
        database.execute("UPDATE facts SET record = ?", (record,))
        database.commit()
    with FactsCache(path) as cache:
        assert cache.lookup(URL) is not None
        assert cache.lookup(other) is None


@pytest.mark.parametrize("place", ["a folder", "below a file", "a pipe", "a broken link"])
def test_a_place_where_no_file_can_be_is_told(tmp_path: Path, place: str) -> None:
    """The cache is quiet and says why; the run goes on."""
    path = tmp_path / "facts.sqlite"
    if place == "a folder":
        path.mkdir()
    elif place == "a pipe":
        os.mkfifo(path)
    elif place == "a broken link":
        path.symlink_to(tmp_path / "nowhere" / "facts.sqlite")
    else:
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "facts.sqlite"
    with FactsCache(path) as cache:
        assert cache.trouble
        cache.remember(URL, MEDIUM)
        assert cache.lookup(URL) is None
        assert cache.prune() == 0


def _python(code: str, *arguments: object, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-c", textwrap.dedent(_PROLOGUE) + textwrap.dedent(code), *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


_PROLOGUE = """
import os, sys, resource
from pathlib import Path
from preflight.audit.cache import FactsCache
from tests.test_audit_cache import MEDIUM
path = Path(sys.argv[1])
def fill(cache, name, count):
    for number in range(count):
        cache.remember(f"https://a.example/{name}/{number}.mp4", MEDIUM)
"""


def test_a_full_disk_costs_the_cache_and_nothing_else(path: Path) -> None:
    """No file of this process may grow any more: what was kept stays, the rest is not kept, and it is told."""
    with FactsCache(path) as cache:
        cache.remember(URL, MEDIUM)
    code = """
    cache = FactsCache(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    fill(cache, "x", 1000)
    cache.close()
    print(cache.trouble)
    """
    child = _python(code, path)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert out.strip() in {"database or disk is full", "disk I/O error"}
    with FactsCache(path) as cache:
        assert cache.trouble is None
        assert cache.lookup(URL) is not None
        cache.remember("https://a.example/new.mp4", MEDIUM)
    assert _rows(path) == 2


def test_a_disk_that_is_almost_full_is_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reserve is the run's: the cache does not touch it, at its start or later."""
    with FactsCache(path) as cache:
        cache.remember(URL, MEDIUM)
        monkeypatch.setattr("preflight.audit.cache.RESERVE_BYTES", 1 << 62)
    assert cache.trouble is not None
    assert "MiB are needed" in cache.trouble
    with FactsCache(path) as cache:
        assert cache.trouble is not None
        assert cache.lookup(URL) is None
    assert _rows(path) == 0


def test_several_processes_share_it(path: Path) -> None:
    """Four begin at once with no file there, and none loses a fact or gives up."""
    code = """
    with FactsCache(path) as cache:
        fill(cache, sys.argv[2], 1000)
    print(cache.trouble)
    """
    children = [_python(code, path, name) for name in "abcd"]
    for child in children:
        out, err = child.communicate(timeout=60)
        assert (child.returncode, out) == (0, "None\n"), err
    assert _rows(path) == 4000


def test_a_writer_that_never_ends_is_not_waited_for(path: Path) -> None:
    """What waits is bounded; the audit is not held up for longer than a moment at a time."""
    with FactsCache(path) as cache, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(GROUP_ROWS):
            cache.remember(f"https://a.example/{number}.mp4", MEDIUM)
        assert cache.trouble is None
        assert cache.lookup("https://a.example/0.mp4") is not None
        other.execute("ROLLBACK")
        for number in range(GROUP_ROWS):
            cache.remember(f"https://b.example/{number}.mp4", MEDIUM)
        assert _rows(path) == 2 * GROUP_ROWS
        other.execute("BEGIN IMMEDIATE")
        for number in range(21 * GROUP_ROWS):
            cache.remember(f"https://c.example/{number}.mp4", MEDIUM)
        assert cache.trouble is not None
        assert "locked" in cache.trouble
        other.execute("ROLLBACK")
    assert _rows(path) == 2 * GROUP_ROWS


def test_a_kill_leaves_whole_groups(path: Path) -> None:
    """kill -9 while it writes: the next run opens it and finds every group that was finished."""
    code = """
    with FactsCache(path) as cache:
        for turn in range(1000):
            fill(cache, turn, 200)
            print(turn, flush=True)
    """
    done = 0
    for _ in range(3):
        child = _python(code, path)
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 6:
                child.send_signal(signal.SIGKILL)
                break
        child.communicate(timeout=60)
        with FactsCache(path) as cache:
            assert cache.trouble is None
            assert cache.lookup("https://a.example/6/199.mp4") is not None
        done = _rows(path)
        assert done % GROUP_ROWS == 0
    assert done >= 7 * GROUP_ROWS
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_second_look_of_another_thread_is_allowed(path: Path) -> None:
    """The loop's thread uses what another one has opened, one after the other."""
    with FactsCache(path) as cache:

        async def use() -> bool:
            await asyncio.to_thread(cache.remember, URL, MEDIUM)
            return await asyncio.to_thread(cache.lookup, URL) is not None

        assert asyncio.run(use())


def test_a_record_is_small(path: Path) -> None:
    """A million media are hundreds of megabytes, not gigabytes."""
    facts = probe(SparseBytes.whole(CLIP))
    assert isinstance(facts, VideoFacts)
    with FactsCache(path) as cache:
        for number in range(2000):
            cache.remember(f"https://a.example/{number}.mp4", replace(MEDIUM, outcome=facts))
    assert path.stat().st_size / 2000 < 700
