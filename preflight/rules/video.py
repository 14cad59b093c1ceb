"""The clip's container, streams and picture. What nobody is known to refuse is at most a warning."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from preflight.findings import Severity
from preflight.language import later, say
from preflight.rules.limits import (
    LIBAV,
    LOGS,
    NO_EVIDENCE,
    PAGE,
    SIDES,
    VENDOR,
    exceeded,
    listing,
    plain,
    scalar,
    seconds,
    stated,
    undercut,
)
from preflight.rules.medium import REENCODE
from preflight.rules.model import Breach, Breaches, Case, Rule, established, rule

if TYPE_CHECKING:
    from preflight.facts import VideoFacts

#: Codecs that every reader of mp4 knows: their pictures need no second encoding.
_FIT_FOR_MP4 = frozenset({"h264", "hevc"})
_REWRAP = "`ffmpeg -i {file} -c:v copy -c:a aac -movflags +faststart out.mp4`"
_HDR = {"smpte2084": later("PQ (HDR10, Dolby Vision)"), "arib-std-b67": "HLG"}
_TONE_MAP = (
    "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable:desat=0,"
    "zscale=t=bt709:m=bt709:r=tv,format=yuv420p"
)


# ------------------------------------------------------------------------------- container and streams


@rule(
    "video-container",
    "video",
    Severity.ERROR,
    limits=("video_containers",),
    title="The video's container is not one that the provider names",
    message="The video is a {observed} file; {limit} is asked for.",
    why="Other containers may be refused, and their durations are read differently by different servers.",
    fix="{cure}.",
    source=PAGE,
)
def video_container(case: Case, clip: VideoFacts) -> Breaches:
    """The container, told by the bytes, is not on the profile's list."""
    limit = case.limit("video_containers")
    if limit and clip.container not in limit.names:
        cure = say("Write it anew as mp4 with H.264: {command}", command=REENCODE)
        if clip.codec in _FIT_FOR_MP4:
            cure = say("Its picture fits into an mp4 as it is: {command}", command=_REWRAP)
        yield listing(clip.container, limit, cure=cure)


@rule(
    "video-no-video-stream",
    "video",
    Severity.ERROR,
    title="The file holds no picture",
    message="The file is a {observed} container without a video stream.",
    why="Without a picture there is no motion to take over.",
    fix="Name the video itself; this file holds its sound only.",
    source=PAGE,
)
def video_no_video_stream(_case: Case, clip: VideoFacts) -> Breaches:
    """No moving picture in the container."""
    if established(clip, "video_streams") == 0:
        yield Breach(clip.container)


@rule(
    "video-several-streams",
    "video",
    Severity.WARNING,
    title="The file holds several video streams",
    message="The file holds {observed} video streams; only one is used, and readers choose differently.",
    why="The provider may take the motion from another stream than the one that your player shows.",
    fix="Keep the first one: `ffmpeg -i {file} -map 0:v:0 -map 0:a:0? -c copy -movflags +faststart out.mp4`.",
    source=LIBAV,
)
def video_several_streams(_case: Case, clip: VideoFacts) -> Breaches:
    """More than one moving picture; a cover is none."""
    streams = stated(clip, "video_streams")
    if streams is not None and streams > 1:
        yield Breach(streams, 1)


@rule(
    "video-encrypted",
    "video",
    Severity.ERROR,
    title="The video is encrypted",
    message="The video's samples are encrypted (DRM).",
    why="Nobody without the key can decode the picture; the job fails after it was accepted.",
    fix="Use an original without copy protection.",
    source=LIBAV,
)
def video_encrypted(_case: Case, clip: VideoFacts) -> Breaches:
    """Samples that need a key."""
    if established(clip, "encrypted"):
        yield Breach(observed=True)


@rule(
    "video-codec-unusual",
    "video",
    Severity.WARNING,
    limits=("video_codecs",),
    title="The video's codec is unusual",
    message="The video is coded as {observed}; {limit} is usual.",
    why="The page names containers and no codecs. A codec that the server cannot decode fails the job later.",
    fix=f"Encode it as H.264: {REENCODE}.",
    source=NO_EVIDENCE,
)
def video_codec_unusual(case: Case, clip: VideoFacts) -> Breaches:
    """The codec is not on the profile's list."""
    limit, codec = case.limit("video_codecs"), stated(clip, "codec")
    if limit and codec is not None and codec not in limit.names:
        yield listing(codec, limit)


