"""Profiles: sourced and dated to the last number, and a broken one is told in one clear line."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from preflight import profiles
from preflight.errors import ProfileInvalid, UsageError
from preflight.findings import Severity
from preflight.profiles import DEFAULT, LIMITS, Limit, Profile, built_in, load_profile
from preflight.request import FIELDS, GenerationRequest
from preflight.rules import RULES
from preflight.settings import settings_of

MINIMAL = """
schema = "preflight.profile/1"
name = "mine"
revision = "1"
title = "My provider"

[billing]
rounding = "ceil"
source = "its price list"
checked = 2026-11-01
basis = "documented"

[limits.video_duration_max]
by = "character_orientation"
value = { image = 10, video = 30 }
unit = "s"
source = "its page"
checked = 2026-11-01
basis = "documented"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_default_comes_first() -> None:
    """`xcompute` is what a caller gets who names nothing."""
    assert built_in() == ("xcompute", "kling-official")
    assert load_profile().name == DEFAULT == built_in()[0]


@pytest.mark.parametrize("name", built_in())
def test_a_built_in_profile_states_every_limit_with_its_evidence(name: str) -> None:
    """Value, unit, source, date and basis for each; the file is called as the profile is."""
    profile = load_profile(name)
    assert profile.name == name
    assert set(profile.limits) == set(LIMITS)
    for limit in profile.limits.values():
        assert date(2025, 12, 1) <= limit.checked <= date(2026, 11, 22)
        assert limit.source
    ids = {rule.id for rule in RULES}
    assert set(profile.severities) <= ids


def test_the_page_is_told_apart_from_its_vendor() -> None:
    """What only the vendor states is marked as upstream; in the vendor's own profile the same is documented."""
    page, vendor = load_profile("xcompute"), load_profile("kling-official")
    upstream = {name for name, limit in page.limits.items() if limit.basis == "upstream"}
    assert upstream == {
        "video_side_min", "video_side_max", "image_formats", "image_size_max", "image_size_certain",
        "image_side_min", "image_side_max", "image_aspect_min", "image_aspect_max", "prompt_max",
    }  # fmt: skip
    assert all(vendor.limits[name].basis == "documented" for name in upstream)
    assert all(vendor.limits[name].value == limit.value for name, limit in page.limits.items())
    for name in ("video_duration_borderline", "video_codecs", "pair_aspect_factor", "url_lifetime_min"):
        assert page.limits[name].basis in ("observed", "inferred")
    assert page.limits["video_containers"].severity is Severity.WARNING
    assert vendor.limits["video_containers"].severity is Severity.ERROR


def test_the_numbers_of_the_page() -> None:
    """The documented window and sizes, to the last digit."""
    limits = load_profile("xcompute").limits
    assert limits["video_duration_min"].number == 3
    assert sum(limits["video_duration_max"].numbers("image")) == 10
    assert sum(limits["video_duration_max"].numbers("video")) == 30
    assert [int(end) for end in limits["video_duration_max"].numbers(None)] == [10, 30]
    assert limits["video_duration_borderline"].number == Fraction(1, 20)
    assert limits["video_size_max"].number == 100 * 1024**2
    assert limits["image_size_max"].number == 10 * 1024**2
    assert limits["image_aspect_min"].number * limits["image_aspect_max"].number == 1


def test_the_vendor_has_a_price_for_every_model_and_mode() -> None:
    """The tariff covers what a request may ask for, once each; the provider's page states no price."""
    tariff = load_profile("kling-official").tariff
    assert tariff is not None
    schema = GenerationRequest.model_json_schema()["properties"]
    wanted = {(model, mode) for model in schema["model"]["enum"] for mode in schema["mode"]["enum"]}
    assert {(price.model, price.mode) for price in tariff.prices} == wanted
    assert len(tariff.prices) == len(wanted)
    assert tariff.basis == "inferred"
    assert {price.per_second for price in tariff.prices} == {Decimal(p) for p in ("0.07", "0.112", "0.126", "0.168")}
    assert load_profile("xcompute").tariff is None


