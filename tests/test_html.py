"""The page of a check: what stands on it, and that nothing a stranger wrote is more than text there."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from html.parser import HTMLParser
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.errors import UsageError
from preflight.facts import Cause, Durations, Failure, Hop, Medium, NotMedia, Refusal, Unknown
from preflight.inspection import Preview, Previews
from preflight.language import speaking
from preflight.render import render
from preflight.render.drawing import ABOUT, Drawing, draw
from preflight.report import Report, media_report
from preflight.report.wire import Durations as Measures
from tests.reports import (
    CLIP,
    DELIVERY,
    IMAGE_URL,
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
from tests.test_cli import MEDIA, run

if TYPE_CHECKING:
    from preflight.report.wire import Video

COMMAND = "ffmpeg -i in.mp4 -t 9.8 -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart out.mp4"
LOCAL = replace(WAITING, rule="url-scheme", subject="image", reason="a local file: it has no URL yet", decisive=False)
EVERYTHING = a_report(TOO_LONG, ROTATED, NOTED, WAITING, LOCAL, price=Decimal("0.07"), ignored=(ROTATED,))

#: Every element and attribute that the page is made of. None of them loads or sends anything.
# fmt: off
ELEMENTS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "div", "article",
    "h1", "h2", "h3", "h4", "p", "span", "strong", "b", "br", "ul", "ol", "li", "dl", "dt", "dd", "pre", "code", "a",
    "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "line", "text", "figure", "figcaption", "img", "button",
    "script",
}
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "aria-hidden", "focusable", "scope", "colspan", "href",
    "rel", "width", "height", "x", "y", "x1", "x2", "y1", "y2", "text-anchor", "id", "tabindex", "role", "src", "alt",
    "type", "hidden", "data-done", "data-failed",
}
# fmt: on
VOID = {"meta", "br", "img"}


class Page(HTMLParser):
    """What a browser would make of a page, as far as it can be told without one; a page not well-formed is refused."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it, and that it has to end."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it: `<rect/>`."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """It ends what is open, and nothing else."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep text with the element it stands in."""
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", " ".join(data.split())))

    def handle_comment(self, data: str) -> None:
        """There is none."""
        raise AssertionError(data)

    def within(self, tag: str) -> list[str]:
        """The texts that stand directly in such an element."""
        return [text for element, text in self.texts if element == tag]

    def told(self) -> str:
        """All of its text but the style and the script."""
        return " ".join(text for element, text in self.texts if element not in {"style", "script"})

    def links(self) -> list[str]:
        """Where a click may lead, but for places on the page itself."""
        links = (attributes["href"] for tag, attributes in self.elements if tag == "a")
        return [link for link in links if not link.startswith("#")]

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """The elements with the names of their attributes: what is left when all text is taken away."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]


def _page(report: Report, *, strict: bool = False) -> Page:
    text = render(report, "html", strict=strict)
    assert text.startswith("<!doctype html>\n")
    assert text.endswith("</html>\n")
    return Page(text)


def test_everything_stands_on_the_page() -> None:
    """Verdict and what it means, findings with why and fix, what was not evaluated, facts, bill, transfer, request."""
    page = _page(EVERYTHING)
    assert page.within("h1") == ["FAIL"]
    assert page.within("title") == ["FAIL – preflight"]
    headings = ["Errors", "Warnings", "Notes", "Decisive, but not evaluated", "Duration", "Bill", "Image", "Video"]
    assert page.within("h2") == [*headings, "Not evaluated", "Request"]
    assert page.within("h3")[:3] == ["video-too-long", "video-rotated", "video-not-faststart"]
    told = page.told()
    for words in (
        "1 error, 1 warning, 1 note: refused, or the job fails (1 warning ignored: video-rotated)",
        "The video is 12.04 s long; orientation image takes 3 to 10 s. /video_url",
        "From: the provider's page. All about it: preflight explain video-too-long",
        "1 rule on the video: no complete answer within 20 s video-too-short",
        "accepted: 3 to 10 s",
        "container judged 12.040 s 2.040 s over",
        "video 12.000 s 2.000 s over",
        "cost 0.84, 0.84 to 0.91, at 0.07 per second",
        "picture 720 x 1280 px, turned by 90°",
        "transfer 1 request, 11.6 kB (11,604 bytes) received, 2 round trips, 0.12 s",
        "prompt 保持人物面部特征一致",
        "the whole check took 0.35 s",
    ):
        assert words in told


def test_commands_can_be_copied() -> None:
    """A command stands alone and whole, and one click selects it; the button waits for the script."""
    text = render(EVERYTHING, "html")
    assert text.count(f"<pre><code>{COMMAND}</code></pre><button") == 2
    buttons = [attributes for tag, attributes in Page(text).elements if tag == "button"]
    assert len(buttons) == 2
    assert all("hidden" in attributes for attributes in buttons)
    assert "user-select: all" in text
    assert "Use <code>a</code> or b." in render(a_report(replace(TOO_LONG, fix="Use `a` or b.")), "html")


def test_one_limit_broken_twice_is_told_once() -> None:
    """Two findings of one rule share one card."""
    page = _page(a_report(TOO_LONG, replace(TOO_LONG, message="And again.")))
    assert Counter(tag for tag, _ in page.elements)["article"] == 1
    assert "/video_url And again. /video_url" in page.told()


def test_strict_does_not_say_accepted() -> None:
    """Under --strict a warning is no acceptance."""
    assert "1 warning, which --strict does not accept" in _page(a_report(ROTATED), strict=True).told()
    assert "probably accepted" in _page(a_report(ROTATED)).told()


FAILED = replace(DELIVERY, failure=Failure(Cause.TIMEOUT, "no complete answer within 20 s"))
REPORTS = {
    "pass": a_report(),
    "everything": EVERYTHING,
    "late": a_report(WAITING, case=a_case(video=None, delivery=FAILED)),
    "no media": a_report(WAITING, case=replace(a_case(), image=None, video=None)),
    "a page": a_report(case=a_case(image=NotMedia(Refusal.HTML, "a login page", "text/html"))),
    "swapped": a_report(case=a_case(image=CLIP, video=PICTURE)),
    "blind": a_report(case=a_case(video=replace(CLIP, durations=Durations(), audio=None, audio_streams=None))),
    "hops": a_report(case=a_case(delivery=replace(DELIVERY, hops=(Hop(VIDEO_URL, 302),), final_url=IMAGE_URL))),
    "unknown": a_report(case=a_case(video=replace(CLIP, unknown=(Unknown("frames", "the header is silent"),)))),
    "local": a_report(LOCAL, case=a_case(delivery=replace(DELIVERY, reference="clips/a.mp4", local=True))),
}


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_made_of_harmless_things(name: str) -> None:
    """Well-formed; no element or attribute beyond the list; the policy allows one style and one script: ours."""
    text = render(REPORTS[name], "html")
    page = Page(text)
    assert {tag for tag, _ in page.elements} <= ELEMENTS
    assert {attribute for _, attributes in page.elements for attribute in attributes} <= ATTRIBUTES
    style = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    policy = next(items["content"] for _, items in page.elements if items.get("http-equiv"))
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(style) == 1
    assert len(script) == ("<button" in text), "a script where there is something to copy"
    scripts = "".join(f"script-src {_digest(code)}; " for code in script)
    assert policy == f"default-src 'none'; style-src {_digest(style[0])}; {scripts}base-uri 'none'; form-action 'none'"
    assert not re.search(r"@import|url\(|expression|\\", style[0])
    assert text.index("Content-Security-Policy") < text.index("<title>"), "what strangers wrote comes after the policy"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("name", REPORTS)
def test_headings_are_in_order(name: str) -> None:
    """One h1, and no level is skipped: a screen reader's table of contents."""
    levels = [int(tag[1]) for tag, _ in _page(REPORTS[name]).elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


def test_a_screen_reader_hears_every_figure_once() -> None:
    """What is drawn stands beside it as text, and drawings are not read out."""
    page = _page(EVERYTHING)
    assert {tag: items.get("aria-hidden") for tag, items in page.elements if tag == "svg"} == {"svg": "true"}
    assert [items.get("scope") for tag, items in page.elements if tag == "th"] == ["col"] * 3 + ["row"] * 4
    assert ("html", {"lang": "en"}) in page.elements


PAYLOADS = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title></head><body onload=alert(1)>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "<svg/onload=alert(1)>",
    "</code></pre><iframe src=//evil.example>",
    "<!-- ",
    "]]><script>",
    "&lt;script&gt;",
    "{{ 7 * 7 }}{% raw %}{# x #}",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example/>",
    "\u202e\u2066<b>\x1b]0;x\x07\x00",
    "javascript:alert(1)",
)


