"""Every rule about media: one thing wrong brings exactly its finding, and its nearest right neighbour brings none."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

from preflight.estimate import estimate
from preflight.facts import Cause, Durations, Failure, ImageFacts, NotMedia, Refusal, Unknown, VideoFacts
from preflight.findings import Severity
from preflight.rules import RULES, duration, filesize, image, judge, pair, rule_by_id, video
from preflight.rules import medium as media
from tests.cases import OFFICIAL, XCOMPUTE, case, clip, found, lasting, medium, picture

if TYPE_CHECKING:
    from preflight.facts import Outcome
    from preflight.rules.model import Case

FAMILIES = (duration, media, filesize, video, image, pair)
OURS = [rule.id for family in FAMILIES for rule in family.RULES]
NEVER_FIND = {"video-duration-unknown", "video-size-unknown", "image-size-unknown"}


def refused(kind: str, refusal: Refusal) -> Case:
    outcome = NotMedia(refusal, "its first bytes say so", None)
    return case(video=outcome) if kind == "video" else case(image=outcome)


def sized(kind: str, count: int | None) -> Case:
    if kind == "video":
        return case(video=medium("video", clip(), size_bytes=count))
    return case(image=medium("image", picture(), size_bytes=count))


def named(kind: str, reference: str, facts: VideoFacts | ImageFacts, *, local: bool = False) -> Case:
    given = medium("video" if kind == "video" else "image", facts, reference=reference, local=local)
    return case(video=given) if kind == "video" else case(image=given)


#: rule -> cases that break it.
BREACHES: dict[str, list[Case]] = {
    # duration
    "video-too-short": [case(clip("2.94")), case(clip(1)), case(clip(1), orientation=None)],
    "video-too-long": [case(clip("10.06"), orientation="image"), case(clip(31)), case(clip(40), orientation=None)],
    "video-duration-borderline": [
        case(clip("2.99")),
        case(clip("10.02", durations=lasting("10.02", video=10)), orientation="image"),
        case(clip(10, durations=lasting(10, video="10.2")), orientation="image"),
        case(clip(8, durations=lasting(8, present="2.5"))),
    ],
    "video-audio-longer": [case(clip(durations=lasting(8, video=6, audio=8)))],
    "video-starts-late": [case(clip(start_offset=Fraction(2)))],
    "video-edit-list": [case(clip(edit_list=True))],
    "video-duration-undeclared": [
        case(clip(container="webm", media_type="video/webm", durations=replace(lasting(6), header=None)))
    ],
    "video-header-disagrees": [case(clip(durations=lasting(6, header=18)))],
    # what arrived
    "video-is-image": [case(video=picture()), case(video=picture(format="gif", animated=True))],
    "image-is-video": [case(image=clip())],
    "video-is-audio": [refused("video", Refusal.AUDIO)],
    "video-playlist": [refused("video", Refusal.PLAYLIST)],
    "video-unsupported": [refused("video", Refusal.UNSUPPORTED)],
    "image-unsupported": [refused("image", item) for item in (Refusal.UNSUPPORTED, Refusal.AUDIO, Refusal.PLAYLIST)],
    "video-truncated": [
        refused("video", Refusal.TRUNCATED),
        case(clip(truncated=True)),
        case(clip(truncated=True, durations=lasting(6, present="3.56"))),
    ],
    "image-truncated": [refused("image", Refusal.TRUNCATED), case(image=picture(truncated=True))],
    "video-corrupt": [refused("video", Refusal.CORRUPT), refused("video", Refusal.GARBAGE)],
    "image-corrupt": [refused("image", Refusal.CORRUPT), refused("image", Refusal.GARBAGE)],
    "video-too-complex": [refused("video", Refusal.TOO_COMPLEX)],
    "image-too-complex": [refused("image", Refusal.TOO_COMPLEX)],
    "video-crashes-decoder": [refused("video", Refusal.CRASHES)],
    "image-crashes-decoder": [refused("image", Refusal.CRASHES)],
    "video-too-large": [sized("video", 104_857_601)],
    "video-size-ambiguous": [sized("video", 100_000_001), sized("video", 104_857_600)],
    "image-too-large": [sized("image", 10_485_761)],
    "image-size-ambiguous": [sized("image", 10_000_001), sized("image", 10_485_760)],
    "video-extension-lies": [
        named("video", "https://e.com/a.mp4", clip(container="webm")),
        named("video", "https://e.com/a.JPG?x=1", clip()),
        named("video", "/tmp/a.webm", clip(), local=True),  # noqa: S108  (a name, not a file)
    ],
    "image-extension-lies": [
        named("image", "https://e.com/a.png", picture(format="jpeg")),
        named("image", "https://e.com/a%2Ejpg", picture()),
    ],
    # video
    "video-container": [case(clip(container=name)) for name in ("webm", "matroska", "avi", "mpegts", "3gp")],
    "video-no-video-stream": [case(clip(video_streams=0, width=None, height=None))],
    "video-several-streams": [case(clip(video_streams=2))],
    "video-encrypted": [case(clip(encrypted=True))],
    "video-codec-unusual": [case(clip(codec="prores")), case(clip(codec="av1"))],
    "video-no-audio": [case(clip(audio_streams=0, audio=None))],
    "video-side-too-small": [case(clip(width=339)), case(clip(height=339)), case(clip(width=100, height=None))],
    "video-side-too-large": [case(clip(width=3851)), case(clip(height=3851))],
    "video-rotated": [case(clip(rotation=turn)) for turn in (90, 180, 270)],
    "video-variable-frame-rate": [
        case(clip(variable_frame_rate=True)),
        case(clip(variable_frame_rate=True, frame_rate=None)),
    ],
    "video-hdr": [case(clip(color_transfer="smpte2084")), case(clip(color_transfer="arib-std-b67"))],
    "video-high-bit-depth": [case(clip(bit_depth=10))],
    "video-interlaced": [case(clip(interlaced=True))],
    "video-anamorphic": [case(clip(sample_aspect_ratio=Fraction(16, 15)))],
    "video-fragmented": [case(clip(fragmented=True))],
    "video-not-faststart": [case(clip(faststart=False))],
    # image
    "image-format": [case(image=picture(format=name)) for name in ("webp", "gif", "bmp", "tiff", "avif", "heic")],
    "image-side-too-small": [case(image=picture(width=299)), case(image=picture(height=299))],
    "image-side-too-large": [case(image=picture(width=65537)), case(image=picture(height=65537))],
    "image-aspect": [
        case(image=picture(width=1000, height=2501)),
        case(image=picture(width=2501, height=1000)),
    ],
    "image-animated": [case(image=picture(animated=True, frames=12)), case(image=picture(animated=True, frames=None))],
    "image-exif-rotated": [case(image=picture(orientation=6)), case(image=picture(orientation=2))],
    "image-alpha": [case(image=picture(alpha=True, color_mode="RGBA"))],
    "image-cmyk": [case(image=picture(format="jpeg", color_mode="CMYK"))],
    "image-high-bit-depth": [case(image=picture(bit_depth=16, color_mode="I;16"))],
    # both
    "pair-aspect-mismatch": [
        case(clip(width=1280, height=720), picture(width=720, height=1280)),
        case(clip(width=720, height=1280), picture(width=1080, height=1080)),
    ],
}

#: rule -> the nearest cases that do not break it. The ordinary case is clean for every rule.
CLEAN: dict[str, list[Case]] = {
    "video-too-short": [case(clip("2.95")), case(clip(3))],
    "video-too-long": [case(clip("10.05"), orientation="image"), case(clip("30.05"))],
    "video-duration-borderline": [case(clip(3)), case(clip(10), orientation="image"), case(clip(30)), case(clip(31))],
    "video-audio-longer": [case(clip(durations=lasting(8, video="7.95"))), case(clip(durations=lasting(8, audio=6)))],
    "video-starts-late": [case(clip(start_offset=Fraction(1, 10)))],
    "video-duration-undeclared": [case(clip(container="webm", media_type="video/webm", durations=lasting(6)))],
    "video-header-disagrees": [case(clip(durations=lasting("8.02", header=8)))],
    "video-is-image": [refused("video", Refusal.AUDIO)],
    "video-truncated": [refused("video", Refusal.CORRUPT)],
    "video-too-large": [sized("video", 104_857_600)],
    "video-size-ambiguous": [sized("video", 100_000_000), sized("video", 104_857_601)],
    "image-too-large": [sized("image", 10_485_760)],
    "image-size-ambiguous": [sized("image", 10_000_000), sized("image", 10_485_761)],
    "video-extension-lies": [
        named("video", "https://e.com/a.mov", clip()),
        named("video", "https://e.com/a.mp4", clip(container="mov")),
        named("video", "https://e.com/a.php", clip()),
        named("video", "https://e.com/.mp4/stream", clip(container="webm")),
        named("video", "https://[e.com/a.mp4", clip(container="webm")),
        named("video", "https://e.com/a?name=b.webm", clip()),
    ],
    "image-extension-lies": [named("image", "https://e.com/a.JPEG", picture(format="jpeg"))],
    "video-container": [case(clip(container=name)) for name in ("mp4", "mov", "m4v")],
    "video-codec-unusual": [case(clip(codec="hevc")), case(clip(codec=None))],
    "video-no-audio": [case(clip(audio_streams=0, audio=None), keep_original_sound="no")],
    "video-side-too-small": [case(clip(width=340, height=340))],
    "video-side-too-large": [case(clip(width=3850, height=3850))],
    "video-hdr": [case(clip(color_transfer=None))],
    "video-anamorphic": [case(clip(sample_aspect_ratio=None))],
    "video-not-faststart": [case(clip(faststart=False, fragmented=True)), case(clip(faststart=None))],
    "image-format": [case(image=picture(format="jpeg"))],
    "image-side-too-small": [case(image=picture(width=300, height=300))],
    "image-side-too-large": [case(image=picture(width=65536, height=65536))],
    "image-aspect": [
        case(image=picture(width=1000, height=2500)),
        case(image=picture(width=2500, height=1000)),
    ],
    "pair-aspect-mismatch": [case(clip(width=1080, height=1080), picture(width=1620, height=1080))],
}


def rows(table: dict[str, list[Case]]) -> list[object]:
    return [
        pytest.param(rule, given, id=f"{rule}-{n}") for rule, cases in table.items() for n, given in enumerate(cases)
    ]


def test_every_rule_has_its_rows() -> None:
    """No rule about media is without a case that breaks it, except those that exist to stay unanswered."""
    assert sorted([*BREACHES, *NEVER_FIND]) == sorted(OURS)
    assert set(CLEAN) <= set(BREACHES)


def test_the_ordinary_case_is_clean() -> None:
    """Nothing is found, and nothing is left open, in an ordinary request; each row below changes one thing of it."""
    judgement = judge(case())
    assert judgement.findings == ()
    assert not [item for item in judgement.not_evaluated if item.decisive]


@pytest.mark.parametrize(("rule", "given"), rows(BREACHES))
def test_a_broken_case_is_found(rule: str, given: Case) -> None:
    """The finding has the declared severity, unless the profile's limit says otherwise, and whole sentences."""
    declared, finding = rule_by_id(rule), found(given)[rule]
    assert declared is not None
    softened = Severity.WARNING if rule == "video-container" else declared.severity
    assert finding.severity is softened
    assert finding.subject in declared.subjects
    for text in (finding.message, finding.why, finding.fix):
        assert re.fullmatch(r"[^{}]*\.", text), text
        assert not re.search(r"None|Fraction|Decimal|  |\.\.|\. ?\. ", text), text


