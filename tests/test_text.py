"""The report for people: what stands where, at any width, on any output."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from preflight.facts import Cause, Failure, Hop, Medium, NotMedia, Refusal, Unknown
from preflight.findings import Severity
from preflight.language import speaking
from preflight.profiles import built_in, load_profile
from preflight.render import render
from preflight.render.catalogue import list_profiles, list_rules, tell_profile, tell_rule
from preflight.render.examples import example
from preflight.render.page import Page
from preflight.report import Report, media_report
from preflight.rules import RULES, rule_by_id
from tests.reports import (
    CLIP,
    DELIVERY,
    NOTED,
    PICTURE,
    ROTATED,
    SECRET,
    TOO_LONG,
    VIDEO_URL,
    WAITING,
    a_case,
    a_report,
)

COMMAND = "ffmpeg -i in.mp4 -t 9.8 -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart out.mp4"
LOCAL = tuple(
    replace(WAITING, rule=f"url-{word}", subject="image", reason="a local file: it has no URL yet", decisive=False)
    for word in ("not-public", "share-page", "expired", "expires-soon", "scheme", "port")
)
EVERYTHING = a_report(TOO_LONG, ROTATED, NOTED, WAITING, *LOCAL, price=Decimal("0.07"))

WHOLE = """\
✗ FAIL  1 error, 1 warning, 1 note: refused, or the job fails
  kling-v2-6-motion-control  std  image  profile xcompute REVISION

Errors
  ✗ video-too-long  /video_url
    The video is 12.04 s long; orientation image takes 3 to 10 s.
    why  The provider measures the clip itself.
    fix  Cut it:
         ffmpeg -i in.mp4 -t 9.8 -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart out.mp4

Warnings
  ! video-rotated  /video_url
    A player turns the video by 90°.
    why  The provider measures the clip itself.
    fix  Turn it.

Notes
  i video-not-faststart  /video_url
    The index stands last.

Not evaluated
  ? 1 rule on the video: no complete answer within 20 s
    video-too-short
    6 rules on the image: a local file: it has no URL yet

Image
  https://cdn.example.com/portrait.png
  format      png, 8 bit, RGB
  picture     768 x 1024 px
  size        1.2 MB (1,234,567 bytes)

Video
  https://bucket.s3.amazonaws.com/clip.mp4?X-Amz-Expires=3600&X-Amz-Signature=…
  container   mp4 (isom), index before the media
  duration    12.040 s  container  <- judged
              12.000 s  video
              12.040 s  audio
              12.040 s  header
  accepted    3 to 10 s
  picture     720 x 1280 px, turned by 90°
  codec       h264 (High), yuv420p, 8 bit
  frames      29.97 per second, 360 in all
  sound       aac, 2 channels, 48000 Hz
  size        1.2 MB (1,234,567 bytes)

Bill
  billed      12.040 s
  at least    12.000 s
  at most     13.000 s
  cost        0.84, 0.84 to 0.91, at 0.07 per second