def _strange(text: str) -> Report:
    """A report with this text wherever a stranger can put one."""
    facts: dict[str, Any] = dict.fromkeys(("brand", "codec", "codec_profile", "pixel_format", "color_transfer"), text)
    delivery = replace(
        DELIVERY, reference=text, final_url=text, hops=(Hop(text, 302),), media_type_declared=text, etag=text
    )
    failed = replace(delivery, failure=Failure(Cause.TIMEOUT, text))
    case = a_case(video=replace(CLIP, unknown=(Unknown("frames", text),), **facts), delivery=delivery)
    assert case.image
    case = replace(case, image=replace(case.image, delivery=failed, outcome=None))
    finding = replace(TOO_LONG, pointer=text, message=text, why=text, fix=f"Do `{text}` so.", source=text)
    return a_report(finding, replace(WAITING, reason=text), case=case)


#: The page whose strangers wrote a word.
PLAIN = Page(render(_strange("word"), "html")).shape()


def _expect_text_only(text: str) -> None:
    """The page has the very shape of one whose strangers wrote a word, save for links."""
    strange = render(_strange(text), "html")
    page = Page(strange)
    assert page.shape() == PLAIN
    assert page.links() == []
    assert not set(strange) & set("\x00\x07\x1b\x9b\u202e\u2066\u2028\u2029")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_are_text(payload: str) -> None:
    """Markup, template code and escapes of strangers are shown as they are written."""
    _expect_text_only(f"x {payload}")
    shown = " ".join(_page(_strange(f"x {payload}")).told().split())
    assert " ".join(payload.split())[:4].strip("\u202e\u2066\x1b") in shown