@pytest.mark.parametrize(("rule", "given"), rows(CLEAN))
def test_a_clean_case_is_not(rule: str, given: Case) -> None:
    """The nearest right neighbour of a breach is not found."""
    assert rule not in found(given)


@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_every_refusal_is_an_error(kind: str, refusal: Refusal) -> None:
    """Bytes that are no medium never end without an error about that medium."""
    findings = judge(refused(kind, refusal)).findings
    assert [item.subject for item in findings if item.severity is Severity.ERROR] == [kind]


@pytest.mark.parametrize("orientation", ["image", "video"])
@pytest.mark.parametrize(
    ("seconds", "at_image", "at_video"),
    [
        ("0.5", "video-too-short", "video-too-short"),
        ("2.94", "video-too-short", "video-too-short"),
        ("2.9499", "video-too-short", "video-too-short"),
        ("2.95", "video-duration-borderline", "video-duration-borderline"),
        ("2.99", "video-duration-borderline", "video-duration-borderline"),
        ("2.999999", "video-duration-borderline", "video-duration-borderline"),
        ("3", None, None),
        ("6.5", None, None),
        ("10", None, None),
        ("10.000001", "video-duration-borderline", None),
        ("10.02", "video-duration-borderline", None),
        ("10.05", "video-duration-borderline", None),
        ("10.050001", "video-too-long", None),
        ("10.06", "video-too-long", None),
        ("29.99", "video-too-long", None),
        ("30", "video-too-long", None),
        ("30.01", "video-too-long", "video-duration-borderline"),
        ("30.05", "video-too-long", "video-duration-borderline"),
        ("30.06", "video-too-long", "video-too-long"),
        ("95", "video-too-long", "video-too-long"),
    ],
)
def test_the_window(seconds: str, at_image: str | None, at_video: str | None, orientation: str) -> None:
    """Both ends are inside, comparisons are exact, and exactly one rule speaks."""
    expected = at_image if orientation == "image" else at_video
    spoken = set(found(case(clip(seconds), orientation=orientation)))
    assert spoken == ({expected} if expected else set())


