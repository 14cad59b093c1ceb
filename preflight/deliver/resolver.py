"""Names to addresses, on threads of its own: the system's lookup can neither be awaited nor stopped."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from ipaddress import ip_address

#: How many lookups may be under way at once. A stalled one keeps its thread for as long as the system's resolver has
#: patience (10 s and more), so this is also how many dead names it takes to make a good one wait.
_LOOKUPS = 1024


class Resolver:
    """Looks names up for one event loop; whoever asks for a name that is being looked up waits for the same answer.

    Each lookup has a daemon thread: a stalled one delays neither other lookups (as in the small default pool of
    asyncio) nor the end of the process (which waits for the threads of a pool). A caller's deadline is the caller's.
    """

    def __init__(self) -> None:
        self._answers: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._waiting: deque[str] = deque()
        self._running = 0

    async def resolve(self, host: str, port: int) -> tuple[str, ...]:  # noqa: ARG002  (for resolvers that tell ports apart)
        """Every address of a host, in the order of preference of this machine; a literal address is itself.

        Raises:
            OSError, UnicodeError: as `socket.getaddrinfo` does.
        """
        try:
            return (str(ip_address(host)),)
        except ValueError:
            pass
        if (answer := self._answers.get(host)) is None:
            answer = self._answers[host] = asyncio.get_running_loop().create_future()
            self._waiting.append(host)
            self._start()
        return await asyncio.shield(answer)

    def _start(self) -> None:
        while self._waiting and self._running < _LOOKUPS:
            self._running += 1
            host, loop = self._waiting.popleft(), asyncio.get_running_loop()
            threading.Thread(target=self._look_up, args=(host, loop), name=f"lookup-{host}", daemon=True).start()

    def _look_up(self, host: str, loop: asyncio.AbstractEventLoop) -> None:
        outcome: tuple[str, ...] | Exception
        try:
            records = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            outcome = tuple(dict.fromkeys(str(record[4][0]) for record in records))
        except Exception as error:  # noqa: BLE001  (it belongs to the waiting tasks)
            outcome = error
        with contextlib.suppress(RuntimeError):  # the loop may end before the lookup does
            loop.call_soon_threadsafe(self._finish, host, outcome)

    def _finish(self, host: str, outcome: tuple[str, ...] | Exception) -> None:
        self._running -= 1
        answer = self._answers.pop(host)
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
            answer.exception()  # whoever asked may have left: nobody is to be warned of that
        else:
            answer.set_result(outcome)
        self._start()