"""


def _text(report: Report, *, width: int = 100, color: bool = False, verbosity: int = 0) -> str:
    return render(report, "text", width=width, color=color, verbosity=verbosity)


def test_whole_report() -> None:
    """Verdict, what is wrong with why and fix, what could not be told, facts, bill, transfer: in this order."""
    revision = re.escape(EVERYTHING.profile.revision)
    text = re.sub(revision, "REVISION", _text(EVERYTHING), count=1)
    assert text.startswith(WHOLE)
    assert text[len(WHOLE) :].startswith("  - ")
    assert text.endswith(
        "\nTransfer\n"
        "  image       1 request, 11.6 kB (11,604 bytes) received, 2 round trips, 0.12 s\n"
        "  video       1 request, 11.6 kB (11,604 bytes) received, 2 round trips, 0.12 s\n"
        "  in all      0.35 s\n"
        "\n✗ FAIL  video-too-long /video_url\n"
    )


LATE = a_case(video=None, delivery=replace(DELIVERY, failure=Failure(Cause.TIMEOUT, "no complete answer within 20 s")))
UNDELIVERED = replace(WAITING, reason="the video was not delivered (timeout)")
HEADLINES = [
    (a_report(), "✓ PASS  ready to submit", None),
    (a_report(NOTED), "✓ PASS  ready to submit (1 note)", None),
    (
        a_report(ROTATED, ROTATED),
        "! WARN  2 warnings: probably accepted, but result, cost or certainty suffers",
        "! WARN  video-rotated /video_url",
    ),
    (
        EVERYTHING,
        "✗ FAIL  1 error, 1 warning, 1 note: refused, or the job fails",
        "✗ FAIL  video-too-long /video_url",
    ),
    (a_report(WAITING), "? UNKNOWN  video: no complete answer within 20 s", None),
    (
        a_report(UNDELIVERED, ROTATED, case=LATE),
        "? UNKNOWN  the video could not be fetched: timeout (no complete answer within 20 s) (1 warning)",
        None,
    ),
]


@pytest.mark.parametrize(("report", "first", "quiet"), HEADLINES)
def test_headline_and_quiet_line(report: Report, first: str, quiet: str | None) -> None:
    """The report begins with the verdict and its counts or root cause; `-q` names the rules that decided it."""
    assert _text(report, width=200).startswith(f"{first}\n")
    assert _text(report, verbosity=-1) == f"{quiet or first}\n"


def test_a_long_report_ends_with_its_verdict() -> None:
    """What has scrolled away is said again below, once the report is longer than a screen; a short one says it once."""
    assert _text(EVERYTHING).endswith("\n\n✗ FAIL  video-too-long /video_url\n")
    short = _text(a_report(case=replace(a_case(), image=None, video=None)))
    assert short.count("PASS") == 1


def test_strict_does_not_say_accepted() -> None:
    """Under --strict a warning is no acceptance."""
    first = render(a_report(ROTATED), "text", strict=True).splitlines()[0]
    assert first == "! WARN  1 warning, which --strict does not accept"


@pytest.mark.parametrize("verbosity", [-1, 0, 1])
def test_what_was_ignored_is_in_the_headline(verbosity: int) -> None:
    """A pass that rests on --ignore says so, in one line too."""
    report = a_report(ignored=(TOO_LONG, replace(TOO_LONG, message="again"), ROTATED))
    first = _text(report, width=200, verbosity=verbosity).splitlines()[0]
    assert first == "✓ PASS  ready to submit (2 errors, 1 warning ignored: video-too-long, video-rotated)"


def test_one_reason_is_told_once() -> None:
    """Decisive or not, rules that lack the same thing stand together, under the sign of what decides."""
    gone = replace(WAITING, reason="the request names no video")
    text = _text(a_report(gone, replace(gone, rule="pair-aspect-mismatch", subject="pair", decisive=False)))
    assert text.count("the request names no video") == 3  # headline, section, last line
    assert "  ? 2 rules on the video and the pair: the request names no video\n" in text


def test_local_files_cost_one_quiet_line() -> None:
    """Rules about URLs that do not apply to files are counted, not listed; -v lists them."""
    report = a_report(*LOCAL)
    assert "    6 rules on the image: a local file: it has no URL yet\n" in _text(report)
    assert "url-scheme" not in _text(report)
    assert "url-scheme" in _text(report, verbosity=1)


def test_what_is_reserved_is_explained_or_left_out() -> None:
    """The window's end is shown where somebody may reserve it: with a bill, and not below it."""
    short = a_case(video=replace(CLIP, durations=type(CLIP.durations)(container=Fraction(8), video=Fraction(8))))
    blind = a_case(video=replace(CLIP, durations=type(CLIP.durations)()))
    assert "  reserved    10.000 s first, by some resellers\n" in _text(a_report(case=short))
    assert "  reserved " not in _text(EVERYTHING) + _text(a_report(case=blind))


@pytest.mark.parametrize(
    ("price", "line"),
    [
        ("0.07", "0.84, 0.84 to 0.91, at 0.07 per second"),
        ("7", "84.28, 84.00 to 91.00, at 7.00 per second"),
        ("0.0712", "0.8572, 0.8544 to 0.9256, at 0.0712 per second"),
    ],
)
def test_money_has_one_precision(price: str, line: str) -> None:
    """Every amount of a line has as many decimals as the price, and two at least."""
    assert f"  cost        {line}\n" in _text(a_report(price=Decimal(price)))


