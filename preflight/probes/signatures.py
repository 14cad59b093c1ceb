"""First bytes of the files that are refused by name: so that "this is a FLAC file" is said, not "garbage"."""

from __future__ import annotations

from preflight.facts import Refusal

#: Class of the refusal, media type, and the file's name as a phrase with its article.
Kind = tuple[Refusal, str | None, str]


def _sound(media_type: str, detail: str) -> Kind:
    return Refusal.AUDIO, media_type, detail


def _packed(media_type: str, detail: str) -> Kind:
    return Refusal.ARCHIVE, media_type, detail


def _other(media_type: str | None, detail: str) -> Kind:
    return Refusal.UNSUPPORTED, media_type, detail


_EPS = _other("application/postscript", "a PostScript drawing")
_JPEG_XL = _other("image/jxl", "a JPEG XL picture")
_JPEG_2000 = _other("image/jp2", "a JPEG 2000 picture")
_PNM = _other("image/x-portable-anymap", "a portable anymap (PNM) picture")
_FLASH = _other("application/x-shockwave-flash", "a Flash program")
_RAW = _other("image/x-raw", "a camera raw picture")
_ELEMENTARY = _other("video/h264", "a bare H.264 or H.265 stream without a container")

#: Offset, bytes found there, what they mean. Longer and rarer signatures stand before shorter ones.
REFUSED: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _other("video/x-ms-asf", "a Windows Media (ASF, WMV or WMA) file")),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", _JPEG_XL),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", _JPEG_2000),
    (0, b"\xff\x4f\xff\x51", _JPEG_2000),
    (0, b"\xff\x0a", _JPEG_XL),
    (0, b"FLV\x01", _other("video/x-flv", "a Flash video (FLV)")),
    (0, b"\0\0\x01\xba", _other("video/mpeg", "an MPEG program stream")),
    (0, b"\0\0\x01\xb3", _other("video/mpeg", "a bare MPEG video stream")),
    (0, b".RMF", _other("application/vnd.rn-realmedia", "a RealMedia file")),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", _other("application/mxf", "an MXF file")),
    (0, b"YUV4MPEG2 ", _other("video/x-yuv4mpeg", "uncompressed video (YUV4MPEG)")),
    (0, b"DKIF\0\0", _other("video/x-ivf", "an IVF video")),
    (0, b"nut/multimedia container", _other("video/x-nut", "a NUT video")),
    (0, b"\0\0\0\x01\x67", _ELEMENTARY),
    (0, b"\0\0\0\x01\x27", _ELEMENTARY),
    (0, b"\0\0\0\x01\x09", _ELEMENTARY),
    (0, b"\0\0\0\x01\x40\x01", _ELEMENTARY),
    (0, b"\x8aMNG\r\n\x1a\n", _other("video/x-mng", "an MNG animation")),
    (0, b"\x8bJNG\r\n\x1a\n", _other("image/x-jng", "a JNG picture")),
    (0, b"8BPS", _other("image/vnd.adobe.photoshop", "a Photoshop document")),
    (0, b"gimp xcf", _other("image/x-xcf", "a GIMP document")),
    (0, b"%!PS", _EPS),
    (0, b"\xc5\xd0\xd3\xc6", _EPS),
    (0, b"\0\0\x01\0", _other("image/vnd.microsoft.icon", "a Windows icon")),
    (0, b"\0\0\x02\0", _other("image/vnd.microsoft.icon", "a Windows cursor")),
    (0, b"icns", _other("image/icns", "an Apple icon")),
    (0, b"v/1\x01", _other("image/x-exr", "an OpenEXR picture")),
    (0, b"#?RADIANCE", _other("image/vnd.radiance", "a Radiance HDR picture")),
    (0, b"DDS |\0\0\0", _other("image/vnd-ms.dds", "a DirectDraw texture")),
    (0, b"qoif", _other("image/qoi", "a QOI picture")),
    (0, b"AT&TFORM", _other("image/vnd.djvu", "a DjVu document")),
    (0, b"FUJIFILMCCD-RAW", _RAW),
    (0, b"IIRO", _RAW),
    (0, b"IIRS", _RAW),
    (0, b"IIU\0", _RAW),
    (0, b"\0MRM", _RAW),
    *((0, b"P%d%c" % (digit, space), _PNM) for digit in range(1, 8) for space in b"\n "),
    *((0, magic, _FLASH) for magic in (b"FWS", b"CWS", b"ZWS")),
    (0, b"ID3", _sound("audio/mpeg", "an MPEG sound file (MP3)")),
    (0, b"fLaC", _sound("audio/flac", "a FLAC sound file")),
    (8, b"AIFF", _sound("audio/aiff", "an AIFF sound file")),
    (8, b"AIFC", _sound("audio/aiff", "an AIFF sound file")),
    (0, b"#!AMR", _sound("audio/amr", "an AMR voice recording")),
    (0, b"caff\0\x01", _sound("audio/x-caf", "a Core Audio file")),
    (0, b"MThd\0\0\0\x06", _sound("audio/midi", "a MIDI file")),
    (0, b"MAC \x96\x0f", _sound("audio/x-ape", "a Monkey's Audio file")),
    (0, b"wvpk", _sound("audio/x-wavpack", "a WavPack sound file")),
    (0, b".snd\0\0\0", _sound("audio/basic", "a Sun sound file")),
    (0, b"\x0b\x77", _sound("audio/ac3", "a Dolby Digital sound file")),
    (0, b"\x7f\xfe\x80\x01", _sound("audio/vnd.dts", "a DTS sound file")),
    (0, b"%PDF-", (Refusal.PDF, "application/pdf", "a PDF document")),
    (0, b"PK\x03\x04", _packed("application/zip", "a ZIP archive")),
    (0, b"PK\x05\x06", _packed("application/zip", "an empty ZIP archive")),
    (0, b"PK\x07\x08", _packed("application/zip", "a ZIP archive")),
    (0, b"\x1f\x8b\x08", _packed("application/gzip", "a gzip archive")),
    (0, b"Rar!\x1a\x07", _packed("application/vnd.rar", "a RAR archive")),
    (0, b"7z\xbc\xaf\x27\x1c", _packed("application/x-7z-compressed", "a 7z archive")),
    (0, b"BZh", _packed("application/x-bzip2", "a bzip2 archive")),
    (0, b"\xfd7zXZ\0", _packed("application/x-xz", "an xz archive")),
    (0, b"\x28\xb5\x2f\xfd", _packed("application/zstd", "a Zstandard archive")),
    (257, b"ustar", _packed("application/x-tar", "a tar archive")),
)

_M4A = _sound("audio/mp4", "an MPEG-4 sound file (M4A)")

#: Major brands of ISO base media files that are neither a video nor a picture that preflight opens.
BRANDS: dict[bytes, Kind] = {
    **dict.fromkeys((b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ", b"aax ", b"aaxc"), _M4A),
    b"crx ": _other("image/x-canon-cr3", "a Canon raw picture"),
    b"jxl ": _JPEG_XL,
    b"jp2 ": _JPEG_2000,
    b"jpx ": _JPEG_2000,
    b"jpm ": _JPEG_2000,
    **dict.fromkeys((b"avci", b"avcs"), _other("image/avci", "a HEIF picture coded with H.264")),
    **dict.fromkeys((b"j2ki", b"j2is"), _other("image/hej2k", "a HEIF picture coded with JPEG 2000")),
    **dict.fromkeys((b"vvic", b"vvis"), _other("image/heif", "a HEIF picture coded with H.266")),
}
