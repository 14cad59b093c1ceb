"""What Ctrl-C means while a command has something to lose."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def on_interrupt(heed: Callable[[], None]) -> Iterator[None]:
    """Call `heed` at each Ctrl-C within the block; not where somebody chose to ignore it (nohup)."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda _number, _frame: heed())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