def test_a_url_in_a_paragraph_does_not_stop_the_wrapping() -> None:
    """The words around a URL wrap; the URL itself, and a short command, stay whole."""
    url = "https://example.com/" + "/".join(["part"] * 12)
    message = f"{'word ' * 20}{url} {'word ' * 20}`git lfs pull` {'word ' * 9}"
    lines = _text(a_report(replace(TOO_LONG, message=message)), width=60).splitlines()
    assert any(line.strip() == url for line in lines)
    assert any("`git lfs pull`" in line for line in lines)
    whole = (url, COMMAND, "https://")
    assert [line for line in lines if len(line) > 60 and not any(part in line for part in whole)] == []


@given(st.text("ab `/:\u53c2 ", max_size=200), st.integers(20, 60))
def test_wrapping_loses_nothing(text: str, width: int) -> None:
    """However a paragraph is cut into lines, its words are all there and in order."""
    page = Page(width, color=False)
    page.line(text, 4)
    assert page.text().split() == text.split() or "".join(page.text().split()) == "".join(text.split())


def test_verbose_tells_sources_hops_and_every_rule() -> None:
    """`-v` adds where a finding comes from, the redirects, and the rules that a group hides."""
    delivery = replace(DELIVERY, hops=(Hop("https://short.example/x", 302),), final_url=VIDEO_URL)
    case = a_case(delivery=delivery, video=replace(CLIP, unknown=(Unknown("color_transfer", "the header is silent"),)))
    report = a_report(TOO_LONG, NOTED, *LOCAL, case=case)
    brief, verbose = _text(report), _text(report, verbosity=1)
    for detail in (
        "from the provider's page",
        "hop 302     https://short.example/x",
        "url-scheme, url-port",
        "unknown     color_transfer: the header is silent",
        "ranges      yes",
    ):
        assert detail in re.sub("from +", "from ", verbose)
        assert detail not in re.sub("from +", "from ", brief)


def test_one_limit_broken_twice_is_told_once() -> None:
    """Two findings of one rule share one why and one fix."""
    text = _text(a_report(TOO_LONG, replace(TOO_LONG, message="And again.")))
    assert "And again." in text
    assert text.count(COMMAND) == 1


@pytest.mark.parametrize("width", [40, 60, 100, 120])
def test_lines_keep_to_the_width(width: int) -> None:
    """No line is wider than the terminal, but for commands and URLs, which stay whole."""
    lines = _text(EVERYTHING, width=width, verbosity=1).splitlines()
    assert [line for line in lines if cell_len(line) > width and "://" not in line and COMMAND not in line] == []


@pytest.mark.parametrize("width", [20, 40, 100])
def test_commands_stay_on_one_line(width: int) -> None:
    """A command can be copied whole at any width, and stands alone on its line."""
    lines = [line.strip() for line in _text(EVERYTHING, width=width).splitlines()]
    assert COMMAND in lines


def test_wide_characters_align() -> None:
    """Chinese text wraps by the columns that it occupies."""
    message = "参考视频时长超出允许范围，请裁剪后重新提交。" * 6
    lines = _text(a_report(replace(TOO_LONG, message=message)), width=40).splitlines()
    chinese = [line for line in lines if "参" in line or "裁" in line]
    assert len(chinese) > 3
    assert all(cell_len(line) <= 40 for line in chinese)
    assert "".join(line.strip() for line in lines if line.strip() and line.strip()[0] in message).startswith(
        message[:60]
    )


