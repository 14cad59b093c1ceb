"""The page of a run: what stands on it, how large it may grow, and that a browser can sort and filter its tables."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.audit.counts import Lengths
from preflight.audit.model import BadRow
from preflight.audit.summary import Tally
from preflight.pipeline import conclude
from preflight.render import audit
from preflight.render.audit import render_audit
from preflight.render.histogram import histogram
from preflight.render.summary import summary_text
from preflight.request import ReadRequest
from tests.audit_lines import PORTRAIT, SECRET, SETTINGS, delivered, lasting, line, lines
from tests.browser import CHROMIUM, Browser
from tests.test_html import ATTRIBUTES, ELEMENTS, Page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = list(lines(300))
FAILING = [result for result in ROWS if result["verdict"] in ("fail", "unknown")]
FAILED = next(result for result in ROWS if result["verdict"] == "fail")
UNKNOWN = next(result for result in ROWS if result["verdict"] == "unknown")
IMAGE = delivered("https://a.example.com/p.png", PORTRAIT)
WARNED = line(1, IMAGE, delivered("https://a.example.com/v.mp4", lasting(Fraction("10.03"))))
LISTED = "Rows that failed, are undecided or have a warning"
ABOUT = [("input", "jobs.csv"), ("took", "12 s")]
PAYLOAD = "</td><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\u202e{{ 7 * 7 }}"


class AuditPage(Page):
    """The page of a check has no input."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<input>` has no end."""
        if tag == "input":
            self.elements.append((tag, {name: value or "" for name, value in attrs}))
        else:
            super().handle_starttag(tag, attrs)

    def told(self) -> str:
        """All of its text but style and script."""
        return " ".join(text for element, text in self.texts if element not in ("style", "script"))


def _tally(results: list[dict[str, Any]]) -> Tally:
    tally = Tally()
    for result in results:
        tally.add(result)
    return tally


def _page(results: list[dict[str, Any]] = ROWS, failing: list[dict[str, Any]] = FAILING) -> tuple[str, AuditPage]:
    text = render_audit(_tally(results), failing, ABOUT)
    assert text.startswith("<!doctype html>\n")
    assert text.endswith("</html>\n")
    return text, AuditPage(text)


def test_everything_stands_on_the_page() -> None:
    """Verdicts, rules with examples and fix, bill, transfer, lengths, sizes, formats, hosts, failing rows, the run."""
    text, page = _page()
    told = page.told()
    for words in (
        "of 300 rows would be refused",
        "delivery-not-found",
        "row 21 (job-0000021) : There is nothing at the video URL (status 404).",
        "ffmpeg -i in.mp4 -t 9.8",
        "rate-limited",
        "accepted: 3 to 10 s",
        "had whole files been fetched",
        "Video containers drawing media mp4",
        "up to 2 MB",
        "slow.example.net",
        "All of them, the worst first.",
        "job-0000010 unknown rate-limited the server answered 429 https://media.example.org/clips/10.mp4",
    ):
        assert words in told
    headings = ["Bill", "Transfer", "Durations", "Hosts, worst first", LISTED]
    assert [title for title in page.within("h2") if title in headings] == headings
    assert " ".join(page.within("dt")[:2] + page.within("dd")[:2]) == "input took jobs.csv 12 s"  # at the top
    assert text.index("<dd>jobs.csv</dd>") < text.index("</header>")
    assert text.count("<tr><th scope=\"row\" class=\"value\">") == len(FAILING)  # fmt: skip
    assert SECRET not in text


def test_nothing_loads_and_only_our_script_runs() -> None:
    """The policy names style and script by their hashes, and no element or attribute could do what it forbids."""
    text, page = _page()
    policy = next(attributes["content"] for tag, attributes in page.elements if "http-equiv" in attributes)
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    extra = {"details", "summary", "script", "label", "input"}
    names = {"id", "role", "tabindex", "open", "hidden", "for", "type", "autocomplete", "spellcheck", "data-value"}
    names |= {"aria-label", "aria-labelledby", "aria-describedby", "data-label", "data-told"}
    assert {tag for tag, _ in page.elements} <= ELEMENTS | extra
    assert {name for _, attributes in page.elements for name in attributes} <= ATTRIBUTES | names
    assert page.links() == []


def test_the_script_holds_no_data() -> None:
    """It is the same for every run; a run without tables has none."""
    other, _ = _page(ROWS[:20], [])
    scripts = [re.findall(r"<script>.*?</script>", text, re.DOTALL) for text in (_page()[0], other)]
    assert scripts[0] == scripts[1] != []
    empty = render_audit(Tally())
    assert "<script" not in empty
    assert "script-src" not in empty
    assert "no rows" in empty


