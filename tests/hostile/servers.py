"""Every hostile server of the tables, and what became of a check against each: `score()`."""

from __future__ import annotations

from tests.hostile import Score, servers_http, servers_lies, servers_slow, servers_tls
from tests.hostile.staging import GRACE, play

ATTACKS = (*servers_slow.ATTACKS, *servers_http.ATTACKS, *servers_lies.ATTACKS, *servers_tls.ATTACKS)


def score() -> Score:
    """Run all of them, side by side."""
    ended, left = play(ATTACKS)
    misses = [f"{one.attack.name}: {miss}" for one in ended for miss in one.misses] + left
    held = sum(not one.misses for one in ended)
    latest = max(one.seconds - one.attack.limits().timeout for one in ended)
    most = max(one.received for one in ended)
    return Score(
        figure="hostile server behaviours ending in a typed verdict in time and budget",
        bar=f"all, at least 80; deadline + {GRACE} s; 0 unhandled; 0 leaked sockets, files, tasks, threads",
        measured=f"{held} of {len(ended)}; at the latest {latest:+.2f} s from the deadline; "
        f"at most {most:,} bytes; {len(left)} leaks",
        misses=tuple(misses),
    )
