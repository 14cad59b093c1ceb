"""How long the clip is, judged against the window of the request: the rules that decide acceptance and money.

One file can honestly have several durations. `container` is judged first, for it is what a server most likely reads.
Beyond the window by more than the profile's slack it is an error. Beyond by less, or with another measure on the other
side of the limit, nobody can tell what the provider will say: that is `video-duration-borderline`. A duration that is
not established is never a pass.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

from preflight.findings import Severity
from preflight.language import say
from preflight.rules.limits import (
    CUT_MARGIN,
    LIBAV,
    PAGE,
    exceeded,
    numbers,
    plain,
    scalar,
    seconds,
    stated,
    undercut,
)
from preflight.rules.model import Breach, Breaches, Case, Rule, Unestablished, established, rule

if TYPE_CHECKING:
    from preflight.facts import VideoFacts

#: Sound coders pad and frame reordering shifts by less than this (seconds); it is no tail and no late start.
_HARMLESS = Fraction(1, 10)
_KEEP = "-c:v libx264 -pix_fmt yuv420p -c:a aac -movflags +faststart"


class _Window(NamedTuple):
    """Seconds, both ends included; None: open."""

    low: Fraction | None
    high: Fraction | None

    def holds(self, value: Fraction) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def overrun(self, value: Fraction) -> Fraction:
        """How far `value` lies outside, in seconds; 0 inside."""
        below = self.low - value if self.low is not None else Fraction(0)
        above = value - self.high if self.high is not None else Fraction(0)
        return max(below, above, Fraction(0))


def _windows(case: Case) -> list[_Window]:
    """The window that applies, or every one that may while the request does not say which."""
    low, high = case.limit("video_duration_min"), case.limit("video_duration_max")
    lows: tuple[Fraction | None, ...] = numbers(case, low) if low else (None,)
    highs: tuple[Fraction | None, ...] = numbers(case, high) if high else (None,)
    return [_Window(*ends) for ends in product(lows, highs)]


def _slack(case: Case) -> Fraction:
    limit = case.limit("video_duration_borderline")
    return max(numbers(case, limit)) if limit else Fraction(0)


def _container(clip: VideoFacts) -> Fraction:
    value: Fraction = established(clip, "durations.container")
    return value


def _others(clip: VideoFacts) -> dict[str, Fraction]:
    """The measures of the picture itself, by name, as far as they are known."""
    known = {"video": clip.durations.video, "present": clip.durations.present}
    return {name: value for name, value in known.items() if value is not None}


def disagreement(clip: VideoFacts) -> str:
    """Why the container's duration differs from the picture's: a clause."""
    durations = clip.durations
    container, video = durations.container, durations.video
    if clip.truncated:
        return say("the file is cut off")
    if container is None or video is None or container == video:
        return say("the file's structure is inconsistent")
    if clip.start_offset and clip.start_offset > _HARMLESS:
        return say("the picture starts {seconds} s late", seconds=seconds(clip.start_offset))
    if durations.audio is not None and durations.audio > video:
        return say("the sound runs {seconds} s longer than the picture", seconds=seconds(durations.audio - video))
    if clip.edit_list:
        return say("an edit list cuts or delays the picture")
    if clip.variable_frame_rate:
        return say("the frame rate varies")
    if clip.fragmented:
        return say("the file is written in fragments whose clocks start apart")
    if container > video:
        return say("another stream runs longer than the picture")
    return say("the streams' clocks start apart")


def _also(clip: VideoFacts) -> str:
    """A second sentence for a message about the container, where the picture itself tells another number."""
    container, video = clip.durations.container, clip.durations.video
    if container is None or video is None or container == video:
        return ""
    length = seconds(video, beside=container)
    return say(" The picture alone lasts {seconds} s: {cause}.", seconds=length, cause=disagreement(clip))


def _wider(case: Case, value: Fraction) -> str:
    """The other choice of the request that admits this duration, as a sentence; "" if there is none."""
    limit = case.limit("video_duration_max")
    if limit is None or limit.by is None or not isinstance(limit.value, dict):
        return ""
    for key, number in limit.value.items():
        if value <= Fraction(number):
            most = plain(Fraction(number))
            return say('Or set {name} to "{value}", which takes up to {most} s. ', name=limit.by, value=key, most=most)
    return ""


@rule(
    "video-too-short",
    "video",
    Severity.ERROR,
    limits=("video_duration_min", "video_duration_borderline"),
    title="The video is too short",
    message="The video lasts {seconds} s; at least {least} s are asked for.{also}",
    why="The server probes the real duration of video_url and refuses a clip below the minimum. The refusal can come "
    "minutes after the job was accepted.",
    fix="Take a longer piece of the original: `ffmpeg -ss 0 -i original.mp4 -t 5 " + _KEEP + " out.mp4`. "
    "Slowing the clip down, freezing its last frame or padding it has been tried and is refused.",
    source=PAGE,
)
def video_too_short(case: Case, clip: VideoFacts) -> Breaches:
    """The container is shorter than the minimum by more than the slack."""
    container = _container(clip)
    if (limit := undercut(case, "video_duration_min", container, _slack(case))) is not None:
        values = {"seconds": seconds(container, beside=limit), "least": plain(limit), "also": _also(clip)}
        yield Breach(scalar(container), scalar(limit), case.limit("video_duration_min"), values=values)


@rule(
    "video-too-long",
    "video",
    Severity.ERROR,
    limits=("video_duration_max", "video_duration_borderline"),
    title="The video is too long",
    message="The video lasts {seconds} s; at most {most} s are accepted{choice}.{also}",
    why="The server probes the real duration of video_url and refuses a clip above the maximum, which the requested "
    "orientation decides. Some services charge first and refuse afterwards.",
    fix="Cut it a little below the limit: `ffmpeg -i {file} -t {cut} " + _KEEP + " out.mp4`. {wider}"
    "Check the result: a cut made with -c copy often comes out longer than asked.",
    source=PAGE,
)
def video_too_long(case: Case, clip: VideoFacts) -> Breaches:
    """The container is longer than the maximum by more than the slack."""
    container, by = _container(clip), case.limit("video_duration_max")
    if (limit := exceeded(case, "video_duration_max", container, _slack(case))) is not None:
        key = getattr(case.request, by.by) if by and by.by else None
        yield Breach(
            scalar(container),
            scalar(limit),
            by,
            values={
                "seconds": seconds(container, beside=limit),
                "most": plain(limit),
                "choice": say(' with {name} "{value}"', name=by.by, value=key) if by and key else "",
                "also": _also(clip),
                "cut": plain(limit - CUT_MARGIN),
                "wider": _wider(case, container),
            },
        )


@rule(
    "video-duration-borderline",
    "video",
    Severity.WARNING,
    limits=("video_duration_borderline", "video_duration_min", "video_duration_max"),
    title="The video's duration is too close to a limit to be sure",
    message="The video may be refused: {story}.",
    why="Nobody publishes how the server rounds, or which of a file's durations it reads. Of the sister models, one "
    "takes a few hundredths of a second past its limit and another refuses them.",
    fix="{cure}",
    source=PAGE,
)
def video_duration_borderline(case: Case, clip: VideoFacts) -> Breaches:
    """The container is beyond a limit by no more than the slack, or another measure is on its other side."""
    container = _container(clip)
    breaches = [_doubt(case, clip, window, container) for window in _windows(case)]
    if all(breaches):
        yield from (breach for breach in breaches[-1:] if breach)
    elif any(breaches):
        raise Unestablished(say("character_orientation is missing or invalid, and the window depends on it"))


def _doubt(case: Case, clip: VideoFacts, window: _Window, container: Fraction) -> Breach | None:
    """What leaves this window's answer open, or None where the answer is plain."""
    if window.holds(container):
        beyond = {name: value for name, value in _others(clip).items() if not window.holds(value)}
        return next((_torn(clip, window, name, value) for name, value in beyond.items()), None)
    if window.overrun(container) > _slack(case):
        return None
    limit, video = _crossed(window, container), clip.durations.video
    beside = ""
    if video is not None and window.holds(video):
        length = seconds(video, beside=limit)
        beside = say(", its picture {seconds} s ({cause})", seconds=length, cause=disagreement(clip))
    story = say(
        "its container lasts {container} s{beside}, and the limit is {limit} s. "
        "The {overrun} s beyond it are within the known slack of {slack} s",
        container=seconds(container, beside=limit),
        beside=beside,
        limit=plain(limit),
        overrun=seconds(window.overrun(container)),
        slack=plain(_slack(case)),
    )
    values = {"story": story, "cure": _cure(window, container)}
    return Breach(scalar(container), scalar(limit), case.limit("video_duration_borderline"), values=values)


