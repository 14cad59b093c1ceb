"""The page of a check in a browser: it loads nothing, can be read by anybody, and its one script copies commands."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest

from preflight import Preflight
from preflight.language import LANGUAGES, speaking
from preflight.render import render
from tests.browser import CHROMIUM, Browser
from tests.test_cli import MEDIA
from tests.test_html import COMMAND, EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")

#: A request for each verdict that local media can have.
REQUESTS = {
    "pass": ("portrait.jpg", "dance-8s.mp4"),
    "warn": ("portrait-rotated.jpg", "tail-10.02s.mp4"),
    "fail": ("tiny.png", "long-11s.mp4"),
}
PAGES = [f"{name}-{language}" for name in (*REQUESTS, "everything") for language in LANGUAGES]


@pytest.fixture(scope="module", name="pages")
def _pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pages of all requests in all languages, and one with everything that a page may hold, as files."""
    folder, paths = tmp_path_factory.mktemp("pages"), {}
    for language in LANGUAGES:
        with speaking(language), Preflight() as preflight:
            texts = {"everything": render(EVERYTHING, "html")}
            for name, (image, video) in REQUESTS.items():
                payload: dict[str, object] = {
                    "model": "kling-v2-6-motion-control",
                    "image_url": f"{MEDIA}/{image}",
                    "video_url": f"{MEDIA}/{video}",
                    "character_orientation": "image",
                    "mode": "std",
                }
                report, previews = preflight.illustrate(payload)
                assert report.verdict == name
                texts[name] = render(report, "html", previews=previews)
        for name, text in texts.items():
            paths[f"{name}-{language}"] = folder / f"{name}-{language}.html"
            paths[f"{name}-{language}"].write_text(text, "utf-8")
    return paths


@pytest.fixture(scope="module", name="browser")
def _browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("name", PAGES)
def test_it_loads_nothing_and_fits(name: str, width: int, pages: dict[str, Path], browser: Browser) -> None:
    """No error, no request but for the file itself, nothing to scroll sideways for, and every picture is seen."""
    browser.fresh(width)
    browser.open(pages[name])
    assert browser.complaints() == []
    assert browser.asked_for() == [pages[name].as_uri()]
    assert browser.run("document.documentElement.scrollWidth") == width
    widths = browser.run("Array.from(document.images, image => image.naturalWidth)")
    assert len(widths) == (0 if name.startswith("everything") else 2)
    assert all(widths)


def test_pictures_stand_side_by_side(pages: dict[str, Path], browser: Browser) -> None:
    """Also on a telephone; each says in words what it is of."""
    browser.fresh(390)
    browser.open(pages["warn-en"])
    image, video = (browser.page.get_by_role("img", name=words) for words in ("reference image", "reference video"))
    left, right = image.bounding_box(), video.bounding_box()
    assert left
    assert right
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    assert left["height"] > left["width"], "EXIF orientation 6: it stands"


# ------------------------------------------------------------------------------------------------- colours

#: Text, its colour and what is behind it, for each element that has text of its own and is seen.
TEXTS = """() => {
  const seen = element => element.checkVisibility() && element.getClientRects().length && !element.closest(".unseen");
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "rgb(255, 255, 255)";
  };
  return Array.from(document.body.querySelectorAll("*")).filter(element =>
    seen(element) && Array.from(element.childNodes).some(node => node.nodeType === 3 && node.data.trim())
  ).map(element => {
    const style = getComputedStyle(element);
    return {
      text: element.textContent.trim().slice(0, 40),
      color: element instanceof SVGElement ? style.fill : style.color,
      ground: ground(element),
      large: parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700,
    };
  });
}"""


class Ratio(NamedTuple):
    """How well a text stands out."""

    text: str
    ratio: float
    enough: bool


def _luminance(color: str) -> float:
    match = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", color)
    assert match, f"neither transparent nor opaque: {color}"
    parts = (int(part) / 255 for part in match.groups())
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _ratios(browser: Browser) -> list[Ratio]:
    ratios = []
    for found in browser.page.evaluate(TEXTS):
        low, high = sorted((_luminance(found["color"]), _luminance(found["ground"])))
        ratio = (high + 0.05) / (low + 0.05)
        ratios.append(Ratio(found["text"], ratio, ratio >= (3 if found["large"] else 4.5)))
    return ratios