def test_what_strangers_wrote_is_text() -> None:
    """An id, a URL or a codec full of markup changes no element of the page."""
    text, page = _said_by_strangers(PAYLOAD)
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "\x1b[31m{{" not in text
    assert "49" not in page.within("td")
    assert page.shape() == _said_by_strangers("harmless")[1].shape()


def _said_by_strangers(text: str) -> tuple[str, AuditPage]:
    """A page about a row in which everything that can be foreign is this text."""
    video = FAILED["video"] | {"url": f"https://cdn.example.com/{text}"}
    findings = [finding | {"message": text, "fix": text} for finding in FAILED["findings"]]
    result = FAILED | {"id": text, "video": video, "findings": findings}
    tally = _tally([result])
    tally.codecs[text] += 1
    tally.causes[text] += 1
    tally.hosts[text] = replace(tally.hosts["cdn.example.com"], name=text)
    page = render_audit(tally, [result], [(text, text)])
    return page, AuditPage(page)


def test_the_page_stays_small() -> None:
    """However long the texts and however many rows: no more is taken than is shown, and it stays below 5 MB."""
    taken = 0

    def failing() -> Iterator[dict[str, Any]]:
        nonlocal taken
        for row in range(1, 100_000):
            taken += 1
            yield FAILED | {"row": row}

    tally = _tally(list(lines(3000, hosts=400)))
    tally.verdicts["fail"] = 100_000
    text = render_audit(tally, failing())
    assert taken == audit.ROWS
    assert len(text.encode()) < 2_000_000
    assert f"98,000 failed, {tally.verdicts['unknown']:,} undecided" in text
    long = FAILED | {"id": "<" * 5000, "findings": [FAILED["findings"][0] | {"message": "&" * 5000}] * 50}
    tally.verdicts.update({"fail": 5000 - tally.verdicts["fail"] - tally.verdicts["unknown"]})
    text = render_audit(tally, [long] * 2000)
    assert len(text.encode()) < 5_000_000
    ((shown, left),) = re.findall(r"([\d,]+) of 5,000, the worst first\. ([\d,]+) rows are not on this page", text)
    assert int(shown.replace(",", "")) + int(left.replace(",", "")) == 5000


def test_the_worst_rows_come_first() -> None:
    """However the results come: no undecided row takes the place of one that failed, no warned one that of either."""
    warned = WARNED | {"id": "warned"}
    results = [warned | {"row": row} for row in range(1, 1001)]
    results += [UNKNOWN | {"row": row} for row in range(1001, 2501)]
    results += [FAILED | {"row": row} for row in range(2501, 3202)]
    text, page = _page(results, results)
    numbers = [int(number) for number in re.findall(r'<tr><th scope="row" class="value">(\d+)</th>', text)]
    assert numbers == [*range(2501, 3202), *range(1001, 2300)]
    assert (
        "2,000 of 3,201, the worst first. 1,201 rows are not on this page (201 undecided, 1,000 with a warning); "
        "the results of the run hold all of them."
    ) in page.told()
    (finding,) = [finding for finding in WARNED["findings"] if finding["severity"] == "warning"]
    _, page = _page([warned], [warned])
    assert f"1 warned warn {finding['rule']} {finding['message']} {WARNED['video']['url']}" in page.told()


def test_a_row_that_is_no_job_tells_its_line() -> None:
    """In the list as among the examples of its rule."""
    bad = BadRow(7, 1234, "has 2 cells under 3 columns", {})
    nothing = ReadRequest({}, (), no_row=bad.told)
    report = conclude(nothing, None, None, SETTINGS, started=0, only="request")
    result = report.model_dump(mode="json") | {"row": 7, "id": None, "input": {}}
    said = "This row (line 1234) has 2 cells under 3 columns, so there is no request to judge."
    _, page = _page([result], [result])
    assert f"row 7 : {said}" in page.told()
    assert f"7 fail request-row {said}" in page.told()
    assert f"row 7: {said}" in summary_text(_tally([result]))


