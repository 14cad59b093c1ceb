"""Links that are pages: which they are, and the link to the file where one is known."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.deliver import share
from preflight.deliver.share import share_page
from preflight.deliver.url import url_fault

with (Path(__file__).parent / "data" / "share_examples.csv").open(encoding="utf-8", newline="") as file:
    EXAMPLES = list(csv.DictReader(file))
TABLE = tomllib.loads(Path(share.__file__).with_name("share_pages.toml").read_text("utf-8"))["link"]


@pytest.mark.parametrize("row", EXAMPLES, ids=lambda row: f"{row['row']}-{row['url'][:60]}")
def test_every_known_link_is_recognised(row: dict[str, str]) -> None:
    """Pages, storage addresses, local names and tunnels of 40 patterns; the file's own address is none of them."""
    page = share_page(row["url"])
    told = (page.service, page.kind, page.direct or "") if page else ("", "", "")
    assert told == (row["service"], row["kind"], row["direct"])


def test_the_examples_cover_the_table() -> None:
    """Every entry is met by an example, and every pattern of the reference list has one."""
    assert {int(row["row"]) for row in EXAMPLES} == set(range(1, 41))
    assert {link["service"] for link in TABLE} == {row["service"] for row in EXAMPLES} - {""}


@pytest.mark.parametrize("link", TABLE, ids=lambda link: f"{link['kind']}-{link['service']}")
def test_an_entry_is_complete(link: dict[str, str]) -> None:
    """Texts are sentences that repeat nothing of the link; a direct form asks only for groups that are there."""
    assert link["advice"].endswith((".", "`."))
    assert "{" not in link["advice"] + link["returns"] + link["service"]
    assert link["becomes"] in ("yes", "no", "depends")
    assert link["grade"] in ("high", "medium", "low")
    asked = set(re.findall(r"\{(\w+)", link.get("direct", "")))
    assert asked <= {*re.compile(link["matches"]).groupindex, "host"}


@pytest.mark.parametrize("row", [row for row in EXAMPLES if row["direct"]], ids=lambda row: row["url"][:60])
def test_a_direct_form_is_a_link_of_its_own(row: dict[str, str]) -> None:
    """What is suggested is a sound URL and is not itself a known page."""
    assert url_fault(row["direct"]) is None
    assert share_page(row["direct"]) is None


@given(st.text() | st.builds("{}{}".format, st.sampled_from([row["url"] for row in EXAMPLES]), st.text()))
def test_any_text_is_looked_up(text: str) -> None:
    """No text raises; an answer never repeats the link but in its direct form."""
    page = share_page(text)
    assert page is None or (page.service, page.advice) in {(link["service"], link["advice"]) for link in TABLE}
