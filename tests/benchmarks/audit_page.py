"""The page of a run of many rows in headless Chromium: `python -m tests.benchmarks.audit_page [--rows 100000]`.

Bars: loaded in less than 2 s, smaller than 5 MB, no word on the console, no request but for the page itself.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from preflight.audit.summary import Tally
from preflight.render.audit import ROWS, render_audit
from tests.audit_lines import lines
from tests.browser import Browser

_TIMES = """(() => {
  const times = performance.getEntriesByType("navigation")[0];
  return times.loadEventEnd - times.startTime;
})()"""


def measure(rows: int, hosts: int = 300, loads: int = 5) -> dict[str, object]:
    """Make the page of so many rows, load it several times, and tell what came of it."""
    tally = Tally()
    failing: list[dict[str, Any]] = []
    started = time.process_time()
    for result in lines(rows, hosts=hosts):
        tally.add(result)
        if result["verdict"] in ("fail", "unknown") and len(failing) < ROWS:
            failing.append(result)
    tallied = time.process_time() - started
    started = time.process_time()
    text = render_audit(tally, islice(failing, ROWS))
    rendered = time.process_time() - started
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        page = Path(folder, "audit.html")
        page.write_text(text, "utf-8")
        browser.open(page)  # the first page of a browser pays for its start
        seconds = []
        for _ in range(loads):
            browser.open(page)
            seconds.append(browser.run(_TIMES) / 1000)
        return {
            "rows": rows,
            "tally_cpu_seconds": round(tallied, 2),
            "render_cpu_seconds": round(rendered, 2),
            "page_bytes": len(text.encode()),
            "load_seconds_median": round(statistics.median(seconds), 2),
            "load_seconds_worst": round(max(seconds), 2),
            "console": browser.complaints(),
            "requests_leaving": [url for url in browser.asked_for() if url != page.as_uri()],
        }


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    print(json.dumps(measure(parser.parse_args().rows), indent=2))


if __name__ == "__main__":
    main()