@pytest.mark.parametrize(
    ("container", "video", "orientation", "rule"),
    [
        ("10.02", "10", "image", "video-duration-borderline"),
        ("10", "10.02", "image", "video-duration-borderline"),
        ("12", "10", "image", "video-too-long"),
        ("3.2", "2.8", "video", "video-duration-borderline"),
        ("30.02", "30", "video", "video-duration-borderline"),
        ("8", "6", "video", None),
    ],
)
def test_the_container_is_judged_first(container: str, video: str, orientation: str, rule: str | None) -> None:
    """Where picture and container disagree about the window, the container decides what is more than a doubt."""
    given = case(clip(durations=lasting(container, video=video)), orientation=orientation)
    window_rules = {"video-too-short", "video-too-long", "video-duration-borderline"}
    assert set(found(given)) & window_rules == ({rule} if rule else set())


def test_a_borderline_finding_names_both_numbers_the_cause_and_the_cut() -> None:
    """The reader sees what disagrees, why, and the command that ends the doubt."""
    finding = found(case(clip(durations=lasting("10.02", video=10, audio="10.02")), orientation="image"))[
        "video-duration-borderline"
    ]
    assert "10.02 s" in finding.message
    assert "10.00 s" in finding.message
    assert "the sound runs 0.02 s longer" in finding.message
    assert "-t 9.8 " in finding.fix
    assert (finding.observed, finding.limit) == (10.02, 10)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        ({"truncated": True}, "cut off"),
        ({"start_offset": Fraction(3, 2)}, "starts 1.50 s late"),
        ({"durations": lasting("10.02", video=10, audio="10.02")}, "the sound runs 0.02 s longer"),
        ({"edit_list": True}, "edit list"),
        ({"variable_frame_rate": True}, "frame rate varies"),
        ({"fragmented": True}, "fragments"),
        ({}, "another stream"),
        ({"durations": lasting(9, video=10, audio=9)}, "clocks"),
    ],
)
def test_the_cause_of_a_disagreement_follows_from_the_facts(facts: dict[str, Any], cause: str) -> None:
    """Each known cause has its own words."""
    given: dict[str, Any] = {"durations": lasting("10.02", video=10, audio=10), **facts}
    assert cause in duration.disagreement(clip(**given))