@rule(
    "video-no-audio",
    "video",
    Severity.WARNING,
    title="The video has no sound to keep",
    message='keep_original_sound is "yes", but the video has no sound.',
    why="The result will be silent; if sound was expected, the wrong file was uploaded.",
    fix='Set keep_original_sound to "no", or name the version of the clip that has sound.',
    source=PAGE,
)
def video_no_audio(case: Case, clip: VideoFacts) -> Breaches:
    """Sound is to be kept, and there is none."""
    if case.request.keep_original_sound == "yes" and stated(clip, "audio_streams") == 0:
        yield Breach(0)


# -------------------------------------------------------------------------------------------- sides


@rule(
    "video-side-too-small",
    "video",
    Severity.ERROR,
    limits=("video_side_min",),
    title="The video's picture is too small",
    message="The video's {side} is {observed} px as displayed ({shape}); each side must have at least {limit} px.",
    why="The vendor refuses a picture whose width or height is below its minimum, with an error code and no number.",
    fix="Use a larger original. If there is none, enlarge it: "
    "`ffmpeg -i {file} -vf \"scale=w='if(lt(iw,ih),{even},-2)':h='if(lt(iw,ih),-2,{even})'\" -c:a copy out.mp4`.",
    source=VENDOR,
)
def video_side_too_small(case: Case, clip: VideoFacts) -> Breaches:
    """Displayed width or height, each for itself, is below the minimum."""
    for side, word in SIDES.items():
        value = established(clip, side)
        if (limit := undercut(case, "video_side_min", value)) is not None:
            values = {"side": say(word), "shape": _shape(clip), "even": plain(limit + limit % 2)}
            yield Breach(value, scalar(limit), case.limit("video_side_min"), values=values)


@rule(
    "video-side-too-large",
    "video",
    Severity.ERROR,
    limits=("video_side_max",),
    title="The video's picture is too large",
    message="The video's {side} is {observed} px as displayed ({shape}); each side may have at most {limit} px.",
    why="The vendor refuses a picture whose width or height is above its maximum, with an error code and no number.",
    fix="Scale it down: `ffmpeg -i {file} -vf scale=1920:1920:force_original_aspect_ratio=decrease:"
    "force_divisible_by=2 -c:a copy out.mp4`.",
    source=VENDOR,
)
def video_side_too_large(case: Case, clip: VideoFacts) -> Breaches:
    """Displayed width or height, each for itself, is above the maximum."""
    for side, word in SIDES.items():
        value = established(clip, side)
        if (limit := exceeded(case, "video_side_max", value)) is not None:
            values = {"side": say(word), "shape": _shape(clip)}
            yield Breach(value, scalar(limit), case.limit("video_side_max"), values=values)


def _shape(clip: VideoFacts) -> str:
    return f"{clip.width or '?'} x {clip.height or '?'}"


# ---------------------------------------------------------------------------------------- the picture


@rule(
    "video-rotated",
    "video",
    Severity.WARNING,
    title="The video is turned by its metadata",
    message="A display matrix turns the picture by {observed} degrees; the frames themselves lie on their side "
    "or upside down.",
    why="Players turn the picture, frame readers often do not. Users have paid for results in which the person lies "
    "sideways; there is no error message for it.",
    fix=f"Turn the frames themselves (ffmpeg does so while encoding): {REENCODE}.",
    source=LOGS,
)
def video_rotated(_case: Case, clip: VideoFacts) -> Breaches:
    """A display matrix that turns."""
    if rotation := stated(clip, "rotation"):
        yield Breach(rotation, 0)


@rule(
    "video-variable-frame-rate",
    "video",
    Severity.WARNING,
    title="The video's frame rate varies",
    message="The frames of the video are not evenly spaced{rate}.",
    why="Readers that compute frames divided by rate find another duration, and motion taken frame by frame runs "
    "unevenly. Phones and screen recorders write such clips.",
    fix="Space the frames evenly: `ffmpeg -i {file} -vf fps=30 -c:v libx264 -pix_fmt yuv420p -c:a aac "
    "-movflags +faststart out.mp4`.",
    source=NO_EVIDENCE,
)
def video_variable_frame_rate(_case: Case, clip: VideoFacts) -> Breaches:
    """Frames at uneven distances."""
    if stated(clip, "variable_frame_rate"):
        rate = clip.frame_rate
        text = say(" ({rate} a second on average)", rate=seconds(rate)) if rate is not None else ""
        yield Breach(scalar(rate) if rate is not None else True, values={"rate": text})