def test_tables_are_keyed_by_fields_of_the_request() -> None:
    """`by` names a field that a request has."""
    for name in built_in():
        assert {limit.by for limit in load_profile(name).limits.values() if limit.by} <= set(FIELDS)


def test_a_profile_file_works_by_path(tmp_path: Path) -> None:
    """A user's own file has the same form; what it does not state it does not state."""
    path = write(tmp_path, MINIMAL)
    assert load_profile(path) == load_profile(str(path))
    profile = load_profile(path)
    assert (profile.name, profile.billing.rounding, set(profile.limits)) == ("mine", "ceil", {"video_duration_max"})


def test_numbers_keep_the_digits_that_were_written(tmp_path: Path) -> None:
    """0.1 in the file is one tenth, not a float near it."""
    text = MINIMAL + (
        '[limits.video_duration_borderline]\nvalue = 0.1\nunit = "s"\nsource = "x"\n'
        'checked = 2026-11-01\nbasis = "observed"\n'
    )
    assert load_profile(write(tmp_path, text)).limits["video_duration_borderline"].number == Fraction(1, 10)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('name = "mine"', 'name = "My Provider"'), "name"),
        (('revision = "1"', ""), "revision"),
        (('title = "My provider"', 'title = "x"\ncolour = "red"'), "colour"),
        (('"preflight.profile/1"', '"preflight.profile/2"'), "schema"),
        (('rounding = "ceil"', 'rounding = "up"'), "billing.rounding"),
        (("checked = 2026-11-01", 'checked = "soon"'), "checked"),
        (('basis = "documented"', 'basis = "rumour"'), "basis"),
        (('unit = "s"', 'unit = "ms"'), "unit"),
        (('unit = "s"', 'unit = "px"'), "the unit is 's', not 'px'"),
        (("limits.video_duration_max", "limits.video_length"), "limits.video_length: no such limit"),
        (('by = "character_orientation"', ""), "a table of values needs `by`"),
        (("{ image = 10, video = 30 }", "10"), "`by` needs a table"),
        (('by = "character_orientation"\nvalue = { image = 10, video = 30 }', 'value = "ten"'), "not a value in s"),
        (("limits.video_duration_max", "limits.video_duration_mx"), "did you mean 'video_duration_max'?"),
        (('title = "My provider"', 'titel = "x"'), "titel: no such key; did you mean 'title'?"),
        (('name = "mine"', 'name = "My Provider"'), "name: wanted is lower-case letters, digits and hyphens"),
        (("{ image = 10, video = 30 }", "{ image = 10 }"), "exactly one number for each character_orientation"),
        (("{ image = 10, video = 30 }", "{ image = 10, video = 30, both = 5 }"), "exactly one number for each"),
        (
            ("{ image = 10, video = 30 }", "{ image = -1, video = 30 }"),
            "limits.video_duration_max: a limit is not below",
        ),
        (("{ image = 10, video = 30 }", "{ image = 0, video = 30 }"), "a maximum is above zero"),
        (("{ image = 10, video = 30 }", "{ image = 10, video = inf }"), "limits.video_duration_max.value: wanted is"),
        (
            ('by = "character_orientation"\nvalue = { image = 10, video = 30 }', "value = true"),
            "value: wanted is",
        ),
        (("checked = 2026-11-01", "checked = 2999-01-01"), "billing.checked: 2999-01-01 is still to come"),
        (("[billing]", '[severities]\nvideo-too-long = "fatal"\n\n[billing]'), "severities.video-too-long: 'fatal'"),
    ],
)
def test_a_broken_profile_is_told_in_one_line(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    """The line names the file and the place, and says what is wrong there."""
    assert change[0] in MINIMAL
    path = write(tmp_path, MINIMAL.replace(*change))
    with pytest.raises(ProfileInvalid) as raised:
        load_profile(path)
    message = str(raised.value)
    assert message.startswith(f"profile {path}: ")
    assert says in message
    assert "\n" not in message
    assert not re.search("Input|Extra|String should|Value error|Field required", message)
    problems = re.findall(r"(?:^profile \S+|; ?) ?([\w.-]+: [^;]+)", message)
    assert len(problems) == len(set(problems))


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """Not the first only."""
    text = MINIMAL.replace('rounding = "ceil"', 'rounding = "up"').replace('name = "mine"', "name = 7")
    with pytest.raises(ProfileInvalid, match=r"name: .*; billing\.rounding: "):
        load_profile(write(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"name = ", "not TOML"), (b"\xff\xfe", "not UTF-8 text"), (None, "No such file"), (b"", "schema")],
)
def test_a_profile_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, says: str) -> None:
    """Missing, binary, not TOML, empty: each has its words."""
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileInvalid, match=says):
        load_profile(path)
    with pytest.raises(ProfileInvalid, match=re.escape(str(tmp_path))):
        load_profile(tmp_path)