@settings(deadline=None)  # the machine may be busy; what is tested is what stands there
@given(st.text(st.characters(exclude_characters="`")))
def test_any_text_is_text(text: str) -> None:
    """The same of any text at all (a quotation in backticks is an element of ours)."""
    _expect_text_only(f"x {text} x")


@pytest.mark.parametrize(
    "reference",
    [
        "clips/a.mp4",
        "javascript:alert(1)",
        "data:text/html,<b>x</b>",
        "ftp://example.com/a.mp4",
        "file:///etc/passwd",
        "vbscript:x",
        "http://127.0.0.1/a.mp4",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/a.mp4",
        "http://10.0.0.1/a.mp4",
        "https://example.com:22/a.mp4",
        "https://exa mple.com/a.mp4",
        VIDEO_URL,
    ],
)
def test_no_link_to_what_is_not_public_and_whole(reference: str) -> None:
    """Nobody is led by a click to a script, to the inside of a network, or to an address without its signature."""
    local = "://" not in reference and ":" not in reference
    delivery = replace(DELIVERY, reference=reference, local=local, final_url=reference, hops=(Hop(reference, 302),))
    assert _page(a_report(case=a_case(delivery=delivery))).links() == [IMAGE_URL]


def test_no_link_to_what_was_not_fetched() -> None:
    """What the address guard refused, or nobody answered for, may be a name of the inside of a network."""
    denied = replace(DELIVERY, reference="http://localhost/a.mp4", failure=Failure(Cause.NOT_PUBLIC, "it is loopback"))
    assert _page(a_report(case=a_case(video=None, delivery=denied))).links() == [IMAGE_URL]


def test_links_tell_nobody_where_they_were_clicked() -> None:
    """A public address is a link, as it is shown, and passes neither the opener nor the page's own address on."""
    page = _page(EVERYTHING)
    assert page.links() == [IMAGE_URL]
    assert [items["rel"] for tag, items in page.elements if items.get("href") == IMAGE_URL] == ["noopener noreferrer"]
    assert ("meta", {"name": "referrer", "content": "no-referrer"}) in page.elements


@pytest.mark.parametrize("price", ["0.00001", "123456789012345678901234567890"])
def test_money_is_told_to_its_last_digit(price: str) -> None:
    """A price as fine or as large as anybody may give is shown whole."""
    assert f"at {price}{'' if '.' in price else '.00'} per second" in _page(a_report(price=Decimal(price))).told()


def test_no_secret_on_the_page() -> None:
    """The signature of a presigned URL is nowhere on it."""
    delivery = replace(DELIVERY, hops=(Hop(VIDEO_URL, 302),), final_url=f"{VIDEO_URL}&x=1")
    report = a_report(replace(TOO_LONG, message=f"see {VIDEO_URL}", fix=VIDEO_URL), case=a_case(delivery=delivery))
    assert SECRET not in render(report, "html")


def test_a_probe_has_no_page() -> None:
    """The page is of a check; to ask it of a probe is wrong usage, and says what there is."""
    with pytest.raises(UsageError, match="text, json or csv"):
        render(media_report(Medium("video", DELIVERY, CLIP)), "html")