def test_a_limit_that_is_crossed_by_little_is_shown_with_enough_digits() -> None:
    """No message says "10.00 s are more than 10 s"."""
    message = found(case(clip("10.0004"), orientation="image"))["video-duration-borderline"].message
    assert "10.0004 s" in message


def test_too_long_for_one_orientation_names_the_other() -> None:
    """The cheapest cure is a word in the request, where the other window admits the clip."""
    assert 'character_orientation to "video"' in found(case(clip(12), orientation="image"))["video-too-long"].fix
    assert "Or set" not in found(case(clip(31), orientation="image"))["video-too-long"].fix


def test_without_an_orientation_only_what_breaks_every_window_is_an_error() -> None:
    """Between the two windows the rule is not evaluated, and decides; beyond both, or inside both, it has an answer."""
    between = judge(case(clip(20), orientation=None)).not_evaluated
    assert [(item.rule, item.decisive) for item in between] == [("video-too-long", True)]
    assert "character_orientation" in between[0].reason
    assert judge(case(clip(8), orientation=None)).not_evaluated == ()
    near = judge(case(clip("10.02"), orientation=None)).not_evaluated
    assert [(item.rule, item.decisive) for item in near] == [("video-duration-borderline", False)]
    assert "video-duration-borderline" in found(case(clip("2.97"), orientation=None))


