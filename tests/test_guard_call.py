"""A guard before any function: the payload wherever it stands, in both colours."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import preflight
from preflight import GenerationRequest, GuardCannotRead, PreflightFailed, UsageError
from tests.guarding import World, options, provider
from tests.servers import Silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers import MediaServer

# ruff: noqa: ARG002  (what the methods do with their arguments is not the point)

NOT_GIVEN: Any = object()


class Videos:
    """What an SDK looks like; it writes down what it would submit."""

    def __init__(self) -> None:
        self.submitted: list[Any] = []

    def generate(self, payload: Any, *, timeout: float = 3) -> str:
        """Takes one dict."""
        self.submitted.append(payload)
        return f"task {timeout:g}"

    async def agenerate(self, payload: Any, *, timeout: float = 3) -> str:
        """The same."""
        await asyncio.sleep(0)
        return self.generate(payload, timeout=timeout)

    def create(
        self,
        *,
        model: str = "kling-v2-6-motion-control",
        image_url: str,
        video_url: str,
        character_orientation: str,
        mode: str = "std",
        prompt: str = NOT_GIVEN,
        watermark_info: Any = None,
        extra_headers: dict[str, str] | None = None,
        timeout: float = 3,
    ) -> str:
        """Takes the fields one by one."""
        return self.generate({"video_url": video_url})

    def post(self, url: str, headers: dict[str, str], **fields: Any) -> str:
        """Takes whatever comes."""
        return self.generate(fields)


@pytest.fixture
def videos() -> Videos:
    return Videos()


@pytest.fixture
def guard() -> Iterator[preflight.guard.Guard]:
    with preflight.guard.Guard(**options()) as made:
        yield made


def test_the_first_dict(videos: Videos, guard: preflight.guard.Guard, server: MediaServer) -> None:
    """By position or by any name; other arguments and the answer are untouched."""
    world = World(server)
    generate = guard.call(videos.generate)
    assert generate(world.good, timeout=7) == "task 7"
    assert generate(payload=world.good) == "task 3"
    assert generate(GenerationRequest.model_validate(world.good)) == "task 3"
    assert videos.submitted[0] is world.good
    with pytest.raises(PreflightFailed, match="video-too-long"):
        generate(world.bad)
    with pytest.raises(PreflightFailed, match="video-too-long"):
        generate(payload=world.bad)
    assert len(videos.submitted) == 3


def test_a_named_argument(videos: Videos, guard: preflight.guard.Guard, server: MediaServer) -> None:
    """`payload=` says which; the function may take it by position, by name, or among its keywords."""
    world = World(server)

    @guard.call(payload="body")
    def submit(url: str, body: dict[str, object], **more: object) -> str:
        """Submit."""
        return videos.generate(body)

    @guard.call(payload="fields")
    def fields_only(**fields: object) -> str:
        return videos.generate(fields)

    @guard.call(payload="json")
    def post(url: str, **more: Any) -> str:
        return videos.generate(more["json"])

    good: dict[str, Any] = world.good
    assert (submit("/v1", good), submit(body=good, url="/v1"), fields_only(**good), post("/v1", json=good)) == (
        "task 3",
    ) * 4
    bad: list[Callable[[], str]] = [
        lambda: submit("/v1", world.bad, note=world.good),
        lambda: submit("/v1", body=world.bad),
        lambda: fields_only(**world.bad),
        lambda: post("/v1", json=world.bad),
    ]
    for sent in bad:
        with pytest.raises(PreflightFailed):
            sent()
    assert len(videos.submitted) == 4
    assert (submit.__name__, submit.__doc__) == ("submit", "Submit.")
    with pytest.raises(UsageError, match=r"generate\(\) has no parameter body; it has: payload, timeout"):
        guard.call(videos.generate, payload="body")


def test_fields_as_arguments(videos: Videos, guard: preflight.guard.Guard, server: MediaServer) -> None:
    """Named parameters with their defaults, or open keywords; what is left out stays so; options are no fields."""
    world = World(server)
    create, post = guard.call(videos.create), guard.call(videos.post)
    fields: dict[str, Any] = {
        name: value for name, value in world.good.items() if name not in ("model", "mode", "prompt")
    }
    assert create(**fields, extra_headers={"X": "y"}, timeout=9) == "task 3"
    assert create(**fields, prompt=NOT_GIVEN, watermark_info={"enabled": True}) == "task 3"
    assert post("/v1", {"X": "y"}, **world.good, timeout=3, prompt_strength=None) == "task 3"
    for submit in (create, functools.partial(post, "/v1", {"X": "y"})):
        with pytest.raises(PreflightFailed, match="video-too-long"):
            submit(**{**fields, "video_url": world.bad["video_url"], "mode": "std"})
        with pytest.raises(PreflightFailed, match="request-field-value"):
            submit(**{**fields, "mode": "fast"})
    assert len(videos.submitted) == 3


def test_coroutine_functions(videos: Videos, guard: preflight.guard.Guard, server: MediaServer) -> None:
    """They stay coroutine functions, and so do objects that are called like one."""
    world = World(server)

    class Callable:
        async def __call__(self, payload: Any) -> str:
            return await videos.agenerate(payload)

    async def program() -> None:
        for function in (videos.agenerate, functools.partial(videos.agenerate, timeout=3), Callable()):
            generate = guard.call(function)
            assert inspect.iscoroutinefunction(generate)
            assert await generate(world.good) == "task 3"
            with pytest.raises(PreflightFailed):
                await generate(world.bad)

    asyncio.run(program())
    assert len(videos.submitted) == 3


def test_a_decorated_method(guard: preflight.guard.Guard, server: MediaServer) -> None:
    """`self` is no payload, and each instance is its own."""

    class Client(Videos):
        @guard.call(payload="payload")
        def submit(self, payload: dict[str, object]) -> str:
            return self.generate(payload)

    world, client = World(server), Client()
    assert client.submit(world.good) == "task 3"
    with pytest.raises(PreflightFailed):
        client.submit(payload=world.bad)
    assert client.submitted == [world.good]


def test_other_models_pass_and_no_payload_is_told(
    videos: Videos, guard: preflight.guard.Guard, server: MediaServer
) -> None:
    """A dict that is no request of ours is nobody's business; a call without one is not what the guard was told."""
    other = {"model": "kling-v3-omni", "prompt": "…"}
    generate = guard.call(videos.generate)
    assert generate(other) == "task 3"
    with pytest.raises(GuardCannotRead, match=r"No payload is found among the arguments of Videos\.generate\(\)"):
        generate("text")
    with pytest.raises(TypeError, match="missing a required argument"):
        generate()  # type: ignore[call-arg]
    with preflight.guard.Guard(**options(unreadable="pass")) as lenient:
        assert lenient.call(videos.generate)("text") == "task 3"
    assert videos.submitted == [other, "text"]
    assert server.log == []