def _torn(clip: VideoFacts, window: _Window, name: str, value: Fraction) -> Breach:
    limit = _crossed(window, value)
    container = clip.durations.container or value
    length = seconds(value, beside=limit)
    picture = (
        say("its picture lasts {seconds} s", seconds=length)
        if name == "video"
        else say("the picture that is really in the file lasts {seconds} s", seconds=length)
    )
    story = say(
        "its container lasts {container} s, {picture}, and the limit of {limit} s lies between them; {cause}",
        container=seconds(container, beside=limit),
        picture=picture,
        limit=plain(limit),
        cause=disagreement(clip),
    )
    return Breach(scalar(value), scalar(limit), values={"story": story, "cure": _cure(window, value)})


def _crossed(window: _Window, value: Fraction) -> Fraction:
    """The end of the window that `value` lies beyond."""
    end = window.low if window.low is not None and value < window.low else window.high
    return value if end is None else end


def _cure(window: _Window, value: Fraction) -> str:
    if window.low is not None and value < window.low:
        command = f"`ffmpeg -ss 0 -i original.mp4 -t {plain(window.low + Fraction(1, 2))} {_KEEP} out.mp4`"
        return say("Take a longer piece of the original, with half a second to spare: {command}.", command=command)
    limit = window.high if window.high is not None else value
    command = f"`ffmpeg -i {{file}} -t {plain(limit - CUT_MARGIN)} {_KEEP} out.mp4`"
    return say("Cut picture and sound below the limit: {command}.", command=command)