def test_swapped_media_are_told_as_such() -> None:
    """Both findings say that the two references are exchanged."""
    findings = found(case(video=picture(), image=clip()))
    assert findings["video-is-image"].fix.startswith("The two are swapped")
    assert findings["image-is-video"].fix.startswith("The two are swapped")
    assert "swapped" not in found(case(video=picture()))["video-is-image"].fix


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("video-duration-unknown", case(clip(durations=Durations(video=Fraction(8))))),
        ("video-too-long", case(clip(durations=Durations()))),
        ("video-too-short", case(clip(durations=Durations()))),
        ("video-size-unknown", sized("video", None)),
        ("video-too-large", sized("video", None)),
        ("image-size-unknown", sized("image", None)),
        ("video-no-video-stream", case(clip(video_streams=None))),
        ("video-side-too-small", case(clip(width=None))),
        ("video-side-too-large", case(clip(height=None))),
        ("video-truncated", case(clip(truncated=None))),
        ("video-encrypted", case(clip(encrypted=None))),
        ("image-truncated", case(image=picture(truncated=None))),
        ("image-side-too-small", case(image=picture(height=None))),
        ("image-aspect", case(image=picture(width=0))),
    ],
)
def test_what_is_not_established_decides(rule: str, given: Case) -> None:
    """A fact that an error rests on is never taken for a good one."""
    open_rules = {item.rule: item.decisive for item in judge(given).not_evaluated}
    assert open_rules[rule] is True
    assert rule not in found(given)


def test_a_fact_that_the_probe_missed_is_named_with_its_reason() -> None:
    """The reason of the probe is the reason of the judgement; a fact that a file may leave unsaid is no gap."""
    missed = case(clip(bit_depth=None, unknown=(Unknown("bit_depth", "its header is not readable"),)))
    (item,) = judge(missed).not_evaluated
    assert (item.rule, item.reason, item.decisive) == ("video-high-bit-depth", "its header is not readable", False)
    assert judge(case(clip(bit_depth=None))).not_evaluated == ()


def test_one_side_broken_and_the_other_unknown_says_both() -> None:
    """A finding that came before a gap stays."""
    judgement = judge(case(clip(width=100, height=None)))
    assert "video-side-too-small" in {item.rule for item in judgement.findings}
    assert "video-side-too-small" in {item.rule for item in judgement.not_evaluated}


def test_media_that_did_not_come_leave_their_own_reason() -> None:
    """A size is told as not delivered, not as withheld, where nothing was delivered."""
    lost = medium("video", None, size_bytes=None, failure=Failure(Cause.TIMEOUT, "no answer"))
    reasons = {item.rule: item.reason for item in judge(case(video=lost)).not_evaluated if item.subject == "video"}
    assert reasons["video-size-unknown"] == "the video was not delivered (timeout)"
    assert reasons["video-corrupt"] == reasons["video-too-long"] == reasons["video-size-unknown"]


def test_the_vendor_requires_what_the_page_suggests() -> None:
    """The same clip in another container is a warning to the provider and an error to the vendor."""
    given = clip(container="webm")
    assert found(case(given))["video-container"].severity is Severity.WARNING
    assert found(case(given, profile=OFFICIAL))["video-container"].severity is Severity.ERROR


@pytest.mark.parametrize(("rule", "given"), rows(BREACHES))
def test_commands_in_fixes_can_be_typed(rule: str, given: Case) -> None:
    """Every command is one that a shell splits as meant, and every Python one-liner compiles."""
    for command in re.findall(r"`((?:ffmpeg|python) [^`]*)`", found(given)[rule].fix):
        words = shlex.split(command)
        if words[0] == "python":
            assert words[1] == "-c"
            compile(words[2], rule, "exec")
            assert re.fullmatch(r"out\.(jpg|png)", words[-1])
            assert len(words) == 5
        else:
            assert words.count("-i") == 1
            assert re.fullmatch(r"out\.(mp4|png)", words[-1])


def test_no_rule_about_media_is_forgotten() -> None:
    """The registry holds each of ours once."""
    ids = [rule.id for rule in RULES]
    assert all(ids.count(rule) == 1 for rule in OURS)


