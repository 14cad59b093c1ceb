"""`Check` adds columns to a batch of any kind, and keeps what was there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pyarrow as pa  # type: ignore[import-untyped]
import pytest

import preflight
from preflight.audit.ray import Check
from preflight.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PORTRAIT, DANCE, LONG = (str(ROOT / "sample_media" / name) for name in ("portrait.jpg", "dance-8s.mp4", "long-11s.mp4"))
#: A good row, one that is too long, one whose clip is missing, and one with half a character.
COLUMNS: dict[str, list[Any]] = {
    "n": [1, 2, 3, 4],
    "image_url": [PORTRAIT, PORTRAIT, PORTRAIT, PORTRAIT],
    "clip": [DANCE, LONG, None, "caf\udce9.mp4"],
    "character_orientation": ["image"] * 4,
    "prompt": ["A dance"] * 4,
}
ADDED = ["preflight_verdict", "preflight_rules", "preflight_billed_seconds", "preflight_report"]


def arrays(columns: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: np.array(values) if name == "n" else np.array(values, object) for name, values in columns.items()}


def arrow(columns: dict[str, list[Any]]) -> Any:
    return pa.table(columns)


def table(batch: Any) -> dict[str, list[Any]]:
    """Any batch as lists."""
    if isinstance(batch, dict):
        return {name: list(values) for name, values in batch.items()}
    if isinstance(batch, pd.DataFrame):
        return {name: batch[name].tolist() for name in batch.columns}
    return {name: batch[name].to_pylist() for name in batch.column_names}


@pytest.fixture(scope="module")
def check() -> Iterator[Check]:
    """One for all tests: what is kept between batches must not show."""
    checking = Check(at_once=2)
    yield checking
    checking.close()


@pytest.mark.parametrize("make", [arrays, pd.DataFrame, arrow])
def test_a_batch_comes_back_with_four_columns_more(make: Callable[..., Any], check: Check) -> None:
    columns = {name: values[:3] for name, values in COLUMNS.items()}
    batch = make(columns)
    answer = check(batch)
    found = table(answer)
    assert type(answer) is type(batch)
    assert list(found) == [*columns, *ADDED]
    assert found["n"] == columns["n"]
    assert found["image_url"] == columns["image_url"]
    assert found["preflight_verdict"] == ["pass", "fail", "fail"]
    assert "video-too-long" in found["preflight_rules"][1]
    assert "request-field-missing" in found["preflight_rules"][2]
    assert found["preflight_billed_seconds"][0] == 8
    assert found["preflight_billed_seconds"][2] is None or np.isnan(found["preflight_billed_seconds"][2])
    for report, rules in zip(found["preflight_report"], found["preflight_rules"], strict=True):
        assert list(dict.fromkeys(item["rule"] for item in json.loads(report)["findings"])) == list(rules)


def test_a_row_that_is_none_is_a_finding_like_any_other(check: Check) -> None:
    found = table(check(arrays(COLUMNS)))
    assert (found["preflight_verdict"][3], found["preflight_rules"][3]) == ("fail", ["request-row"])


def test_it_says_what_a_check_says(check: Check) -> None:
    """A table implies the model and the mode; the rest is the row's."""
    request = {"model": "kling-v2-6-motion-control", "mode": "std", "image_url": PORTRAIT, "video_url": LONG}
    wanted = preflight.check(request | {"character_orientation": "image", "prompt": "A dance"})
    report = json.loads(table(check(arrays(COLUMNS)))["preflight_report"][1])
    moments = dict.fromkeys(("timing", "image", "video"))
    assert report | moments == wanted.model_dump(mode="json") | moments


@pytest.mark.parametrize("make", [arrays, pd.DataFrame, arrow])
def test_checking_again_replaces_the_columns(make: Callable[..., Any], check: Check) -> None:
    once = check(make({name: values[:2] for name, values in COLUMNS.items()}))
    assert list(table(check(once))) == [*COLUMNS, *ADDED]


@pytest.mark.parametrize("make", [arrays, pd.DataFrame, arrow])
def test_a_batch_without_rows_has_the_columns(make: Callable[..., Any], check: Check) -> None:
    found = table(check(make({name: [] for name in COLUMNS})))
    assert found == {name: [] for name in [*COLUMNS, *ADDED]}


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_whatever_is_missing_takes_the_default(missing: object) -> None:
    checking = Check(defaults={"character_orientation": "image", "prompt": "A dance"}, mapping={"video_url": "b"})
    try:
        batch = pd.DataFrame({"image_url": [PORTRAIT], "b": [DANCE], 7: [1], "character_orientation": [missing]})
        answer = checking(batch)
    finally:
        checking.close()
    assert answer["preflight_verdict"].tolist() == ["pass"]
    assert answer[7].tolist() == [1]


def test_what_no_row_can_mend_is_wrong_usage(check: Check) -> None:
    with pytest.raises(UsageError, match="no column looks like video_url"):
        check(arrays({"image_url": [PORTRAIT]}))
    with pytest.raises(UsageError, match="all look like video_url"):
        check(arrays({"image_url": [PORTRAIT], "clip": [DANCE], "driving_video": [DANCE]}))
    with pytest.raises(UsageError, match="not <class 'list'>"):
        check([PORTRAIT])
    with pytest.raises(preflight.ProfileInvalid):
        Check("no-such-profile")


def test_the_example_of_the_documentation_runs(tmp_path: Path) -> None:
    """The page's block, as a reader would paste it, in a real pipeline."""
    shutil.copytree(ROOT / "sample_media", tmp_path / "sample_media")
    code = re.search(r"^```text\n(from .*?)^```$", (ROOT / "docs/ray.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert code
    done = subprocess.run(
        [sys.executable, "-c", code[1]],
        cwd=tmp_path,
        env=os.environ | {"RAY_ADDRESS": "", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    shown = [line for line in done.stdout.splitlines() if re.match(r"[12] ", line)]
    assert len(shown) == 2, done.stdout
    assert shown[0].startswith("1 pass 8")
    assert re.match(r"2 fail .*video-too-long", shown[1])