# -------------------------------------------------------------------------------------------- pictures

JPEG = b"\xff\xd8\xff a picture"
MISSING = "the picture was not fetched: it is 9.1 MB"


def _pictured(*previews: Preview | None, report: Report = EVERYTHING) -> Page:
    return Page(render(report, "html", previews=Previews(*previews)))


def test_pictures_stand_in_the_page_itself() -> None:
    """As data of our own making, with what is known of them in words; the policy allows nothing else."""
    page = _pictured(Preview(JPEG), Preview(JPEG))
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert [base64.b64decode(image["src"].removeprefix("data:image/jpeg;base64,")) for image in images] == [JPEG, JPEG]
    assert [image["alt"] for image in images] == [
        "The reference image as it will be seen: 768 x 1024 px",
        "The first frame of the reference video as it will be seen: 720 x 1280 px, turned by 90°, pixels of 4:3",
    ]
    policy = next(items["content"] for _, items in page.elements if items.get("http-equiv"))
    assert "; img-src data:; " in policy
    assert {tag for tag, _ in page.elements} <= ELEMENTS


def test_a_missing_picture_is_told() -> None:
    """The page says why there is none, and its policy allows none."""
    page = _pictured(Preview(b"", MISSING), None)
    assert f"Image 768 x 1024 px No picture: {MISSING}." in page.told()
    assert all(tag != "img" for tag, _ in page.elements)
    assert "img-src" not in next(items["content"] for _, items in page.elements if items.get("http-equiv"))


@pytest.mark.parametrize("name", ["late", "no media", "a page"])
def test_what_could_not_be_read_has_no_picture(name: str) -> None:
    """Nothing is said of pictures where there is nothing to see."""
    assert "As they will be seen" not in _pictured(report=REPORTS[name]).told()


# ------------------------------------------------------------------------------------ in another language


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_speaks_chinese(name: str) -> None:
    """Every label, heading and sentence of the page itself; words of formats, codecs and the wire stay."""
    with speaking("zh"):
        page = _pictured(Preview(JPEG), Preview(b"", MISSING), report=REPORTS[name])
    assert ("html", {"lang": "zh-Hans"}) in page.elements
    labels = [text for tag in ("h1", "h2", "h4", "dt", "button", "title", "strong") for text in page.within(tag)]
    assert len(labels) > 10
    chinese = re.compile("[\u4e00-\u9fff]")
    assert [text for text in labels if not chinese.search(text)] == []
    report = REPORTS[name]  # made in English: what the rules and the estimate said is not the page's own
    said = {text for item in report.findings for text in (item.message, item.why, item.fix, item.source)}
    said |= {*report.estimate.assumptions, *(item.reason for item in report.not_evaluated), "the header is silent"}
    ours = [text for tag in ("p", "li", "dd", "td", "span", "figcaption", "div") for text in page.within(tag)]
    english = re.compile(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}")
    assert [
        text for text in ours if english.search(text) and not any(text in item or item in text for item in said)
    ] == []


def test_the_page_shows_the_same_in_both_languages() -> None:
    """Translation changes words alone: elements, attributes, links and commands are those of the English page."""
    with speaking("zh"):
        page = _page(EVERYTHING)
    english = _page(EVERYTHING)
    assert page.shape() == english.shape()
    assert page.links() == english.links()
    assert page.within("code") == english.within("code")


def test_measures_are_told_as_the_schema_tells_them() -> None:
    """One description for each duration, wherever it is read."""
    assert {name: field.description for name, field in Measures.model_fields.items()} == ABOUT


# ------------------------------------------------------------------------------------------- durations


def _drawing(**durations: str) -> Drawing:
    lengths = {name: Fraction(value) for name, value in durations.items()}
    clip = replace(CLIP, durations=Durations(**lengths))
    drawing = draw(_video(a_report(case=a_case(video=clip))))
    assert drawing
    return drawing


def _video(report: Report) -> Video:
    assert report.video
    return report.video


def _share(text: str) -> float:
    return float(text.removesuffix("%"))


