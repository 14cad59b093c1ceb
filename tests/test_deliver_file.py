"""Local files, read by the same spans."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from preflight.deliver.client import Client, Undelivered
from preflight.deliver.file import FileSource
from preflight.deliver.source import Bounds
from preflight.deliver.sparse import Span
from preflight.facts import Cause, Delivery, Transfer
from tests.delivery import CLIP, cause_of, deliver, failed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(CLIP)
    return path


def test_spans_of_a_file(clip: Path) -> None:
    """Only the asked bytes are read; the size is the file's own, and nothing came over a network."""
    data, delivery = deliver(str(clip), [(0, 1000)], [(50_000, 51_000), (99_500, None)])
    assert data.read(0, 1000) == CLIP[:1000]
    assert data.held == (Span(0, 1000), Span(50_000, 51_000), Span(99_500, 100_000))
    assert replace(delivery, transfer=Transfer()) == Delivery(
        reference=str(clip), local=True, size_bytes=100_000, size_proof="file"
    )
    assert delivery.transfer.seconds > 0
    assert delivery.transfer.requests == delivery.transfer.bytes_received == 0


def test_empty_file(tmp_path: Path) -> None:
    """A file of no bytes is delivered: what is wrong with it is the probe's business."""
    (tmp_path / "empty").touch()
    data, delivery = deliver(str(tmp_path / "empty"))
    assert (data.total, data.complete, delivery.failure) == (0, True, None)


def made(kind: str, folder: Path) -> str:
    path = folder / kind
    match kind:
        case "directory":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        case "circle":
            path.symlink_to(path)
        case "below-a-file":
            path.touch()
            return f"{path}/clip.mp4"
        case "endless":
            return "x" * 10_000
        case "device":
            return "/dev/zero"
        case "nul":
            return "clip\0.mp4"
        case "nothing":
            return ""
    return str(path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("missing", "there is no such file"),
        ("below-a-file", "there is no such file"),
        ("nothing", "there is no such file"),
        ("directory", "it is a directory"),
        ("pipe", "it is not a regular file (a pipe, a socket or a device)"),
        ("socket", "it is not a regular file (a pipe, a socket or a device)"),
        ("device", "it is not a regular file (a pipe, a socket or a device)"),
        ("circle", "its symbolic links go in a circle"),
        ("endless", "the name is too long for a file"),
        ("nul", "a file name cannot hold a NUL character"),
    ],
)
def test_what_is_not_a_file(kind: str, words: str, tmp_path: Path) -> None:
    """Anything but a readable regular file is refused in our words, at once, without opening it."""
    _, delivery = deliver(made(kind, tmp_path))
    assert (failed(delivery).cause, failed(delivery).detail) == (Cause.NOT_A_FILE, words)
    assert delivery.size_bytes is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(clip: Path) -> None:
    """A file without the permission to read it says so."""
    clip.chmod(0)
    _, delivery = deliver(str(clip))
    assert failed(delivery).detail == "the file may not be read"


def test_no_more_files_can_be_opened(clip: Path) -> None:
    """That says nothing about the file, and may pass."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    source = FileSource(str(clip), Bounds())
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
        with pytest.raises(Undelivered) as stop:
            source._read((Span(0, 10),))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert stop.value.failure.cause is Cause.MACHINE
    assert stop.value.failure.cause.passing
    assert source._read((Span(0, 10),))


def test_budget(clip: Path) -> None:
    """A local file obeys the same budget, so that disk and HTTP give the same verdict."""
    _, delivery = deliver(str(clip), [(0, 1000)], [(1000, 9001)], bounds=Bounds(max_bytes=9000))
    assert cause_of(delivery) is Cause.BUDGET
    data, delivery = deliver(str(clip), [(0, 1000)], [(1000, 9000)], bounds=Bounds(max_bytes=9000))
    assert (delivery.failure, len(data)) == (None, 9000)


def test_a_file_that_changes(clip: Path) -> None:
    """A file that is rewritten between two reads is not one file."""

    async def run() -> Cause:
        async with Client() as client, client.source(str(clip)) as source:
            assert isinstance(source, FileSource)
            await source.fetch((Span(0, 10),))
            clip.write_bytes(CLIP + b"more")
            with pytest.raises(Undelivered) as caught:
                await source.fetch((Span(10, 20),))
            return caught.value.failure.cause

    assert asyncio.run(run()) is Cause.INCONSISTENT


def test_a_home_that_no_shell_expanded_is_told() -> None:
    """A quoted ~ is a name like any other, and hardly meant so."""
    _, delivery = deliver("~/no-such-clip.mp4")
    assert failed(delivery).cause is Cause.NOT_A_FILE
    assert "~ was not expanded" in failed(delivery).detail