@rule(
    "video-duration-unknown",
    "video",
    Severity.ERROR,
    title="The video's duration cannot be established",
    message="The duration of the video cannot be established.",
    why="The window and the price both rest on it. Live recordings (WebM from a browser) and streams often carry no "
    "duration; an unknown duration is never taken for an allowed one.",
    fix="Write the clip anew, which gives it an index and a duration: `ffmpeg -i {file} " + _KEEP + " out.mp4`.",
    source=PAGE,
)
def video_duration_unknown(_case: Case, clip: VideoFacts) -> Breaches:
    """Finds nothing by itself: without a container duration it cannot be evaluated, and that is the point."""
    _container(clip)
    return iter(())


# --------------------------------------------------------------------------- why the measures disagree


@rule(
    "video-audio-longer",
    "video",
    Severity.WARNING,
    title="The sound runs on after the picture has ended",
    message="The sound lasts {audio} s and the picture {video} s.",
    why="A prober reports the longest stream, so the tail of sound is billed as if it were picture, and can push the "
    "clip over its limit.",
    fix="End both together: `ffmpeg -i {file} -t {video} " + _KEEP + " out.mp4`.",
    source=LIBAV,
)
def video_audio_longer(_case: Case, clip: VideoFacts) -> Breaches:
    """The sound outlasts the picture by more than padding explains."""
    audio, video = stated(clip, "durations.audio"), stated(clip, "durations.video")
    if audio is not None and video is not None and audio - video > _HARMLESS:
        values = {"audio": seconds(audio, beside=video), "video": seconds(video)}
        yield Breach(scalar(audio), scalar(video), values=values)


@rule(
    "video-starts-late",
    "video",
    Severity.WARNING,
    title="The picture starts later than the file",
    message="The picture starts {offset} s after the beginning of the file.",
    why="Readers disagree about such a clip: some count the empty beginning, some do not. It is shown as black, or the "
    "sound of the result is shifted against the motion.",
    fix="Begin at the first frame: `ffmpeg -ss {offset} -i {file} " + _KEEP + " out.mp4`.",
    source=LIBAV,
)
def video_starts_late(_case: Case, clip: VideoFacts) -> Breaches:
    """The first frame comes later than frame reordering explains."""
    offset = stated(clip, "start_offset")
    if offset is not None and offset > _HARMLESS:
        yield Breach(scalar(offset), values={"offset": seconds(offset)})


@rule(
    "video-edit-list",
    "video",
    Severity.NOTE,
    title="An edit list cuts or delays the picture",
    message="The file holds an edit list: players show another part of the picture than the frames stored in it.",
    why="Readers that ignore edit lists see the uncut clip and another duration, up to several times as long.",
    fix="Make the cut real by encoding anew: `ffmpeg -i {file} " + _KEEP + " out.mp4`.",
    source=LIBAV,
)
def video_edit_list(_case: Case, clip: VideoFacts) -> Breaches:
    """The probe has seen an edit list that cuts or delays."""
    if stated(clip, "edit_list"):
        yield Breach(observed=True)


@rule(
    "video-header-disagrees",
    "video",
    Severity.NOTE,
    title="The file's header claims another duration than its streams",
    message="The header claims {header} s; the streams last {container} s.",
    why="libav rebuilds the duration from the streams; one that trusts the header reports, and may bill, the claim.",
    fix="Write the header anew, the picture stays as it is: `ffmpeg -i {file} -c copy -movflags +faststart out.mp4`.",
    source=LIBAV,
)
def video_header_disagrees(_case: Case, clip: VideoFacts) -> Breaches:
    """Header and streams differ by more than padding explains."""
    header, container = stated(clip, "durations.header"), stated(clip, "durations.container")
    if header is not None and container is not None and abs(header - container) > _HARMLESS:
        values = {"header": seconds(header, beside=container), "container": seconds(container)}
        yield Breach(scalar(header), scalar(container), values=values)


@rule(
    "video-duration-undeclared",
    "video",
    Severity.WARNING,
    title="The file states no duration; only its last frames tell it",
    message="The {format} header states no duration; its last frames give {container} s.",
    why="Live recorders leave the field empty. libav then reports no duration, and a server that asks nobody else "
    "refuses the clip or reads something else than its length.",
    fix=f"Make it an mp4, whose header says how long it is: `ffmpeg -i {{file}} {_KEEP} out.mp4`.",
    source=LIBAV,
)
def video_duration_undeclared(_case: Case, clip: VideoFacts) -> Breaches:
    """A container that has a field for its duration leaves it empty."""
    container = stated(clip, "durations.container")
    if clip.container in ("webm", "matroska") and container is not None and clip.durations.header is None:
        yield Breach(scalar(container), values={"format": clip.container, "container": seconds(container)})


RULES: tuple[Rule, ...] = (
    video_duration_unknown,
    video_too_short,
    video_too_long,
    video_duration_borderline,
    video_duration_undeclared,
    video_audio_longer,
    video_starts_late,
    video_edit_list,
    video_header_disagrees,
)