def test_durations_are_drawn_to_scale() -> None:
    """Window and bars share one scale, and each measure is told as it stands to the window."""
    drawing = _drawing(container="12", video="2.5", audio="6")
    line = drawing.line
    scale = _share(line.bars[0].length) / 12
    assert [_share(bar.length) / scale for bar in line.bars] == pytest.approx([12, 2.5, 6], rel=1e-3)
    assert _share(line.window_start) / scale == pytest.approx(3, rel=1e-3)
    assert _share(line.window_length) / scale == pytest.approx(7, rel=1e-3)
    assert [bar.inside for bar in line.bars] == [False, False, True]
    assert [measure.told for measure in drawing.measures] == ["2.000 s over", "0.500 s under", "inside"]
    assert [measure.judged for measure in drawing.measures] == [True, False, False]
    assert [text for _, text in line.ticks] == ["0", "3 s", "10 s"]
    assert drawing.close_up is None


def test_twenty_milliseconds_are_seen() -> None:
    """Beside a limit there is a close-up, on which 10.02 and 10.00 s are far apart."""
    drawing = _drawing(container="10.02", video="10")
    assert drawing.close_up
    over, at = (_share(bar.length) for bar in drawing.close_up.bars)
    assert over - at > 15
    assert at == pytest.approx(50)
    assert [text for _, text in drawing.close_up.ticks] == ["10 s"]
    assert [bar.inside for bar in drawing.close_up.bars] == [False, True]


def test_a_microsecond_over_is_not_shown_as_the_limit() -> None:
    """Neither the length nor what it is over by is rounded to nothing."""
    measure = _drawing(container="10.000001").measures[0]
    assert (measure.value, measure.told) == ("10.000001 s", "0.000001 s over")


@pytest.mark.parametrize("length", ["0", "0.000001", "3", "1000000", "1e15"])
def test_absurd_lengths_are_drawn(length: str) -> None:
    """However long or short: the window stays to be seen, and no bar leaves its line."""
    line = _drawing(container=length, header="8").line
    assert _share(line.window_length) > 20
    assert all(0 <= _share(bar.length) <= 100 for bar in line.bars)
    assert line.bars[0].beyond is (Fraction(length) > 100)


@pytest.mark.parametrize(
    ("minimum", "maximum", "accepted", "place"),
    [(None, None, "", None), (3.0, None, "3 s or more", "inside"), (None, 30.0, "30 s or less", "inside")],
)
def test_an_open_window(minimum: float | None, maximum: float | None, accepted: str, place: str | None) -> None:
    """A window may be open at an end, or not be known at all."""
    video = _video(EVERYTHING)
    assert video.window
    window = video.window.model_copy(update={"minimum": minimum, "maximum": maximum})
    drawing = draw(video.model_copy(update={"window": window}))
    assert drawing
    assert drawing.accepted == accepted
    assert drawing.measures[0].place == place
    assert (_share(drawing.line.window_length) > 0) is bool(accepted)


# --------------------------------------------------------------------------------------------- colours


def _luminance(color: str) -> float:
    digits = color[1:] if len(color) == 7 else "".join(digit * 2 for digit in color[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_every_colour_can_be_read() -> None:
    """Contrast of 4.5 for words and 3 for bars (WCAG 2.2, 1.4.3 and 1.4.11), light, dark and printed."""
    schemes = re.findall(r":root \{(.*?)\}", render(EVERYTHING, "html"), re.DOTALL)
    assert len(schemes) == 3
    for scheme in schemes:
        colors = dict(re.findall(r"--([\w-]+): (#\w+)", scheme))
        for name in ("ink", "quiet", "error", "warning", "note", "good", "open"):
            for ground in ("paper", "card"):
                assert _contrast(colors[name], colors[ground]) >= 4.5, (name, ground)
        for name in ("inside", "outside"):
            assert _contrast(colors[name], colors["window"]) >= 3, name
            assert _contrast(colors[name], colors["paper"]) >= 3, name


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


# ------------------------------------------------------------------------------------ the command line


def test_check_prints_a_page() -> None:
    """`--format html` is the page, and nothing but the page; the exit code is the verdict's."""
    words = ("check", "--image", f"{MEDIA}/portrait.jpg", "--video", f"{MEDIA}/long-11s.mp4", "--orientation", "image")
    done = run(*words, "--format", "html", env={"LC_ALL": "C"})
    assert done.returncode == 1
    assert done.stderr == ""
    page = Page(done.stdout)
    assert page.within("h1") == ["FAIL"]
    assert "video-too-long" in page.within("h3")


def test_probe_offers_no_page() -> None:
    """The page is of a check: a probe says which formats there are."""
    done = run("probe", f"{MEDIA}/dance-8s.mp4", "--format", "html")
    assert done.returncode == 2
    assert "'text', 'json', 'csv'" in done.stderr
