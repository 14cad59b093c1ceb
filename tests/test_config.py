"""Settings of a project and of the environment: where they are found, which one wins, what a mistake is told."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.config import KEYS, load_config
from preflight.errors import ProfileInvalid, UsageError
from preflight.profiles import load_profile
from preflight.profiles.overlay import overlaid

if TYPE_CHECKING:
    from collections.abc import Callable

MEDIA = Path(__file__).parents[1] / "sample_media"
BASE = load_profile()


# ------------------------------------------------------------------------------------------------ finding


def test_nothing_is_settled_where_nothing_stands(tmp_path: Path) -> None:
    """No file, no variable: nothing."""
    found = load_config(tmp_path, {})
    assert (found.settings, found.file, found.overlay) == ({}, None, {})


def test_the_nearest_folder_decides(tmp_path: Path) -> None:
    """Upwards from the working folder; preflight.toml before pyproject.toml; one without our table is passed over."""
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text('[tool.preflight]\nprofile = "kling-official"\n')
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.ruff]\nline-length = 1\n")
    assert load_config(deep, {}).settings["profile"].value == "kling-official"
    (tmp_path / "a" / "preflight.toml").write_text("timeout = 5\n")
    found = load_config(deep, {})
    assert found.file == tmp_path / "a" / "preflight.toml"
    assert {key: item.value for key, item in found.settings.items()} == {"timeout": "5"}


def test_somebody_elses_broken_file_is_not_our_matter(tmp_path: Path) -> None:
    """A pyproject.toml that names no setting of ours is not even parsed."""
    (tmp_path / "pyproject.toml").write_text("[tool.other\n")
    assert load_config(tmp_path, {}).file is None


def test_a_file_can_be_named_or_left_out(tmp_path: Path) -> None:
    """PREFLIGHT_CONFIG names one; empty, it means that none counts."""
    (tmp_path / "preflight.toml").write_text("strict = true\n")
    other = tmp_path / "other.toml"
    other.write_text("strict = false\n")
    assert load_config(tmp_path, {"PREFLIGHT_CONFIG": str(other)}).settings["strict"].value is False
    assert load_config(tmp_path, {"PREFLIGHT_CONFIG": ""}).settings == {}


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """And says so."""
    (tmp_path / "preflight.toml").write_text('ignore = ["image-small"]\ntimeout = 5\n')
    found = load_config(tmp_path, {"PREFLIGHT_TIMEOUT": "7", "PREFLIGHT_ALLOW_PRIVATE": "yes", "PREFLIGHT_TIMOUT": "1"})
    assert found.settings["timeout"].value == "7"
    assert found.settings["timeout"].origin == "PREFLIGHT_TIMEOUT"
    assert found.settings["ignore"].origin == str(tmp_path / "preflight.toml")
    assert found.settings["allow_private"].value is True
    assert found.unknown_variables == ("PREFLIGHT_TIMOUT",)


def test_a_profile_stands_beside_its_file(tmp_path: Path) -> None:
    """A path in a file is meant from that file."""
    (tmp_path / "preflight.toml").write_text('profile = "limits/ours.toml"\n')
    deep = tmp_path / "deep"
    deep.mkdir()
    assert load_config(deep, {}).settings["profile"].value == str(tmp_path / "limits" / "ours.toml")
    (tmp_path / "preflight.toml").write_text('profile = "limits/ours"\n')
    assert load_config(deep, {}).settings["profile"].value == str(tmp_path / "limits" / "ours")


def test_a_table_is_no_variable(tmp_path: Path) -> None:
    """Nobody reads it, so it is pointed out."""
    tables = sorted(f"PREFLIGHT_{key.upper()}" for key, kind in KEYS.items() if kind == "table")
    found = load_config(tmp_path, dict.fromkeys([*tables, "PREFLIGHT_PRICE", "PREFLIGHT_PROXY"], "1"))
    assert (len(tables), found.unknown_variables) == (4, tuple(tables))


def test_a_closed_folder_has_no_settings_for_us(tmp_path: Path) -> None:
    """What may not be looked into is passed over; root may look everywhere, and is somebody else meanwhile."""
    deep = tmp_path / "closed" / "deep"
    deep.mkdir(parents=True)
    (deep / "preflight.toml").write_text("strict = true\n")
    me = os.geteuid()
    deep.parent.chmod(0)
    try:
        os.seteuid(65534 if me == 0 else me)
        assert load_config(deep, {}).file is None
    finally:
        os.seteuid(me)
        deep.parent.chmod(0o700)
    assert load_config(deep, {}).file == deep / "preflight.toml"


# ---------------------------------------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("timout = 5", "did you mean 'timeout'"),
        ("strict = 'yes'", "true or false"),
        ("timeout = true", "a number"),
        ("ignore = 'image-small'", "a list of rule ids"),
        ("ignore = [1]", "a list of rule ids"),
        ("limits = 5", "a table"),
        ("profile = 5", "text in quotes"),
        ("lang = 'fr'", r"en \| zh"),
        ("allow_private = true", "no setting for a file"),
        ("proxy = 'http://x'", "no setting for a file"),
        ("x = [", "not TOML"),
        ("\x00", "not TOML"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    """It names the file, the key and what is wanted."""
    file = tmp_path / "preflight.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=told) as error:
        load_config(tmp_path, {})
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """Named and not there, or no text."""
    with pytest.raises(UsageError, match="No such file"):
        load_config(tmp_path, {"PREFLIGHT_CONFIG": str(tmp_path / "gone.toml")})
    (tmp_path / "preflight.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="UTF-8"):
        load_config(tmp_path, {})
    (tmp_path / "preflight.toml").unlink()
    (tmp_path / "pyproject.toml").symlink_to("/proc/self/mem")  # opens, and refuses to be read even by root
    with pytest.raises(UsageError, match=r"pyproject\.toml: Input/output error"):
        load_config(tmp_path, {})


@pytest.mark.parametrize(("name", "text"), [("PREFLIGHT_STRICT", "perhaps"), ("PREFLIGHT_LANG", "fr")])
def test_a_variable_that_does_not_hold(tmp_path: Path, name: str, text: str) -> None:
    """It is named."""
    with pytest.raises(UsageError, match=name):
        load_config(tmp_path, {name: text})


VALUES = st.recursive(st.integers() | st.booleans() | st.text("ab"), st.lists)


@given(st.dictionaries(st.sampled_from([*KEYS, "x"]), VALUES))
def test_any_table_is_settings_or_one_line(tmp_path_factory: pytest.TempPathFactory, table: dict[str, object]) -> None:
    """Whatever stands in a file."""
    folder = tmp_path_factory.mktemp("any")
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())
    (folder / "preflight.toml").write_text(text)
    try:
        settled, told = set(load_config(folder, {}).settings), ""
    except UsageError as error:
        settled, told = set(table), str(error)
    assert settled == set(table)
    assert "\n" not in told


# ----------------------------------------------------------------------------------------------- overlays


def test_a_limit_may_be_its_value_alone() -> None:
    """Unit and key come from the profile below; the basis and the source tell whose it is."""
    tables = {"limits": {"video_size_max": 50_000_000, "video_duration_max": {"image": 8, "video": 20}}}
    profile = overlaid(BASE, tables, Path("/home/me/preflight.toml"))
    assert profile.limits["video_size_max"].number == 50_000_000
    assert profile.limits["video_duration_max"].numbers("image") == (Fraction(8),)
    assert {profile.limits[name].basis for name in tables["limits"]} == {"own"}
    assert profile.limits["video_size_max"].source == "preflight.toml"
    assert profile.limits["image_side_min"] == BASE.limits["image_side_min"]
    assert profile.revision.startswith(f"{BASE.revision}+")


def test_a_table_may_become_one_number() -> None:
    """Whatever the orientation."""
    profile = overlaid(BASE, {"limits": {"video_duration_max": 9}}, Path("here"))
    assert profile.limits["video_duration_max"].numbers(None) == (Fraction(9),)


def test_bill_and_severities_are_laid_over() -> None:
    """Rounding, prices, severities."""
    price = {"model": "kling-v2-6-motion-control", "mode": "std", "per_second": Decimal("0.05")}
    tables = {
        "billing": {"rounding": "ceil"},
        "tariff": {"currency": "CNY", "prices": [price]},
        "severities": {"video-rotated": "error"},
    }
    profile = overlaid(BASE, tables, Path("here"))
    assert profile.billing.rounding == "ceil"
    assert profile.tariff
    assert (profile.tariff.currency, profile.tariff.prices[0].per_second) == ("CNY", Decimal("0.05"))
    assert profile.severities["video-rotated"] == "error"


def test_other_tables_are_another_revision() -> None:
    """Two projects' results are not taken for one another's."""
    one, other = ({"limits": {"video_size_max": size}} for size in (1000, 2000))
    revisions = {overlaid(BASE, tables, Path("here")).revision for tables in (one, one, other)}
    assert len(revisions) == 2


@pytest.mark.parametrize(
    "tables",
    [
        {"limits": {"video_duration_min": 50}},
        {"limits": {"video_size_max": "big"}},
        {"limits": 5},
        {"severities": {"video-rotated": "fatal"}},
        {"billing": {"rounding": "up"}},
        {"tariff": {"currency": "yuan", "prices": []}},
    ],
)
def test_what_no_provider_can_mean_is_refused(tables: dict[str, object]) -> None:
    """By the rules that hold for every profile."""
    with pytest.raises(ProfileInvalid, match="here"):
        overlaid(BASE, tables, Path("here"))


def test_a_slip_in_a_limit_is_told() -> None:
    """With the nearest name."""
    with pytest.raises(ProfileInvalid, match=r"limits\.video_size_mx: no such limit; did you mean 'video_size_max'\?"):
        overlaid(BASE, {"limits": {"video_size_mx": 5}}, Path("here"))


# ------------------------------------------------------------------------------------------- the command


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command in a folder of its own."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environ = {name: text for name, text in os.environ.items() if not name.startswith("PREFLIGHT_")}
        return subprocess.run(
            [sys.executable, "-m", "preflight", *arguments],
            cwd=tmp_path,
            env=environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


CHECK = (
    "check",
    *("--image", str(MEDIA / "portrait.jpg"), "--video", str(MEDIA / "dance-8s.mp4"), "--orientation", "image"),
    "--format=json",
)


def test_a_check_heeds_the_file(run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """Limits, prices and ignores of the file; a flag over a variable over the file."""
    (tmp_path / "preflight.toml").write_text(
        'price = "0.5"\nprofile = "kling-official"\n[limits]\nvideo_duration_max = { image = 5, video = 30 }\n'
    )
    report = json.loads(run(*CHECK).stdout)
    assert report["verdict"] == "fail"
    assert [item["rule"] for item in report["findings"] if item["severity"] == "error"] == ["video-too-long"]
    assert report["estimate"]["cost"]["per_second"] == "0.5"
    assert report["profile"]["name"] == "kling-official"
    assert json.loads(run(*CHECK, PREFLIGHT_PRICE="0.6").stdout)["estimate"]["cost"]["per_second"] == "0.6"
    told = json.loads(run(*CHECK, "--price=0.7", "--ignore=video-too-long", PREFLIGHT_PRICE="0.6").stdout)
    assert told["estimate"]["cost"]["per_second"] == "0.7"
    assert told["verdict"] == "pass"


@pytest.mark.parametrize("words", [CHECK, ("config", "show")])
def test_a_working_folder_that_is_gone(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Then there is no file in it."""
    code = "import os, sys; os.rmdir(os.getcwd()); from preflight.cli import main; main(sys.argv[1:])"
    folder = tmp_path / "gone"
    folder.mkdir()
    environ = {**os.environ, "PYTHONPATH": str(MEDIA.parent)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_broken_file_is_one_line(run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """Exit 2, nothing on standard output; help works all the same."""
    (tmp_path / "preflight.toml").write_text("timeout = 'soon'\n")
    done = run(*CHECK)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "preflight.toml" in done.stderr
    assert "timeout" in done.stderr
    (tmp_path / "preflight.toml").write_text("timeout = \n")
    assert run(*CHECK).returncode == 2
    assert run("check", "--help").returncode == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('price = "free"', "price"),
        ("timeout = -1", "timeout"),
        ('ignore = ["video-to-long"]', "did you mean 'video-too-long'"),
        ('profile = "gone.toml"', "No such file"),
        ("max_cost = 0", "max_cost"),
    ],
)
@pytest.mark.parametrize("command", ["show", "submit"])
def test_what_a_command_would_refuse_names_the_file(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, text: str, told: str, command: str
) -> None:
    """Wherever it is noticed."""
    (tmp_path / "preflight.toml").write_text(text)
    words = ("config", "show") if command == "show" else ("submit", *CHECK[1:], "--yes")
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "preflight.toml" in done.stderr
    assert told in done.stderr


def test_show_tells_what_holds_and_why(run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    """Every setting, its value, where it was settled; never a secret."""
    (tmp_path / "preflight.toml").write_text("strict = true\n")
    secrets = {"PREFLIGHT_API_KEY": "sk-secret", "PREFLIGHT_PROXY": "http://me:secret@127.0.0.1:1"}
    done = run("config", "show", **secrets, PREFLIGHT_TYPO="1", COLUMNS="100")
    assert done.returncode == 0
    assert "preflight.toml" in done.stdout
    assert re.search(r"^ignore +-  \(from: built in\)$", done.stdout, re.MULTILINE)
    assert "PREFLIGHT_TYPO" in done.stderr
    told = run("config", "show", "--format=json", **secrets)
    found = json.loads(told.stdout)
    assert found["settings"]["strict"] == {"value": True, "from": str(tmp_path / "preflight.toml")}
    assert found["api_key"] is True
    assert "secret" not in done.stdout + done.stderr + told.stdout + told.stderr
