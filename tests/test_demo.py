"""The demo: the main job on real media over real HTTP, for somebody without a URL."""

from __future__ import annotations

import http.client
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from preflight import demo
from preflight.api import Preflight
from preflight.findings import ExitCode, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    """A server of one folder with one clip; beside the folder lies a secret."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(CONTENT)
    (tmp_path / "secret.txt").write_text("secret", "utf-8")
    with demo.serve(folder) as address:
        yield address


def _get(base: str, path: str, range_: str | None = None) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
    connection.request("GET", path, headers={"Range": range_} if range_ else {})
    answer = connection.getresponse()
    result = answer.status, answer.headers["Content-Range"], answer.read()
    connection.close()
    return result


@pytest.mark.parametrize(
    ("asked", "status", "proof", "body"),
    [
        (None, 200, None, CONTENT),
        ("bytes=0-9", 206, "bytes 0-9/1024", CONTENT[:10]),
        ("bytes=1020-2000", 206, "bytes 1020-1023/1024", CONTENT[1020:]),
        ("bytes=1000-", 206, "bytes 1000-1023/1024", CONTENT[1000:]),
        ("bytes=-4", 206, "bytes 1020-1023/1024", CONTENT[-4:]),
        ("bytes=-5000", 206, "bytes 0-1023/1024", CONTENT),
        ("bytes=1024-", 416, "bytes */1024", b""),
        ("bytes=-0", 416, "bytes */1024", b""),
        ("bytes=0-1,5-6", 200, None, CONTENT),
        ("pages=1-2", 200, None, CONTENT),
        ("bytes=-", 200, None, CONTENT),
        ("bytes=5-2", 200, None, CONTENT),
    ],
)
def test_the_server_honours_ranges(base: str, asked: str | None, status: int, proof: str | None, body: bytes) -> None:
    """A single byte range is answered as RFC 9110 says, and anything else with the whole file."""
    assert _get(base, "/clip.mp4", asked) == (status, proof, body)


@pytest.mark.parametrize(
    "path", ["/", "/nothing.mp4", "/../secret.txt", "//secret.txt", "/served/../../secret.txt", "/%00"]
)
def test_the_server_serves_its_folder_alone(base: str, path: str) -> None:
    """Nothing outside the folder can be had, and nothing but files."""
    assert _get(base, path)[0] == 404


def test_the_demo_ends_well() -> None:
    """Each scene gets its verdict, and the last line tells how to go on."""
    lines: list[str] = []
    assert demo.run(lines.append) is ExitCode.PASS
    text = "".join(lines)
    assert [scene.verdict for scene in demo.SCENES] == [Verdict.PASS, Verdict.WARN, Verdict.FAIL]
    positions = [text.index(f" {scene.verdict.upper()} ") for scene in demo.SCENES]
    assert positions == sorted(positions)
    assert "loopback allowed for the demo" in text
    assert text.endswith("preflight check --image URL --video URL --orientation image\n")


def test_the_demo_says_when_it_went_wrong() -> None:
    """An unexpected verdict is named, and the exit code is that of a crash: it can pass for no verdict."""
    lines: list[str] = []
    scene = replace(demo.SCENES[0], verdict=Verdict.FAIL)
    assert demo.run(lines.append, scenes=[scene]) is ExitCode.CRASH
    assert "portrait.jpg and dance-8s.mp4: pass, not fail" in lines[-1]


def test_the_demo_excuses_no_more_than_it_must() -> None:
    """What is left out is exactly what a good request on loopback is told, and nothing that the media deserve."""
    with demo.serve(demo.sample_media()) as base, Preflight(allow_private=True) as preflight:
        report = preflight.check(
            {
                "model": "kling-v2-6-motion-control",
                "prompt": "The character dances",
                "image_url": f"{base}/portrait.jpg",
                "video_url": f"{base}/dance-8s.mp4",
                "character_orientation": "image",
                "mode": "std",
            }
        )
    assert {finding.rule for finding in report.findings} == set(demo.EXCUSED)


def test_the_command_runs_the_demo() -> None:
    """`preflight demo` prints the three reports on standard output, nothing on standard error, and exits 0."""
    done = subprocess.run([sys.executable, "-m", "preflight", "demo"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"{number}. {scene.title}" in done.stdout for number, scene in enumerate(demo.SCENES, 1))