@given(
    st.sampled_from([(3.0, 10.0), (3.0, None), (None, 10.0), (None, None), (0.0, 0.1)]),
    st.lists(st.floats(0, 10_000), min_size=1, max_size=60),
)
def test_every_bar_stands_in_its_drawing(window: tuple[float | None, float | None], times: list[float]) -> None:
    """Between the left and the right end, as high as it is counted; and none is lost without a word."""
    lengths = Lengths(window)
    for time in times:
        lengths.add(time)
    drawing = histogram(lengths)
    for bar in drawing.bars:
        assert 0 <= float(bar.start[:-1]) <= float(bar.start[:-1]) + float(drawing.step[:-1]) <= 100.01
        assert 0 < float(bar.height) <= 120
        assert float(bar.top) + float(bar.height) == pytest.approx(120)
    assert len(drawing.bars) == len(lengths.steps) or drawing.beyond
    assert float(drawing.window_start[:-1]) + float(drawing.window_length[:-1]) <= 100.01


def test_a_bar_has_the_colour_of_its_clips() -> None:
    """At the limits, too: 3 s and 10 s are inside, 2.99 s and 10.01 s are not."""
    for seconds, look in ((2.99, "outside"), (3.0, "inside"), (10.0, "inside"), (10.01, "outside")):
        lengths = Lengths((3.0, 10.0))
        lengths.add(seconds)
        assert [bar.look for bar in histogram(lengths).bars] == [look]


def test_a_passing_run_has_no_failing_rows() -> None:
    """Then there is nothing to list."""
    good = line(1, IMAGE, delivered("https://a.example.com/v.mp4", lasting(Fraction(5))))
    _, page = _page([good], [])
    assert LISTED not in page.within("h2")
    assert page.within("h1") == ["the row is ready to submit"]


@pytest.mark.parametrize("width", [24, 40, 49])
def test_hosts_in_a_narrow_terminal(width: int) -> None:
    """Each name is whole, and each figure stands beside what it counts."""
    result = FAILED | {"video": FAILED["video"] | {"url": "https://a-bucket.oss-cn-hangzhou.aliyuncs.com/v.mp4"}}
    told = summary_text(_tally([result, UNKNOWN]), width=width).partition("worst first\n")[2].partition("\n\n")[0]
    first, *figures = told.splitlines()
    assert first == "  a-bucket.oss-cn-hangzhou.aliyuncs.com"
    figures = [row.strip().rstrip(",") for row in figures if row.startswith("    ")]
    assert all(re.fullmatch(r"[a-z0-9]+ [0-9.]+( ms| k?B)?", part) for row in figures for part in row.split(", "))


# ------------------------------------------------------------------------------------------ in a browser

FILTER = """(async words => {
  const input = document.getElementById("filter");
  input.value = words;
  input.dispatchEvent(new Event("input"));
  await new Promise(done => setTimeout(done, 300));
  const rows = Array.from(document.querySelectorAll("table.filtered tbody tr")).filter(row => !row.hidden);
  return [document.getElementById("shown").textContent, rows.map(row => row.textContent)];
})"""
CLICK = """(number => {
  const heading = document.querySelectorAll("table.filtered thead th")[number];
  heading.querySelector("button").click();
  const rows = Array.from(document.querySelectorAll("table.filtered tbody tr"));
  return [heading.getAttribute("aria-sort"), rows.map(row => row.cells[number].textContent)];
})"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (390, True)])
def test_a_browser_sorts_and_filters(tmp_path: Path, width: int, dark: bool) -> None:
    """The tables can be sorted and filtered, the console is silent, nothing is asked of anybody, nothing sticks out."""
    path = tmp_path / "audit.html"
    path.write_text(_page()[0], "utf-8")
    with Browser(width, dark=dark) as browser:
        browser.open(path)
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        up, rows = browser.run(f"{CLICK}(0)")
        assert (up, [int(row) for row in rows]) == ("descending", sorted((r["row"] for r in FAILING), reverse=True))
        up, rules = browser.run(f"{CLICK}(3)")
        assert (up, rules) == ("ascending", sorted(rules))
        said, found = browser.run(f"{FILTER}('HTML amazonaws')")
        pages = [r for r in FAILING if "delivery-html" in [finding["rule"] for finding in r["findings"]]]
        wanted = [r for r in pages if "amazonaws" in r["video"]["url"]]
        assert said == f"{len(wanted)} of {len(FAILING)} rows"
        assert len(found) == len(wanted) > 0
        assert browser.run(f"{FILTER}('')")[0] == ""
        broken = "Array.from(document.querySelectorAll('.id')).filter(id => id.getClientRects().length > 1).length"
        assert browser.run(broken) == 0
        lines = "cell => cell.getBoundingClientRect().height / parseFloat(getComputedStyle(cell).lineHeight)"
        assert max(browser.run(f"Array.from(document.querySelectorAll('.hosts tbody > tr > *'), {lines})")) < 2
        assert browser.complaints() == []
        assert browser.asked_for() == [path.as_uri()]