@pytest.mark.parametrize("media", ["screen", "print"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["pass-en", "warn-zh", "everything-en"])
def test_every_text_stands_out(name: str, dark: bool, media: str, pages: dict[str, Path], browser: Browser) -> None:
    """WCAG 2.2, 1.4.3: a contrast of 4.5, for large text of 3; on paper it is dark on white whatever is preferred."""
    browser.fresh(dark=dark)
    browser.open(pages[name])
    browser.page.emulate_media(media="print" if media == "print" else "screen")
    ratios = _ratios(browser)
    assert len(ratios) > 50, "the walk found next to nothing: it is the walk that is broken"
    assert [ratio for ratio in ratios if not ratio.enough] == []
    paper = browser.run("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(255, 255, 255)" if media == "print" or not dark else "rgb(13, 17, 23)")


# ------------------------------------------------------------------------------------------------ keyboard

#: What has the focus, and how that is seen.
FOCUSED = """() => {
  const element = document.activeElement, style = getComputedStyle(element), box = element.getBoundingClientRect();
  return [
    element.tagName, element.textContent.trim(),
    style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 && box.width > 0 && box.bottom > 0,
  ];
}"""
REACHED = """Array.from(document.querySelectorAll("a[href], button, summary, input"))
  .filter(element => element.checkVisibility()).map(element => [element.tagName, element.textContent.trim(), true])"""


@pytest.mark.parametrize("name", ["warn-en", "everything-zh"])
def test_the_keyboard_reaches_everything(name: str, pages: dict[str, Path], browser: Browser) -> None:
    """In the order of the page, and one sees where one is."""
    browser.fresh()
    browser.open(pages[name])
    wanted = browser.run(REACHED)
    assert len(wanted) >= 3
    reached = []
    for _ in wanted:
        browser.page.keyboard.press("Tab")
        reached.append(browser.run(FOCUSED))
    assert reached == wanted


def test_the_first_key_leads_past_the_head(pages: dict[str, Path], browser: Browser) -> None:
    """The skip link is seen when it has the focus, and puts it on the report."""
    browser.fresh(390)
    browser.open(pages["warn-en"])
    link = browser.page.locator("a.skip")
    assert not link.evaluate("element => element.getBoundingClientRect().bottom > 0")
    browser.page.keyboard.press("Tab")
    assert link.evaluate("element => element.getBoundingClientRect().top >= 0")
    browser.page.keyboard.press("Enter")
    assert browser.run("document.activeElement.tagName") == "MAIN"
    browser.page.keyboard.press("Tab")
    assert browser.run("document.activeElement.className") == "copy"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_plan(language: str, pages: dict[str, Path], browser: Browser) -> None:
    """Landmarks, headings in order, a table with headers, a language: what a screen reader goes by."""
    browser.fresh()
    browser.open(pages[f"warn-{language}"])
    for landmark in ("banner", "main", "contentinfo"):
        assert browser.page.locator(f"role={landmark}").count() == 1
    levels = [
        int(level) for level in browser.run("Array.from(document.querySelectorAll('h1,h2,h3,h4'), h => h.tagName[1])")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    table = browser.page.get_by_role("table")
    assert table.get_by_role("columnheader").count() == 3
    assert table.get_by_role("rowheader").count() == 5
    assert browser.run("document.documentElement.lang") == {"en": "en", "zh": "zh-Hans"}[language]


def test_nothing_moves(pages: dict[str, Path], browser: Browser) -> None:
    """Neither for whoever asks for less motion, nor for anybody else."""
    browser.fresh(reduced_motion="reduce")
    browser.open(pages["warn-en"])
    browser.page.locator("button.copy").first.click()
    assert browser.run("document.getAnimations().length") == 0


# -------------------------------------------------------------------------------------------------- copying

ALLOWED = ["clipboard-read", "clipboard-write"]


@pytest.mark.parametrize(("language", "label", "said"), [("en", "Copy", "Copied"), ("zh", "复制", "已复制")])
def test_a_command_is_copied(language: str, label: str, said: str, pages: dict[str, Path], browser: Browser) -> None:
    """By a click or a key: the whole command is in the clipboard, and that is said, to the eye and to a reader."""
    browser.fresh(permissions=ALLOWED)
    browser.open(pages[f"everything-{language}"])
    button = browser.page.locator("button.copy").first
    assert button.text_content() == label
    button.focus()
    browser.page.keyboard.press("Enter")
    browser.page.wait_for_function("said => document.getElementById('told').textContent === said", arg=said)
    assert button.text_content() == said
    assert browser.run("navigator.clipboard.readText()") == COMMAND
    assert browser.complaints() == []


def test_a_command_is_selected_where_it_cannot_be_copied(pages: dict[str, Path], browser: Browser) -> None:
    """A browser that keeps its clipboard to itself: what is left to do is said, and prepared."""
    browser.fresh()
    browser.open(pages["everything-en"])
    browser.run("void (navigator.clipboard.writeText = () => Promise.reject(new Error('no')))")
    browser.run("void (document.execCommand = () => false)")
    browser.page.locator("button.copy").first.click()
    browser.page.wait_for_function("document.getElementById('told').textContent.startsWith('Selected')")
    assert browser.run("getSelection().toString()") == COMMAND


def test_without_a_script_a_click_selects_a_command(pages: dict[str, Path], browser: Browser) -> None:
    """Nothing stands there that does nothing; and everything else of the page is as it was."""
    browser.fresh(java_script_enabled=False)
    browser.page.goto(pages["everything-en"].as_uri())
    assert browser.page.locator("button:visible").count() == 0
    browser.page.locator("pre").first.click()
    assert browser.run("getSelection().toString()") == COMMAND


# ----------------------------------------------------------------------------------------------------- paper

UNCUT = """Array.from(document.querySelectorAll("header, article, figure, tr"))
  .filter(element => getComputedStyle(element).breakInside !== "avoid").map(element => element.outerHTML)"""


@pytest.mark.parametrize("name", ["warn-en", "everything-zh"])
def test_it_prints(name: str, pages: dict[str, Path], browser: Browser, tmp_path: Path) -> None:
    """No buttons, no card on two sheets, nothing beyond the paper's edge."""
    browser.fresh(700)
    browser.open(pages[name])
    browser.page.emulate_media(media="print")
    assert browser.page.locator("button:visible, a.skip:visible").count() == 0
    assert browser.run(UNCUT) == []
    assert browser.run("document.documentElement.scrollWidth") == 700
    assert browser.page.pdf(format="A4").startswith(b"%PDF")