def test_one_line_without_a_session_of_ones_own(videos: Videos, server: MediaServer) -> None:
    """`preflight.guard.call` with a function, and as a decorator with options."""
    world = World(server)
    generate = preflight.guard.call(videos.generate, **options())

    @preflight.guard.call(payload="payload", **options(max_billed_seconds=7))
    def short(payload: dict[str, object]) -> str:
        return videos.generate(payload)

    assert generate(world.good) == "task 3"
    with pytest.raises(PreflightFailed, match="Up to 8 s may be billed"):
        short(world.good)
    assert videos.submitted == [world.good]


def test_a_guard_that_nobody_holds_is_closed(videos: Videos, server: MediaServer) -> None:
    """With the last reference to a guarded function go its thread and its connections."""
    world = World(server)
    generate = preflight.guard.call(videos.generate, **options())
    generate(world.good)
    assert server.open_connections
    del generate
    gc.collect()
    assert server.wait_closed()


def test_a_forked_process_has_a_session_of_its_own(server: MediaServer) -> None:
    """A server that was warmed up before it forked its workers."""
    world = World(server)
    code = f"""if True:
        import os, preflight
        guard = preflight.guard.Guard(allow_private=True, ignore=["url-private-allowed"], reuse_seconds=0)
        guard.admit({world.good!r})
        child = os.fork()
        print(guard.admit({world.good!r}).verdict, flush=True)
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout, done.returncode) == ("pass\npass\n", 0), done.stderr


@pytest.mark.parametrize("ending", ["guard.close()", "del guard; gc.collect()", "pass"])
def test_a_forked_process_leaves_its_parent_s_session_alone(server: MediaServer, ending: str) -> None:
    """Whatever the child does with its copy, used before or not: the parent's connections stay, and the child ends."""
    world = World(server)
    code = f"""if True:
        import gc, os, signal, threading, time, preflight
        guard = preflight.guard.Guard(allow_private=True, ignore=iter(["url-private-allowed"]), reuse_seconds=0)
        guard.admit({world.good!r})
        for used in (True, False):
            child = os.fork()
            if not child:
                signal.alarm(10)
                if used:
                    guard.admit({world.good!r})
                {ending}
                for _ in range(60):
                    time.sleep(0.05)
                    if not [thread for thread in threading.enumerate() if thread.name == "preflight-end"]:
                        os._exit(0)
                os._exit(1)
            print(os.waitpid(child, 0)[1], flush=True)
        print(guard.admit({world.good!r}).image.transfer.connections, flush=True)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=40)
    assert (done.stdout, done.stderr, done.returncode) == ("0\n0\n0\n", "", 0)


def _stuck(server: MediaServer) -> tuple[World, dict[str, Any]]:
    """A request whose check does not end by itself for a long while."""
    world = World(server)
    return world, {**world.good, "video_url": server.serve("silent.mp4", behaviour=Silent())}


@pytest.mark.parametrize("isolation", ["none", "process"])
def test_closing_a_guard_ends_the_check_that_runs(server: MediaServer, isolation: str) -> None:
    """Whoever waits for it is told, nothing is left behind, and the next check opens the guard again."""
    world, stuck = _stuck(server)
    guard = preflight.guard.Guard(**options(isolation=isolation, timeout=30.0))
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(guard.admit, stuck)
        _wait_for_silence(server)
        guard.close()
        with pytest.raises(UsageError, match="was closed while a check was running"):
            waiting.result(5)
    assert server.wait_closed()
    assert [thread.name for thread in threading.enumerate() if thread.name == "preflight"] == []
    assert guard.admit(world.good).verdict == "pass"
    guard.close()


def test_closing_a_guard_cancels_no_task_of_its_user(server: MediaServer) -> None:
    """The task that waits for a check gets an error of ours; one that is cancelled by its owner stays cancelled."""
    world, stuck = _stuck(server)

    async def program() -> tuple[bool, bool]:
        async with preflight.guard.Guard(**options(timeout=30.0)) as guard:
            closed, cancelled, at_once = (asyncio.create_task(guard.aadmit(stuck)) for _ in range(3))
            await asyncio.sleep(0)  # each has begun its check, which may not have taken a step of its own
            at_once.cancel()
            await asyncio.to_thread(_wait_for_silence, server)
            cancelled.cancel()
            await asyncio.wait((cancelled, at_once))
            await guard.aclose()
            with pytest.raises(UsageError, match="was closed while a check was running"):
                await closed
            assert (await guard.aadmit(world.good)).verdict == "pass"
        return cancelled.cancelled(), at_once.cancelled()

    assert asyncio.run(program()) == (True, True)


def _wait_for_silence(server: MediaServer) -> None:
    for _ in range(1000):
        if server.asked("silent.mp4"):
            return
        threading.Event().wait(0.01)
    raise AssertionError("nobody has asked for the video")


def test_what_is_ignored_may_come_from_an_iterator(server: MediaServer) -> None:
    """It can be read once, and a guard makes more than one session."""
    world = World(server)
    with preflight.guard.Guard(**options(ignore=iter(["url-private-allowed"]), block_warn=True)) as guard:
        for _ in range(2):
            assert {item.rule for item in guard.admit(world.good).ignored} == {"url-private-allowed"}
            guard.close()


def test_a_guard_that_nobody_closes_ends_with_the_program(server: MediaServer) -> None:
    """A client at the top of a script, never closed: the program ends in time, and says nothing."""
    world = World(server)
    with provider() as shop:
        code = f"""if True:
            import httpx, preflight
            client = httpx.Client(transport=preflight.guard.httpx(allow_private=True, ignore=["url-private-allowed"]))
            print(client.post({shop.url!r}, json={world.good!r}).status_code)
        """
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert (done.stdout, done.stderr, done.returncode) == ("200\n", "", 0)