def test_colour_only_when_asked() -> None:
    """Escapes appear with colour alone, and take no text away."""
    plain, coloured = _text(EVERYTHING), _text(EVERYTHING, color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_markup_is_text() -> None:
    """What looks like rich markup or an emoji code is printed as it came."""
    report = a_report(replace(TOO_LONG, message="[bold red]no[/] :warning: [link=x]y[/link]"))
    assert "[bold red]no[/] :warning: [link=x]y[/link]" in _text(report)


@given(st.text())
def test_hostile_strings_stay_inside_the_text(text: str) -> None:
    """Whatever a brand, an ETag or a message holds: it renders, and steers nothing."""
    case = a_case(video=replace(CLIP, brand=text, codec=text), delivery=replace(DELIVERY, etag=text))
    shown = _text(a_report(replace(TOO_LONG, message=text), case=case), verbosity=1)
    assert not set(shown) & set("\x00\x07\x08\x1b\r\x9b\u202e\u2066\u2028\ud800")


def test_no_secret_in_text() -> None:
    """The signature of a presigned URL is in no line at any verbosity."""
    delivery = replace(DELIVERY, hops=(Hop(VIDEO_URL, 302),), final_url=VIDEO_URL + "&x=1")
    report = a_report(replace(TOO_LONG, message=f"see {VIDEO_URL}"), case=a_case(delivery=delivery))
    for verbosity in (-1, 0, 1):
        assert SECRET not in _text(report, verbosity=verbosity)


def test_duration_that_nearly_is_the_limit_is_not_shown_as_the_limit() -> None:
    """10.0002 s is not printed as the 10.000 s that would be accepted."""
    clip = replace(CLIP, durations=replace(CLIP.durations, container=Fraction("10.0002")))
    assert "10.000200 s  container  <- judged" in _text(a_report(case=a_case(video=clip)))


def test_a_silent_clip_and_an_unknown_one_differ() -> None:
    """No sound, and sound not established, are told apart; so is a duration that nobody knows."""
    silent = a_report(case=a_case(video=replace(CLIP, audio=None, audio_streams=0)))
    blind = a_report(
        WAITING, case=a_case(video=replace(CLIP, audio=None, audio_streams=None, durations=type(CLIP.durations)()))
    )
    assert "sound       none\n" in _text(silent)
    assert "sound       not established\n" in _text(blind)
    assert "duration    not established\n" in _text(blind)
    assert "billed      not established: the duration is unknown\n" in _text(blind)


def test_media_that_could_not_be_read() -> None:
    """A failure and a page instead of a medium are told where the facts would stand."""
    late = a_report(
        WAITING, case=a_case(video=None, delivery=replace(DELIVERY, failure=Failure(Cause.TIMEOUT, "late")))
    )
    page = a_report(case=a_case(image=NotMedia(Refusal.HTML, "a login page", "text/html"), video=PICTURE))
    assert "not read    timeout: late\n" in _text(late)
    assert "not read    html: a login page\n" in _text(page)
    assert "is          image/png\n" in _text(page)


@pytest.mark.parametrize(
    ("medium", "line"),
    [
        (Medium("video", DELIVERY, CLIP), "mp4, 12.040 s, 720 x 1280 px, h264"),
        (Medium("video", DELIVERY, replace(CLIP, truncated=True)), "mp4, 12.040 s, 720 x 1280 px, h264, truncated"),
        (Medium("video", DELIVERY, replace(PICTURE, truncated=True)), "png, 768 x 1024 px, truncated"),
        (Medium("video", DELIVERY, PICTURE), "png, 768 x 1024 px"),
        (Medium("video", replace(DELIVERY, failure=Failure(Cause.TIMEOUT, "late")), None), "not read: timeout: late"),
        (Medium("video", DELIVERY, NotMedia(Refusal.HTML, "a page")), "not read: html: a page"),
    ],
)
def test_probe_in_short_and_in_full(medium: Medium, line: str) -> None:
    """`probe -q` is a line for each medium; without it, the facts; never the secret, and no window to judge by."""
    report = media_report(medium)
    short = render(report, "text", verbosity=-1)
    full = render(report, "text")
    assert short.rstrip().endswith(f"  {line}")
    assert short.count("\n") == 1
    assert "transfer    1 request" in full
    assert SECRET not in short + full
    assert "judged" not in full


def test_json_is_one_line() -> None:
    """JSON is the wire form on one line, whatever people asked for."""
    assert render(EVERYTHING, "json", verbosity=-1, color=True) == EVERYTHING.to_json() + "\n"
    assert render(EVERYTHING, "json").count("\n") == 1


def test_catalogue_tells_every_rule() -> None:
    """Every rule stands in the list, and its story has every part and the limits that it asks for."""
    profile = load_profile()
    listed = list_rules(RULES, width=200, color=False)
    for rule in RULES:
        assert re.search(rf" {rule.id}  +{re.escape(rule.title)}\n", listed)
        story = tell_rule(rule, profile, width=10_000, color=False)
        for heading in ("It says", "Why it matters", "How to fix it", "Where it comes from", *rule.limits):
            assert heading in story
        assert rule.why.split("`")[0].strip() in story


def test_no_story_has_a_hole() -> None:
    """Every text that depends on the case is shown as it reads in one, made by the rule itself."""
    profile = load_profile()
    for rule in RULES:
        assert example(rule, profile) or rule.id.endswith("-unknown"), rule.id
        story = tell_rule(rule, profile, width=10_000, color=False)
        assert "{" not in story, rule.id
        assert ": ." not in story, rule.id
    assert "ffmpeg" in tell_rule(rule_by_id("video-duration-borderline"), profile, width=200, color=False)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [40, 100])