@pytest.mark.parametrize("codec", ["vp8", "vp9", "av1", None])
def test_a_codec_that_mp4_readers_do_not_expect_is_encoded_anew(codec: str | None) -> None:
    """Copying such a stream into another container mends nothing; H.264 is copied."""
    assert "-c:v libx264" in found(case(clip(container="webm", codec=codec)))["video-container"].fix
    copied = found(case(clip(container="matroska")))["video-container"].fix
    assert "ffmpeg -i in.mkv -c:v copy" in copied
    assert "libx264" not in copied


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ("video-truncated", NotMedia(Refusal.TRUNCATED, "the index is missing")),
        ("video-corrupt", NotMedia(Refusal.GARBAGE, "nothing known")),
        ("video-is-image", picture()),
    ],
)
def test_no_command_is_advised_where_none_helps(rule: str, outcome: Outcome) -> None:
    """No program mends a file without an index, noise, or a still picture."""
    fix = found(case(outcome))[rule].fix
    assert "`" not in fix
    assert "animation" not in fix
    assert "ffmpeg" in found(case(picture(animated=True, format="gif")))["video-is-image"].fix
    assert "ffmpeg" in found(case(NotMedia(Refusal.CORRUPT, "a box overlaps")))["video-corrupt"].fix
    assert "ffmpeg" in found(case(clip(truncated=True)))["video-truncated"].fix


def test_a_budget_is_about_the_index_of_a_video_only() -> None:
    """A picture has no index to move."""
    ended = Failure(Cause.BUDGET, "too much")
    of_image = found(case(image=medium("image", None, size_bytes=None, failure=ended)))["delivery-budget"]
    of_video = found(case(medium("video", None, size_bytes=None, failure=ended)))["delivery-budget"]
    assert ("faststart" in of_image.fix, "faststart" in of_video.fix) == (False, True)


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("my clip.mp4", "'my clip.mp4'"),
        ("it's.mp4", "'it'\"'\"'s.mp4'"),
        ("-i.mp4", "./-i.mp4"),
        ("12:30.mp4", "./12:30.mp4"),
        ("/media/clip.mp4", "/media/clip.mp4"),
        ("a`b.mp4", "in.mp4"),
        ("a\x1bb.mp4", "in.mp4"),
    ],
)
def test_a_command_names_the_real_file(path: str, word: str) -> None:
    """Quoted for a shell; a name that cannot be printed as it is gives way to in.mp4."""
    fix = found(case(medium("video", clip(rotation=90), local=True, reference=path)))["video-rotated"].fix
    assert f"ffmpeg -i {word} -c:v" in fix
    assert path == shlex.split(word)[0].removeprefix("./") or word == "in.mp4"


def test_a_picture_keeps_its_kind_in_a_command() -> None:
    """A JPEG behind a URL is in.jpg, and stays a JPEG."""
    fix = found(case(image=picture(format="jpeg", orientation=6)))["image-exif-rotated"].fix
    assert fix.endswith('" in.jpg out.jpg`.')


@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_local_file_is_not_told_about_urls(kind: str, refusal: Refusal) -> None:
    """It has none yet."""
    about = medium(kind, NotMedia(refusal, "a thing"), local=True)  # type: ignore[arg-type]
    findings = found(case(about) if kind == "video" else case(image=about)).values()
    assert not any(re.search(r"(image|video)_url|link gives", item.message + item.fix) for item in findings)


def test_a_table_without_the_orientation_asked_for_decides_nothing() -> None:
    """Another orientation's number is never taken for it, by the rules or by the estimate."""
    limit = XCOMPUTE.limits["video_duration_max"].model_copy(update={"value": {"image": 10}})
    profile = XCOMPUTE.model_copy(update={"limits": {**XCOMPUTE.limits, "video_duration_max": limit}})
    given = case(clip(40), profile=profile, orientation="video")
    assert "video-too-long" not in found(given)
    reasons = {item.rule: item for item in judge(given).not_evaluated}
    assert reasons["video-too-long"].reason == "the profile states no limit for character_orientation video"
    assert reasons["video-too-long"].decisive
    assert estimate(given, None).hold_seconds is None
    assert found(case(clip(40), profile=profile, orientation="image"))["video-too-long"].limit == 10


def test_one_cut_is_advised_everywhere() -> None:
    """The rule and the estimate name the same number."""
    given = case(clip("10.02"), orientation="image")
    assert "-t 9.8 " in found(given)["video-duration-borderline"].fix
    assert any("a cut to 9.8 s" in text for text in estimate(given, None).assumptions)
