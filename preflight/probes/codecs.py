"""Codec configuration records: what a decoder would say of the picture, without a frame.

libav's header-only reading leaves pixel format and profile open; the records that a container carries for its decoder
hold both. Names are libav's, so that a full read and a header read say the same word.
Sections: ITU-T H.264 7.3.2.1 and E.1, ISO/IEC 14496-15 (avcC, hvcC), AV1-ISOBMFF 2.3, VP codec ISO binding.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

TRANSFERS = {
    1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 11: "iec61966-2-4",
    12: "bt1361e", 13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428",
    18: "arib-std-b67",
}  # fmt: skip
"""H.273 table 3 by libav's names; 2 is "unspecified", so it is not there."""
PRIMARIES = {
    1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020", 10: "smpte428",
    11: "smpte431", 12: "smpte432", 22: "ebu3213",
}  # fmt: skip
_H264_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High 10", 122: "High 4:2:2",
                  244: "High 4:4:4 Predictive", 44: "CAVLC 4:4:4"}  # fmt: skip
_HEVC_PROFILES = {1: "Main", 2: "Main 10", 3: "Main Still Picture", 4: "Rext"}
_AV1_PROFILES = {0: "Main", 1: "High", 2: "Professional"}
_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_PRORES = {b"apco": "Proxy", b"apcs": "LT", b"apcn": "Standard", b"apch": "HQ", b"ap4h": "4444", b"ap4x": "XQ"}
PRORES_TAGS = frozenset(_PRORES)
_ASPECTS = (None, (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11),
            (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Details:
    """The picture as its codec record declares it; None where the record is silent."""

    profile: str | None = None
    level: str | None = None
    pixel_format: str | None = None
    bit_depth: int | None = None
    interlaced: bool | None = None
    width: int | None = None
    height: int | None = None
    sample_aspect_ratio: Fraction | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None


class Bits:
    """Reads big-endian bits; past the end it reads zeros, and `overrun` says so."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), len(data) * 8
        self.overrun = False

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        if count > self._left:
            self.overrun = True
            self._left = 0
            return 0
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        """An Exp-Golomb number (H.264 9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32 or self.overrun:
                self.overrun = True
                return 0
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """A signed Exp-Golomb number."""
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def planar(chroma: int, depth: int, *, full_range: bool = False) -> str | None:
    """libav's name of a planar format: chroma as H.264 counts it (0 gray, 1 4:2:0, 2 4:2:2, 3 4:4:4)."""
    if chroma == 0:
        return "gray" if depth == 8 else f"gray{depth}le"
    family = {1: "420", 2: "422", 3: "444"}.get(chroma)
    if family is None:
        return None
    return f"yuv{'j' if full_range and depth == 8 else ''}{family}p" + (f"{depth}le" if depth > 8 else "")


def avcc(record: bytes) -> Details:
    """H.264 in ISO and Matroska: the first SPS of an AVCDecoderConfigurationRecord."""
    if len(record) < 8 or record[0] != 1 or not record[5] & 31:
        return Details()
    size = int.from_bytes(record[6:8], "big")
    return h264_sps(record[8 : 8 + size])


def h264_sps(unit: bytes) -> Details:
    """A sequence parameter set, its NAL header included."""
    if len(unit) < 4 or unit[0] & 31 != 7:
        return Details()
    bits = Bits(unit[1:].replace(b"\0\0\3", b"\0\0"))
    number, constraints, level_number = bits.u(8), bits.u(8), bits.u(8)
    profile = _H264_PROFILES.get(number)
    if number == 66 and constraints & 0x40:
        profile = "Constrained Baseline"
    elif number in (110, 122, 244) and constraints & 0x10 and profile:
        profile += " Intra"
    bits.ue()
    chroma, depth = _chroma(bits) if number in _WITH_CHROMA else (1, 8)
    width, height, progressive = _h264_size(bits, chroma)
    sar, primaries, transfer, full_range = _vui(bits) if bits.u(1) else (None, None, None, False)
    if bits.overrun:
        return Details(profile=profile, level=_h264_level(level_number, number, constraints))
    return Details(
        profile=profile,
        level=_h264_level(level_number, number, constraints),
        pixel_format=planar(chroma, depth, full_range=full_range),
        bit_depth=depth,
        interlaced=False if progressive else None,
        width=width,
        height=height,
        sample_aspect_ratio=sar,
        color_primaries=primaries,
        color_transfer=transfer,
    )


def _h264_level(level: int, profile: int, constraints: int) -> str:
    if level == 11 and constraints & 0x10 and profile in (66, 77, 88):
        return "1b"
    return f"{level // 10}.{level % 10}"


def _chroma(bits: Bits) -> tuple[int, int]:
    chroma = bits.ue()
    if chroma == 3:
        bits.u(1)
    depth = 8 + bits.ue()
    bits.ue()
    bits.u(1)
    if bits.u(1):
        for number in range(12 if chroma == 3 else 8):
            if bits.u(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return chroma, depth


def _skip_scaling_list(bits: Bits, size: int) -> None:
    last = step = 8
    for _ in range(size):
        if step:
            step = (last + bits.se()) & 255
        last = step or last


def _h264_size(bits: Bits, chroma: int) -> tuple[int, int, bool]:
    bits.ue()
    order = bits.ue()
    if order == 0:
        bits.ue()
    elif order == 1:
        bits.u(1), bits.se(), bits.se()
        for _ in range(min(bits.ue(), 255)):
            bits.se()
    bits.ue(), bits.u(1)
    across, down, frames_only = bits.ue() + 1, bits.ue() + 1, bits.u(1)
    if not frames_only:
        bits.u(1)
    bits.u(1)
    left, right, top, bottom = (bits.ue(), bits.ue(), bits.ue(), bits.ue()) if bits.u(1) else (0, 0, 0, 0)
    step_x = 2 if chroma in (1, 2) else 1
    step_y = (2 if chroma == 1 else 1) * (2 - frames_only)
    width, height = across * 16 - (left + right) * step_x, down * 16 * (2 - frames_only) - (top + bottom) * step_y
    return width, height, bool(frames_only)


def _vui(bits: Bits) -> tuple[Fraction | None, str | None, str | None, bool]:
    aspect, primaries, transfer, full_range = None, None, None, False
    if bits.u(1):
        number = bits.u(8)
        pair = (bits.u(16), bits.u(16)) if number == 255 else _ASPECTS[number] if number < len(_ASPECTS) else None
        aspect = Fraction(*pair) if pair and all(pair) else None
    if bits.u(1):
        bits.u(1)
    if bits.u(1):
        bits.u(3)
        full_range = bool(bits.u(1))
        if bits.u(1):
            primaries, transfer = PRIMARIES.get(bits.u(8)), TRANSFERS.get(bits.u(8))
    return aspect, primaries, transfer, full_range


def hvcc(record: bytes) -> Details:
    """HEVC in ISO and Matroska: HEVCDecoderConfigurationRecord."""
    if len(record) < 23 or record[0] != 1:
        return Details()
    chroma, depth = record[16] & 3, 8 + (record[17] & 7)
    progressive, fields = record[6] & 0x80, record[6] & 0x40
    return Details(
        profile=_HEVC_PROFILES.get(record[1] & 31),
        level=f"{record[12] / 30:.1f}",
        pixel_format=planar(chroma, depth),
        bit_depth=depth,
        interlaced=bool(fields) if bool(progressive) != bool(fields) else None,
    )


def av1c(record: bytes) -> Details:
    """AV1 in ISO and Matroska: AV1CodecConfigurationRecord."""
    if len(record) < 4 or record[0] != 0x81:
        return Details()
    profile, level, flags = record[1] >> 5, record[1] & 31, record[2]
    depth = (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    chroma = 0 if flags & 0x10 else {0b1100: 1, 0b1000: 2, 0: 3}.get(flags & 0b1100, 1)
    return Details(
        profile=_AV1_PROFILES.get(profile),
        level=f"{2 + (level >> 2)}.{level & 3}",
        pixel_format=planar(chroma, depth),
        bit_depth=depth,
        interlaced=False,
    )


def vpcc(record: bytes) -> Details:
    """VP9 (and VP8) in ISO: VPCodecConfigurationBox, its version and flags included."""
    if len(record) < 12:
        return Details(interlaced=False)
    profile, level, packed, primaries, transfer = record[4], record[5], record[6], record[7], record[8]
    depth, subsampling = packed >> 4, packed >> 1 & 7
    return Details(
        profile=f"Profile {profile}",
        level=f"{level // 10}.{level % 10}" if level else None,
        pixel_format=planar({0: 1, 1: 1, 2: 2, 3: 3}.get(subsampling, 1), depth),
        bit_depth=depth,
        interlaced=False,
        color_primaries=PRIMARIES.get(primaries),
        color_transfer=TRANSFERS.get(transfer),
    )


def vp9_frame(frame: bytes) -> Details:
    """The uncompressed header of a VP9 key frame (VP9 bitstream 6.2): Matroska carries no record for it."""
    bits = Bits(frame[:16])
    if bits.u(2) != 2:
        return Details(interlaced=False)
    profile = bits.u(1) | bits.u(1) << 1
    if profile == 3:
        bits.u(1)
    if bits.u(1) or bits.u(1):  # shows an old frame, or is no key frame
        return Details(interlaced=False)
    bits.u(2)
    if bits.u(24) != 0x498342:
        return Details(interlaced=False)
    depth = 8 if profile < 2 else 12 if bits.u(1) else 10
    space = bits.u(3)
    chroma = 1
    if space == 7:
        chroma = 3
    elif profile in (1, 3):
        bits.u(1)
        chroma = {0b11: 1, 0b10: 2, 0b00: 3}.get(bits.u(1) << 1 | bits.u(1), 1)
    return Details(profile=f"Profile {profile}", pixel_format=planar(chroma, depth), bit_depth=depth, interlaced=False)


def prores(tag: bytes) -> Details:
    """Apple ProRes by its four letters."""
    chroma, depth = (3, 12 if tag == b"ap4x" else 10) if tag.startswith(b"ap4") else (2, 10)
    return Details(profile=_PRORES.get(tag), pixel_format=planar(chroma, depth), bit_depth=depth)


_MPEG4_PROFILES = ("Simple", "Simple Scalable", "Core", "Main", "N-bit", "Scalable Texture", "Simple Face Animation",
                   "Basic Animated Texture", "Hybrid", "Advanced Real Time Simple", "Core Scalable",
                   "Advanced Coding Efficiency", "Advanced Core", "Advanced Scalable Texture", "Simple Studio",
                   "Advanced Simple")  # fmt: skip


def mpeg4_profile(frame: bytes) -> str | None:
    """The profile in a visual object sequence header (ISO/IEC 14496-2 6.2.2), by libav's name."""
    at = frame.find(b"\0\0\1\xb0")
    return f"{_MPEG4_PROFILES[frame[at + 4] >> 4]} Profile" if 0 <= at < len(frame) - 4 else None


PLAIN = Details(pixel_format="yuv420p", bit_depth=8)
"""VP8 and MPEG-4 Part 2: always 8 bits, 4:2:0."""