def test_a_range_that_admits_nothing_is_told(tmp_path: Path) -> None:
    """A minimum above its maximum is a slip."""
    low = 'value = 12\nunit = "s"\nsource = "x"\nchecked = 2026-11-01\nbasis = "observed"\n'
    with pytest.raises(ProfileInvalid, match=r"limits\.video_duration_min: larger than limits\.video_duration_max"):
        load_profile(write(tmp_path, f"{MINIMAL}[limits.video_duration_min]\n{low}"))


def test_a_severity_for_no_rule_is_told_with_its_file(tmp_path: Path) -> None:
    """The library names file and key, as the command does."""
    path = write(tmp_path, MINIMAL.replace("[billing]", '[severities]\nvideo-too-lnog = "error"\n\n[billing]'))
    with pytest.raises(ProfileInvalid, match=r"profile .*mine\.toml: severities: .*'video-too-lnog'.*'video-too-long'"):
        settings_of(path, {})


def test_messages_about_profiles_keep_no_secret() -> None:
    """A URL that slipped into the place of a profile's name or of another option is not repeated whole."""
    url = "https://example.com/a.mp4?X-Amz-Signature=deadbeef"
    for profile, options in (
        (url, {}),
        (f"{url}.toml", {}),
        ("xcompute", {"ignore": [url]}),
        ("xcompute", {"price": url}),
    ):
        with pytest.raises(UsageError) as raised:
            settings_of(profile, options)  # type: ignore[arg-type]
        assert "deadbeef" not in str(raised.value)


def test_a_slip_in_a_name_is_recognised() -> None:
    """The nearest built-in name is offered."""
    with pytest.raises(ProfileInvalid, match=r"no profile 'xcompte'; did you mean 'xcompute'\?"):
        load_profile("xcompte")


def test_an_unknown_name_lists_the_known_ones() -> None:
    """A misspelt name is wrong usage, and the right ones are in the message."""
    with pytest.raises(ProfileInvalid, match="no profile 'klinge'; built in: xcompute, kling-official"):
        load_profile("klinge")


def test_asking_a_limit_for_what_it_is_not_is_a_bug() -> None:
    """A list has no number and a number no names; a rule that confuses them must not pass."""
    limits = load_profile().limits
    with pytest.raises(TypeError):
        _ = limits["video_containers"].number
    with pytest.raises(TypeError):
        _ = limits["video_side_min"].names
    with pytest.raises(TypeError):
        _ = limits["video_duration_max"].number


def test_profiles_are_frozen() -> None:
    """A judged profile is the one that was loaded."""
    for model in (load_profile(), load_profile().limits["prompt_max"]):
        assert isinstance(model, Profile | Limit)
        with pytest.raises(ValueError, match="frozen"):
            model.source = "me"  # type: ignore[union-attr]


def test_every_toml_file_of_the_folder_is_a_profile() -> None:
    """What lies beside the loader loads."""
    for path in Path(profiles.__file__).parent.glob("*.toml"):
        assert tomllib.loads(path.read_text("utf-8"))["name"] == path.stem == load_profile(path).name