@rule(
    "video-hdr",
    "video",
    Severity.WARNING,
    title="The video is HDR",
    message="The video's colours are coded for HDR displays: {curve}.",
    why="Read as ordinary video its colours look grey and flat, and the result inherits that.",
    fix=f'Convert it to ordinary colours: `ffmpeg -i {{file}} -vf "{_TONE_MAP}" -c:v libx264 -c:a aac out.mp4`. '
    "On an iPhone, switch HDR video off before recording.",
    source=NO_EVIDENCE,
)
def video_hdr(_case: Case, clip: VideoFacts) -> Breaches:
    """A transfer curve of HDR."""
    transfer = clip.color_transfer  # a file that names none is ordinary video
    if transfer in _HDR:
        yield Breach(transfer, values={"curve": say(_HDR[transfer])})


@rule(
    "video-high-bit-depth",
    "video",
    Severity.WARNING,
    title="The video has more than 8 bits per channel",
    message="The video has {observed} bits per channel; 8 are usual.",
    why="Many decoders, hardware ones above all, read 8-bit video only.",
    fix=f"Encode it with 8 bits: {REENCODE}.",
    source=NO_EVIDENCE,
)
def video_high_bit_depth(_case: Case, clip: VideoFacts) -> Breaches:
    """More than 8 bits in a channel."""
    depth = stated(clip, "bit_depth")
    if depth is not None and depth > 8:
        yield Breach(depth, 8)


@rule(
    "video-interlaced",
    "video",
    Severity.WARNING,
    title="The video is interlaced",
    message="The video is interlaced: each frame holds two moments.",
    why="Every moving edge shows as a comb, and the motion is read from the teeth of it.",
    fix="Deinterlace it: `ffmpeg -i {file} -vf bwdif -c:v libx264 -pix_fmt yuv420p -c:a aac out.mp4`.",
    source=NO_EVIDENCE,
)
def video_interlaced(_case: Case, clip: VideoFacts) -> Breaches:
    """Fields instead of frames."""
    if stated(clip, "interlaced"):
        yield Breach(observed=True)


@rule(
    "video-anamorphic",
    "video",
    Severity.WARNING,
    title="The video's pixels are not square",
    message="A pixel of the video is {ratio} times as wide as it is high.",
    why="Frame readers that ignore the sample aspect ratio see people stretched or squeezed.",
    fix='Make the pixels square: `ffmpeg -i {file} -vf "scale=trunc(iw*sar/2)*2:ih,setsar=1" -c:a copy out.mp4`.',
    source=NO_EVIDENCE,
)
def video_anamorphic(_case: Case, clip: VideoFacts) -> Breaches:
    """A sample aspect ratio other than 1."""
    ratio = stated(clip, "sample_aspect_ratio")
    if ratio is not None and ratio != 1:
        yield Breach(scalar(ratio), 1, values={"ratio": seconds(ratio, beside=Fraction(1))})


# ------------------------------------------------------------------------------------ how it is written


@rule(
    "video-fragmented",
    "video",
    Severity.NOTE,
    title="The video is written in fragments",
    message="The video is a fragmented file, as recorders and streaming services write it.",
    why="Readers find its duration in different places: some see the first fragment only, or none at all.",
    fix="Write one index: `ffmpeg -i {file} -c copy -movflags +faststart out.mp4`.",
    source=LIBAV,
)
def video_fragmented(_case: Case, clip: VideoFacts) -> Breaches:
    """Movie fragments instead of one index."""
    if stated(clip, "fragmented"):
        yield Breach(observed=True)


@rule(
    "video-not-faststart",
    "video",
    Severity.NOTE,
    title="The video's index is at its end",
    message="The index of the file (moov) follows its data.",
    why="A reader without range requests must fetch the whole file before it knows anything about it.",
    fix="Move the index to the front: `ffmpeg -i {file} -c copy -movflags +faststart out.mp4`.",
    source=LIBAV,
)
def video_not_faststart(_case: Case, clip: VideoFacts) -> Breaches:
    """The index follows the data, in a file that is not fragmented."""
    if clip.faststart is False and not clip.fragmented:
        yield Breach(observed=False)


RULES: tuple[Rule, ...] = (
    video_no_video_stream,
    video_container,
    video_encrypted,
    video_side_too_small,
    video_side_too_large,
    video_codec_unusual,
    video_several_streams,
    video_no_audio,
    video_rotated,
    video_variable_frame_rate,
    video_hdr,
    video_high_bit_depth,
    video_interlaced,
    video_anamorphic,
    video_fragmented,
    video_not_faststart,
)
