"""In search of new paths through our own walks: libFuzzer, by atheris, with our mutations beside its own.

    python -m tests.fuzzing.guided SEED SECONDS

A process of its own, because atheris must see each module before anyone else imports it, and ends the process itself.
libav and Pillow are left out: their code is not Python's, and would neither guide nor be guided.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path
from random import Random
from typing import Any

_HANG_SECONDS = 5
_MEMORY_MB = 2048


def main(seed: int, seconds: int) -> int:
    """Search for so long; libFuzzer's exit code tells what it found: 0 nothing, 70 a hang, 71 memory, 77 an error."""
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        print("tests.fuzz --guided needs atheris (pip install atheris; Linux and macOS)", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["preflight.probes", "preflight.deliver.sparse"]):
        for name in ("image", "sniff", "video"):
            importlib.import_module(f"preflight.probes.{name}")

    from tests.fuzzing.corpus import corpus  # noqa: PLC0415  (it imports the probes)
    from tests.fuzzing.mutate import mutated  # noqa: PLC0415
    from tests.fuzzing.shape import parts  # noqa: PLC0415

    def mutate(data: bytes, most: int, number: int) -> bytes:
        random = Random(number)  # noqa: S311  (reproducible is the point)
        if random.random() < 0.5 or not data:
            return bytes(atheris.Mutate(data, most))
        return mutated(data, parts(data), random)[:most]

    with tempfile.TemporaryDirectory() as folder:
        for name, data in corpus().items():
            (Path(folder) / name.replace(" ", "-").replace("/", "-")).write_bytes(data)
        options = [
            f"-seed={seed or 1}", f"-max_total_time={seconds}", f"-timeout={_HANG_SECONDS}",
            f"-rss_limit_mb={_MEMORY_MB}", "-max_len=262144", "-print_final_stats=1", f"-artifact_prefix={folder}-",
        ]  # fmt: skip
        atheris.Setup([sys.argv[0], *options, folder], _walk, custom_mutator=mutate)
        atheris.Fuzz()
    return 0


def _walk(data: bytes) -> None:
    """One file through the sniff and its walk; a typed refusal is an answer, anything else is found."""
    from preflight.deliver.source import FLIGHT_BYTES  # noqa: PLC0415
    from preflight.deliver.sparse import SparseBytes  # noqa: PLC0415
    from preflight.probes.boxes import Malformed  # noqa: PLC0415
    from preflight.probes.image import _READERS  # noqa: PLC0415
    from preflight.probes.isobmff import Cut  # noqa: PLC0415
    from preflight.probes.sniff import sniff  # noqa: PLC0415
    from preflight.probes.still.reader import Reader, Unreadable  # noqa: PLC0415
    from preflight.probes.video import _WALKS  # noqa: PLC0415

    sparse = SparseBytes.whole(data)
    sniffed = sniff(data[:FLIGHT_BYTES], len(data))
    try:
        if sniffed.family == "image":
            _READERS[sniffed.format or ""](Reader(sparse))
        elif sniffed.refusal is None:
            _WALKS[sniffed.family](sparse)
    except (Malformed, Cut, Unreadable):
        pass


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(float(sys.argv[2]))))
