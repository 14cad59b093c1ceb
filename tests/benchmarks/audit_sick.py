"""A host that is of no use: `python -m tests.benchmarks.audit_sick ADDRESS 429|hang` prints its port and serves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"


@contextlib.contextmanager
def sick_host(address: str, how: str) -> Iterator[int]:
    """Run one on the server's core; its port."""
    core = (os.cpu_count() or 1) - 1
    words = ["taskset", "-c", str(core), sys.executable, "-m", "tests.benchmarks.audit_sick", address, how]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


async def _serve(address: str, how: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                if how == "429":
                    writer.write(_REFUSAL)
        writer.close()

    server = await asyncio.start_server(answer, address, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(*sys.argv[1:3]))