def test_list_of_rules_fits(width: int) -> None:
    """At any width a title stands whole words, under its rule or beside it."""
    lines = list_rules(RULES, width=width, color=False).splitlines()
    assert max(map(len, lines)) <= width
    if width == 40:
        assert "  error    request-field-missing" in lines
        assert "    A required field is missing" in lines


def test_rules_under_a_profile() -> None:
    """The severity is the one that the profile makes of the rule, and the page says whose it is."""
    page, vendor = (list_rules(RULES, load_profile(name), width=100, color=False) for name in built_in())
    assert "Severities under profile xcompute" in page
    assert "  warning  video-container " in page
    assert "  error    video-container " in vendor


def test_catalogue_tells_every_limit_with_its_source() -> None:
    """A profile's page names every limit with its basis, date and source; a foreign one says what it lacks."""
    profile = load_profile()
    told = tell_profile(profile, width=10_000, color=False)
    for name, limit in profile.limits.items():
        assert f"{name}  " in told
        assert f"{limit.basis}, read on {limit.checked}: {limit.source}" in told
    assert profile.name in list_profiles([profile], width=100, color=False)
    bare = profile.model_copy(update={"limits": {}})
    limited = next(rule for rule in RULES if rule.limits)
    assert "none stated, so it is not judged" in tell_rule(limited, bare, width=100, color=False)


def test_profile_with_prices_and_severities() -> None:
    """A tariff and severities of its own are part of a profile's page."""
    profile = load_profile()
    priced = profile.model_validate(
        profile.model_dump(by_alias=True)
        | {
            "tariff": {
                "currency": "USD",
                "prices": [{"model": "kling-v3-motion-control", "mode": "pro", "per_second": "0.1"}],
                "source": "a price list",
                "checked": "2026-11-01",
                "basis": "documented",
            },
            "severities": {"video-rotated": Severity.NOTE},
        }
    )
    told = tell_profile(priced, width=100, color=False)
    assert "kling-v3-motion-control, pro: 0.1 USD per second" in told
    assert "video-rotated: note" in told


# ------------------------------------------------------------------------------------ in another language


@pytest.mark.parametrize("width", [40, 100])
def test_the_report_speaks_chinese(width: int) -> None:
    """Verdict, headings and labels; the columns keep their place, and no line is wider than the terminal."""
    with speaking("zh"):
        text = render(EVERYTHING, "text", width=width, verbosity=1)
    assert text.startswith(
        "✗ 不通过  1 个错误、1 个警告、1 个提示：会被拒绝，或任务会失败" if width == 100 else "✗ 不通过"
    )
    headings = [line for line in text.splitlines() if line and not line.startswith((" ", "✗"))]
    assert headings[-8:] == ["错误", "警告", "提示", "未能评估", "图片", "视频", "计费", "传输"]
    labels = re.findall(r"(?m)^  (?:[\u4e00-\u9fff]+|ETag 值) {2,}", text)
    assert len(labels) > 25
    assert {cell_len(label) for label in labels} == {14}
    if width == 100:
        ours = re.sub(r"(?m)^    .*$|^  - .*$|no complete.*|a local.*", "", text)
        assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", ours)
