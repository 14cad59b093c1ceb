"""What arrived in each slot of the request: the right kind of medium, whole, under a name that fits it.

These rules look at the medium before its streams or pixels: its extension, and the probe's refusal where the
bytes are no medium that can be judged. Refusals that tell a *link* apart (a web page, JSON, an archive) are told in
`reference.py`; here are those that tell a *file* apart.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote

from preflight.deliver.url import cut, host_of
from preflight.facts import ImageFacts, NotMedia, Refusal, VideoFacts
from preflight.findings import Severity
from preflight.language import say, told
from preflight.rules.limits import LIBAV, NO_EVIDENCE, PAGE, VENDOR, scalar, seconds
from preflight.rules.model import SUBJECTS, Breach, Breaches, Case, Rule, Unestablished, established, rule

if TYPE_CHECKING:
    from preflight.facts import Delivery, Kind, Medium, Outcome

REENCODE = "`ffmpeg -i {file} -c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart out.mp4`"
RESAVE = (
    '`python -c "import sys; from PIL import Image; '
    "Image.open(sys.argv[1]).convert('RGB').save(sys.argv[2])\" {file} out.png`"
)

#: A file extension and the formats that may honestly bear it; the ISO family is one demuxer to every reader.
_ISO = frozenset({"mp4", "m4v", "mov", "3gp"})
_BEARERS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("mp4", "m4v", "mov", "qt", "3gp"), _ISO),
    **dict.fromkeys(("ts", "mts", "m2ts"), frozenset({"mpegts"})),
    **dict.fromkeys(("jpg", "jpeg", "jpe", "jfif"), frozenset({"jpeg"})),
    **dict.fromkeys(("tif", "tiff"), frozenset({"tiff"})),
    **dict.fromkeys(("heic", "heif"), frozenset({"heic", "avif"})),
    "mkv": frozenset({"matroska", "webm"}),
    **{name: frozenset({name}) for name in ("webm", "avi", "png", "webp", "gif", "bmp", "avif")},
}


def absence(medium: Medium | None, kind: Kind) -> str | None:
    """Why a slot holds nothing that rules about `kind` can look at, in a few words; None when it holds one."""
    if medium is None:
        return say("the request names no {kind}", kind=say(SUBJECTS[kind]))
    if medium.outcome is None and (failure := medium.delivery.failure):
        return say("the {kind} was not delivered ({cause})", kind=say(SUBJECTS[kind]), cause=failure.cause.value)
    if medium.outcome is None:
        return say("the {kind} was not delivered", kind=say(SUBJECTS[kind]))
    if isinstance(medium.outcome, NotMedia):
        refusal = medium.outcome.refusal.value
        return say("the {kind} could not be opened ({refusal})", kind=say(SUBJECTS[kind]), refusal=refusal)
    if kind == "video" and not isinstance(medium.outcome, VideoFacts):
        return say("the file is an image, not a video")
    if kind == "image" and not isinstance(medium.outcome, ImageFacts):
        return say("the file is a video, not an image")
    return None


def answer(medium: Medium) -> Outcome:
    """What the bytes are.

    Raises:
        Unestablished: they could not be had.
    """
    if medium.outcome is None:
        raise Unestablished(absence(medium, medium.kind) or "")
    return medium.outcome


def _refused(medium: Medium, *refusals: Refusal, **values: str) -> Breaches:
    outcome = answer(medium)
    if isinstance(outcome, NotMedia) and outcome.refusal in refusals:
        values["detail"] = told(outcome.detail)
        yield Breach(observed=outcome.media_type or outcome.refusal.value, values=values)


# ------------------------------------------------------------------------------------- the wrong kind


@rule(
    "video-is-image",
    "reference",
    Severity.ERROR,
    subjects=("video",),
    title="The video is a still or animated picture",
    message="The video is an image file ({observed}).",
    why="Motion is taken from a video; a picture holds none that the provider reads, an animated one included.",
    fix="{swap}{animation}Give a clip in which a person moves.",
    source=PAGE,
)
def video_is_image(case: Case, medium: Medium) -> Breaches:
    """A picture came where a video belongs."""
    if isinstance(outcome := answer(medium), ImageFacts):
        animation = say(
            "An animation becomes a video with `ffmpeg -i {file} -vf 'scale=trunc(iw/2)*2:trunc(ih/2)*2' "
            "-pix_fmt yuv420p -movflags +faststart out.mp4`. "
        )
        values = {"swap": _swap(case), "animation": animation if outcome.animated else ""}
        yield Breach(observed=outcome.format, values=values)


@rule(
    "image-is-video",
    "reference",
    Severity.ERROR,
    subjects=("image",),
    title="The image is a video",
    message="The image is a video file ({observed}).",
    why="The character is taken from a still picture; the provider does not choose a frame of a video.",
    fix="{swap}One frame is taken with `ffmpeg -ss 1 -i {file} -frames:v 1 out.png`.",
    source=PAGE,
)
def image_is_video(case: Case, medium: Medium) -> Breaches:
    """A video came where a picture belongs."""
    if isinstance(outcome := answer(medium), VideoFacts):
        yield Breach(observed=outcome.container, values={"swap": _swap(case)})


def _swap(case: Case) -> str:
    image, video = case.image, case.video
    if image and video and isinstance(image.outcome, VideoFacts) and isinstance(video.outcome, ImageFacts):
        return say("The two are swapped: exchange image_url and video_url. ")
    return ""


@rule(
    "video-is-audio",
    "refusal",
    Severity.ERROR,
    subjects=("video",),
    title="The video is a sound file",
    message="The video is a sound file: {detail}.",
    why="Without a picture there is no motion to take over.",
    fix="Name the video itself; many download tools save its sound beside it as a file of its own.",
    source=PAGE,
)
def video_is_audio(_case: Case, medium: Medium) -> Breaches:
    """A file of sound alone, told by its first bytes."""
    return _refused(medium, Refusal.AUDIO)


@rule(
    "video-playlist",
    "refusal",
    Severity.ERROR,
    subjects=("video",),
    title="The video is a playlist, not a file",
    message="The video is a playlist: {detail}.",
    why="A playlist (HLS, DASH) only names the pieces of a stream; the provider asks for a direct link to one file.",
    fix="Join the pieces into one file: `ffmpeg -i playlist.m3u8 -c copy -movflags +faststart out.mp4`.",
    source=PAGE,
)
def video_playlist(_case: Case, medium: Medium) -> Breaches:
    """A list of pieces instead of the stream."""
    return _refused(medium, Refusal.PLAYLIST)


@rule(
    "video-unsupported",
    "refusal",
    Severity.ERROR,
    subjects=("video",),
    title="The video is of a kind that cannot be opened",
    message="The video's file format cannot be opened: {detail}.",
    why="The provider names mp4 and mov; a format this far from them is refused, or fails in decoding.",
    fix=f"Convert it: {REENCODE}.",
    source=PAGE,
)
def video_unsupported(_case: Case, medium: Medium) -> Breaches:
    """A known format that is not opened."""
    return _refused(medium, Refusal.UNSUPPORTED)


@rule(
    "image-unsupported",
    "refusal",
    Severity.ERROR,
    subjects=("image",),
    title="The image is of a kind that cannot be opened",
    message="The image is a file that is no usable picture: {detail}.",
    why="The vendor takes jpg and png. Sound, playlists and project files of editors are refused.",
    fix="Export a PNG or JPEG from the program that made the file, and name that.",
    source=VENDOR,
)
def image_unsupported(_case: Case, medium: Medium) -> Breaches:
    """A known format that is no picture which is opened."""
    return _refused(medium, Refusal.UNSUPPORTED, Refusal.AUDIO, Refusal.PLAYLIST)


# ---------------------------------------------------------------------------------------- broken files


@rule(
    "video-truncated",
    "reference",
    Severity.ERROR,
    subjects=("video",),
    title="The video file is cut off",
    message="The end of the video file is missing: {detail}.",
    why="An upload or download stopped early. Where the index came through, probers still report the full duration: "
    "the job is accepted and billed by it, and fails or loses its end once the frames are read. Without the index "
    "nobody can open the file at all.",
    fix="Upload the original file again and compare the sizes{rest}.",
    source=LIBAV,
)
def video_truncated(_case: Case, medium: Medium) -> Breaches:
    """The index is in the missing part, or the index names bytes beyond the end."""
    yield from _refused(medium, Refusal.TRUNCATED, rest="")
    if isinstance(clip := medium.outcome, VideoFacts) and established(clip, "truncated"):
        rest = say("; if only this copy exists, keep what is there: {command}", command=REENCODE)
        whole, present = clip.durations.video or clip.durations.container, clip.durations.present
        if present is None or whole is None:
            yield Breach(values={"detail": say("its structure reaches beyond its last byte"), "rest": rest})
        else:
            lengths = {"present": seconds(present, beside=whole), "whole": seconds(whole)}
            story = say("only {present} of {whole} s are in it", **lengths)
            yield Breach(scalar(present), scalar(whole), values={"detail": story, "rest": rest})


@rule(
    "image-truncated",
    "reference",
    Severity.ERROR,
    subjects=("image",),
    title="The image file is cut off",
    message="The end of the image file is missing: {detail}.",
    why="An upload or download stopped early. A decoder refuses the file, or fills the missing part with grey.",
    fix="Upload the original file again and compare the sizes.",
    source=VENDOR,
)
def image_truncated(_case: Case, medium: Medium) -> Breaches:
    """The size or the end of the picture is in the missing part."""
    yield from _refused(medium, Refusal.TRUNCATED)
    if isinstance(medium.outcome, ImageFacts) and established(medium.outcome, "truncated"):
        yield Breach(values={"detail": say("its data ends before the picture does")})


@rule(
    "video-corrupt",
    "refusal",
    Severity.ERROR,
    subjects=("video",),
    title="The video is damaged or no video at all",
    message="The video's bytes cannot be read as a video: {detail}.",
    why="What cannot be opened here is not opened by the provider either; the job fails after it was accepted.",
    fix="Play the original; export it again if it does not play, upload it again if it does{mend}.",
    source=LIBAV,
)
def video_corrupt(_case: Case, medium: Medium) -> Breaches:
    """Broken structure, or bytes that are nothing known."""
    mend = say("; if only this copy exists, try to mend it: {command}", command=REENCODE)
    yield from _refused(medium, Refusal.CORRUPT, mend=mend)
    yield from _refused(medium, Refusal.GARBAGE, mend="")


@rule(
    "image-corrupt",
    "refusal",
    Severity.ERROR,
    subjects=("image",),
    title="The image is damaged or no image at all",
    message="The image's bytes cannot be read as an image: {detail}.",
    why="What cannot be opened here is not opened by the provider either; the job fails after it was accepted.",
    fix="Open the original in a viewer; export it again if it does not open, upload it again if it does.",
    source=VENDOR,
)
def image_corrupt(_case: Case, medium: Medium) -> Breaches:
    """Broken structure, or bytes that are nothing known."""
    return _refused(medium, Refusal.CORRUPT, Refusal.GARBAGE)


@rule(
    "video-too-complex",
    "refusal",
    Severity.ERROR,
    subjects=("video",),
    title="The video's structure is beyond any real clip",
    message="The video was not opened, because its structure claims more than a real clip holds: {detail}.",
    why="Such files exhaust the memory or time of whoever opens them; a server protects itself and refuses.",
    fix=f"Write the clip anew, which drops everything unusual: {REENCODE}.",
    source="a limit of preflight's own, far above any clip of 30 seconds",
)
def video_too_complex(_case: Case, medium: Medium) -> Breaches:
    """The probe refused before a decoder saw it."""
    return _refused(medium, Refusal.TOO_COMPLEX)


@rule(
    "image-too-complex",
    "refusal",
    Severity.ERROR,
    subjects=("image",),
    title="The image's structure is beyond any real picture",
    message="The image was not opened, because its structure claims more than a real picture holds: {detail}.",
    why="Such files exhaust the memory or time of whoever opens them; a server protects itself and refuses.",
    fix="Export the picture anew as a PNG or JPEG with sides of a few thousand pixels.",
    source="a limit of preflight's own, far above any picture that a job can use",
)
def image_too_complex(_case: Case, medium: Medium) -> Breaches:
    """The probe refused before a decoder saw it."""
    return _refused(medium, Refusal.TOO_COMPLEX)


@rule(
    "video-crashes-decoder",
    "refusal",
    Severity.ERROR,
    subjects=("video",),
    title="The video ends the decoder that opens it",
    message="The video could not be read: {detail}.",
    why="preflight reads media in a process of its own; this one took it down. The same library most likely reads the "
    "clip at the provider, where the job fails.",
    fix=f"Write the clip anew: {REENCODE}. If that fails too, export it again from its source.",
    source=LIBAV,
)
def video_crashes_decoder(_case: Case, medium: Medium) -> Breaches:
    """The process that probed it died, or had to be stopped."""
    return _refused(medium, Refusal.CRASHES)


@rule(
    "image-crashes-decoder",
    "refusal",
    Severity.ERROR,
    subjects=("image",),
    title="The image ends the decoder that opens it",
    message="The image could not be read: {detail}.",
    why="preflight reads media in a process of its own; this one took it down. A server that opens it fails as well.",
    fix="Export the picture anew as a PNG or JPEG.",
    source="observed in preflight's own decoder",
)
def image_crashes_decoder(_case: Case, medium: Medium) -> Breaches:
    """The process that probed it died, or had to be stopped."""
    return _refused(medium, Refusal.CRASHES)


# ----------------------------------------------------------------------------------------- extensions


def _extension(delivery: Delivery) -> str:
    """The file extension that the reference shows (lower case, no dot), "" if it is none that we know."""
    path = delivery.reference
    if not delivery.local:
        path = unquote(cut(path).path) if host_of(path) else ""
    suffix = PurePosixPath(path).suffix.lower().removeprefix(".")
    return suffix if suffix in _BEARERS else ""


def _lie(medium: Medium, format_name: str) -> Breaches:
    extension = _extension(medium.delivery)
    if extension and format_name not in _BEARERS[extension]:
        yield Breach(observed=format_name, limit=extension, values={"extension": f".{extension}"})


@rule(
    "video-extension-lies",
    "reference",
    Severity.WARNING,
    subjects=("video",),
    title="The video's extension does not fit its bytes",
    message="The video's name ends in {extension}, but the file is {observed}.",
    why="Some services choose by the name what others choose by the bytes; a file that says two things is refused "
    "by one of them. The bytes decide in this report.",
    fix="Renaming does not convert. Write a real mp4 and name it .mp4: " + REENCODE + ".",
    source=NO_EVIDENCE,
)
def video_extension_lies(_case: Case, medium: Medium) -> Breaches:
    """A known extension that this format cannot honestly bear."""
    if isinstance(outcome := answer(medium), VideoFacts):
        yield from _lie(medium, outcome.container)


@rule(
    "image-extension-lies",
    "reference",
    Severity.WARNING,
    subjects=("image",),
    title="The image's extension does not fit its bytes",
    message="The image's name ends in {extension}, but the file is {observed}.",
    why="Some services choose by the name what others choose by the bytes; a file that says two things is refused "
    "by one of them. The bytes decide in this report.",
    fix=f"Renaming does not convert. Write a real PNG and name it .png: {RESAVE}.",
    source=NO_EVIDENCE,
)
def image_extension_lies(_case: Case, medium: Medium) -> Breaches:
    """A known extension that this format cannot honestly bear."""
    if isinstance(outcome := answer(medium), ImageFacts):
        yield from _lie(medium, outcome.format)


VIDEO_RULES: tuple[Rule, ...] = (
    video_is_image,
    video_is_audio,
    video_playlist,
    video_unsupported,
    video_truncated,
    video_corrupt,
    video_too_complex,
    video_crashes_decoder,
    video_extension_lies,
)
IMAGE_RULES: tuple[Rule, ...] = (
    image_is_video,
    image_unsupported,
    image_truncated,
    image_corrupt,
    image_too_complex,
    image_crashes_decoder,
    image_extension_lies,
)
RULES = VIDEO_RULES + IMAGE_RULES
