"""The first bytes name the format; nothing else is asked, and nothing that is no medium gets past them."""

from __future__ import annotations

import io
import json
import struct
import wave
import zipfile
from fractions import Fraction
from hashlib import shake_128

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preflight.facts import Refusal
from preflight.probes.sniff import Sniffed, sniff
from tests.pictures import HEAD, box, encode, heic

# -------------------------------------------------------------------------------------------- media


def _clip(kind: str, codec: str, **options: str) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=kind, options=options) as container:
        stream = container.add_stream(codec, rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for number in range(50):
            frame = av.VideoFrame(176, 144, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(
    ("muxer", "codec", "family", "name", "media_type"),
    [
        ("mp4", "mpeg4", "iso", "mp4", "video/mp4"),
        ("mov", "mpeg4", "iso", "mov", "video/quicktime"),
        ("ipod", "mpeg4", "iso", "m4v", "video/x-m4v"),
        ("3gp", "mpeg4", "iso", "3gp", "video/3gpp"),
        ("3g2", "mpeg4", "iso", "3gp", "video/3gpp2"),
        ("webm", "libvpx", "ebml", "webm", "video/webm"),
        ("matroska", "mpeg4", "ebml", "matroska", "video/matroska"),
        ("mpegts", "mpeg2video", "mpegts", "mpegts", "video/mp2t"),
        ("avi", "mpeg4", "avi", "avi", "video/x-msvideo"),
    ],
)
def test_what_a_muxer_writes_is_recognised(muxer: str, codec: str, family: str, name: str, media_type: str) -> None:
    """Every container that preflight opens, as libav writes it."""
    blob = _clip(muxer, codec)
    found = sniff(blob[:HEAD], len(blob))
    assert (found.family, found.format, found.media_type, found.refusal) == (family, name, media_type, None)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif"])
def test_what_pillow_writes_is_recognised(kind: str) -> None:
    """Every picture format that preflight measures."""
    blob = encode(kind.upper())
    assert sniff(blob[:HEAD], len(blob)) == Sniffed("image", kind, f"image/{kind}")


@pytest.mark.parametrize(("muxer", "codec"), [("flv", "flv"), ("asf", "mpeg4"), ("mpeg", "mpeg1video"), ("ivf", "vp8")])
def test_media_that_are_not_opened_are_named(muxer: str, codec: str) -> None:
    """They are media, of a kind that the provider does not take: refused by name, not as garbage."""
    blob = _clip(muxer, {"vp8": "libvpx"}.get(codec, codec))
    found = sniff(blob[:HEAD], len(blob))
    assert (found.family, found.refusal) == ("refused", Refusal.UNSUPPORTED)
    assert found.media_type is not None


def _ftyp(*brands: bytes) -> bytes:
    return box(b"ftyp", brands[0], b"\0\0\2\0", *brands[1:])


@pytest.mark.parametrize(
    ("brands", "expected"),
    [
        ((b"isom", b"iso2", b"avc1", b"mp41"), "mp4"),
        ((b"mp42", b"mp42", b"isom", b"M4A "), "mp4"),
        ((b"XAVC",), "mp4"),
        ((b"dash", b"iso6"), "mp4"),
        ((b"qt  ", b"qt  "), "mov"),
        ((b"M4V ", b"M4V ", b"isom"), "m4v"),
        ((b"3gp5", b"isom"), "3gp"),
        ((b"3g2a", b"isom"), "3gp"),
        ((b"avif", b"mif1", b"miaf"), "avif"),
        ((b"avis", b"msf1", b"iso8"), "avif"),
        ((b"mif1", b"avif", b"miaf"), "avif"),
        ((b"heic", b"mif1", b"heic"), "heic"),
        ((b"mif1", b"heic"), "heic"),
        ((b"msf1", b"hevc"), "heic"),
        ((b"mif1", b"mif1"), "heic"),
        ((b"heic", b"mp42"), "heic"),
        ((b"M4A ", b"mp42", b"isom"), Refusal.AUDIO),
        ((b"crx ", b"isom"), Refusal.UNSUPPORTED),
        ((b"avci", b"mif1"), Refusal.UNSUPPORTED),
        ((b"mif1", b"j2ki"), Refusal.UNSUPPORTED),
    ],
)
def test_brands_decide_between_film_picture_and_sound(brands: tuple[bytes, ...], expected: str | Refusal) -> None:
    """The major brand decides; a generic HEIF brand asks the compatible ones."""
    found = sniff(_ftyp(*brands) + bytes(64), 5000)
    assert (found.refusal or found.format) == expected
    assert found.family == ("refused" if found.refusal else "image" if expected in {"avif", "heic"} else "iso")


@pytest.mark.parametrize(
    ("blob", "expected"),
    [
        (box(b"moov", bytes(500)), "mov"),
        (box(b"wide") + box(b"mdat", bytes(500)), "mov"),
        (b"\0\0\0\1mdat" + struct.pack(">Q", 1 << 33) + bytes(50), "mov"),
        (b"\0\0\0\0mdat" + bytes(50), "mov"),
        (box(b"skip", bytes(90_000)), "mov"),
        (box(b"free", bytes(40)) + _ftyp(b"mp42"), "mp4"),
        (box(b"free", bytes(40)) + box(b"mdat", bytes(40)), "mov"),
        (box(b"styp", b"msdh"), "mp4"),
        (box(b"sidx", bytes(40)), "mp4"),
        (box(b"moof", bytes(40)), "mp4"),
        (box(b"free", bytes(40)) + box(b"zzzz", bytes(40)), None),
        (b"\0\0\0\5ftypisom", None),
        (b"a good moov is hard to find", None),
    ],
)
def test_files_without_a_brand_are_told_by_their_first_box(blob: bytes, expected: str | None) -> None:
    """Old QuickTime began with the movie, its data or filler; a segment begins with its own boxes."""
    assert sniff(blob[:HEAD], len(blob)).format == expected


@pytest.mark.parametrize("offset", [0, 1, 100, 187])
@pytest.mark.parametrize("stride", [188, 192, 204])
def test_a_transport_stream_may_begin_anywhere_in_a_packet(stride: int, offset: int) -> None:
    """A recording starts when it starts; camcorders put a clock before each packet."""
    packet = (b"" if stride != 192 else b"\1\2\3\4") + b"\x47\x40\x00\x10" + shake_128(b"packet").digest(184)
    stream = packet.ljust(stride, b"\5") * 12
    assert sniff(stream[offset:], len(stream)).format == "mpegts"


def test_g_at_equal_strides_of_a_text_is_no_stream() -> None:
    """0x47 is a letter: five lines of 188 characters that begin with it are text."""
    assert sniff(("G" + "o" * 186 + "\n").encode() * 5, None).refusal in {Refusal.TEXT, None}
    assert sniff(b"\x47\x1f\xff\x00" * 500, None).format is None


# ------------------------------------------------------------------------------------------ refusals


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("clip.mp4", "no")
    return file.getvalue()


def _wav() -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(800))
    return file.getvalue()


HLS = b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9,\nfirst.ts\n"


@pytest.mark.parametrize(
    ("blob", "refusal", "word"),
    [
        (b"", Refusal.EMPTY, "empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", Refusal.HTML, "HTML"),
        (b"\n\n  <html lang=en>", Refusal.HTML, "HTML"),
        (b"<HEAD><TITLE>404</TITLE>", Refusal.HTML, "HTML"),
        (b"<body>", Refusal.HTML, "HTML"),
        (b"<script>location='/login'</script>", Refusal.HTML, "HTML"),
        (b"<!-- saved --><p>gone", Refusal.HTML, "HTML"),
        (b"<!-- never closed", Refusal.HTML, "HTML"),
        (b"<h1>403 Forbidden</h1>", Refusal.HTML, "HTML"),
        (b"\xef\xbb\xbf<!doctype HTML>", Refusal.HTML, "HTML"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C"><html>', Refusal.HTML, "HTML"),
        ("<html>é".encode("utf-16"), Refusal.HTML, "HTML"),
        ("<html>é".encode("utf-16-le"), Refusal.HTML, "HTML"),
        ("<html>é".encode("utf-16-be"), Refusal.HTML, "HTML"),
        ("<html>é".encode("latin-1"), Refusal.HTML, "HTML"),
        (b'{"error": "expired"}', Refusal.JSON, "JSON"),
        (b' [{"id": 1}]', Refusal.JSON, "JSON"),
        (b"{}", Refusal.JSON, "JSON"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', Refusal.XML, "error document"),
        (b'<?xml version="1.0"?><note/>', Refusal.XML, "XML"),
        (b"<a:propfind xmlns:a='DAV:'/>", Refusal.XML, "XML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', Refusal.UNSUPPORTED, "SVG"),
        (b'<?xml version="1.0"?><!-- Inkscape -->\n<svg:svg width="5">', Refusal.UNSUPPORTED, "SVG"),
        (HLS, Refusal.PLAYLIST, "HLS"),
        (b"\xef\xbb\xbf" + HLS, Refusal.PLAYLIST, "HLS"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", Refusal.PLAYLIST, "ffconcat"),
        (b'<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011">', Refusal.PLAYLIST, "DASH"),
        (b"v=0\r\no=- 0 0 IN IP4 10.0.0.1\r\n", Refusal.PLAYLIST, "SDP"),
        (b"<smil><body/></smil>", Refusal.PLAYLIST, "SMIL"),
        (b"[playlist]\nFile1=http://x/\n", Refusal.PLAYLIST, "PLS"),
        (b"<asx version='3.0'>", Refusal.PLAYLIST, "ASX"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", Refusal.LFS_POINTER, "Git LFS"),
        (b"%PDF-1.7\n%\xe2\xe3", Refusal.PDF, "PDF"),
        (b"\n%PDF-1.7\n", Refusal.PDF, "PDF"),
        (_zip(), Refusal.ARCHIVE, "ZIP"),
        (b"\x1f\x8b\x08\0\0\0\0\0", Refusal.ARCHIVE, "gzip"),
        (b"Rar!\x1a\x07\x01\0", Refusal.ARCHIVE, "RAR"),
        (b"7z\xbc\xaf\x27\x1c\0\4", Refusal.ARCHIVE, "7z"),
        (bytes(257) + b"ustar\0" + bytes(200), Refusal.ARCHIVE, "tar"),
        (_wav(), Refusal.AUDIO, "WAV"),
        (b"ID3\4\0\0\0\0\0\0", Refusal.AUDIO, "MP3"),
        (b"\xff\xfb\x90\x64" + bytes(40), Refusal.AUDIO, "MP3"),
        (b"\xff\xf1\x50\x80" + bytes(40), Refusal.AUDIO, "AAC"),
        (b"fLaC\0\0\0\x22", Refusal.AUDIO, "FLAC"),
        (b"OggS\0\2" + bytes(22) + b"\x01\x1e\x01vorbis", Refusal.AUDIO, "Ogg"),
        (b"OggS\0\2" + bytes(22) + b"\x01\x2a\x80theora", Refusal.UNSUPPORTED, "Ogg video"),
        (b"FORM\0\0\1\0AIFFCOMM", Refusal.AUDIO, "AIFF"),
        (b"#!AMR\n\x3c", Refusal.AUDIO, "AMR"),
        (b"FLV\x01\5\0\0\0\x09", Refusal.UNSUPPORTED, "FLV"),
        (b"\0\0\x01\xba\x44", Refusal.UNSUPPORTED, "MPEG program stream"),
        (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9", Refusal.UNSUPPORTED, "Windows Media"),
        (b".RMF\0\0\0\x12", Refusal.UNSUPPORTED, "RealMedia"),
        (b"8BPS\0\1", Refusal.UNSUPPORTED, "Photoshop"),
        (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", Refusal.UNSUPPORTED, "JPEG XL"),
        (b"\xff\x0a\xfa\x1f", Refusal.UNSUPPORTED, "JPEG XL"),
        (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 ", Refusal.UNSUPPORTED, "JPEG 2000"),
        (b"\0\0\1\0\1\0\x10\x10", Refusal.UNSUPPORTED, "icon"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", Refusal.UNSUPPORTED, "PostScript"),
        (b"II*\0\x10\0\0\0CR\2\0", Refusal.UNSUPPORTED, "Canon raw"),
        (b"RIFF\x20\0\0\0ACONanih", Refusal.UNSUPPORTED, "cursor"),
        (b"RIFF\x20\0\0\0CDXAfmt ", Refusal.UNSUPPORTED, "RIFF"),
        (b"\x1a\x45\xdf\xa3\x87\x42\x82\x84blob", Refusal.UNSUPPORTED, "EBML"),
        (b"\0\0\0\1\x67\x64\0\x1f", Refusal.UNSUPPORTED, "H.264"),
        (b"Not Found", Refusal.TEXT, "text"),
        (b"caf\xc3\xa9", Refusal.TEXT, "text"),
        (b" \n\t ", Refusal.TEXT, "white space"),
        (b"https://cdn.example/clip.mp4?sig=SECRET\n", Refusal.TEXT, "URL"),
        (bytes(5000), Refusal.GARBAGE, "zero"),
        (shake_128(b"noise").digest(5000), Refusal.GARBAGE, "no known format"),
        (b"\xe9t\xe9", Refusal.GARBAGE, "no known format"),
        (b"RIFF", Refusal.TEXT, "text"),
    ],
)
def test_what_is_no_medium_is_refused_by_its_own_name(blob: bytes, refusal: Refusal, word: str) -> None:
    """Each gets its class, and a phrase that names it and repeats nothing of it."""
    found = sniff(blob[:HEAD], len(blob))
    assert (found.family, found.refusal, found.format) == ("refused", refusal, None)
    assert word in found.detail
    assert "SECRET" not in found.detail


def test_a_letter_cut_by_the_head_does_not_make_a_text_garbage() -> None:
    """The head ends where it ends, in the middle of a character too; the file's end may not."""
    assert sniff(b"caf\xc3", 5000).refusal is Refusal.TEXT
    assert sniff(b"caf\xc3", None).refusal is Refusal.TEXT
    assert sniff(b"caf\xc3", 4).refusal is Refusal.GARBAGE


def test_an_ebml_file_without_a_doctype_is_matroska() -> None:
    """The element is optional in practice."""
    assert sniff(b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67", 5000).format == "matroska"


# ---------------------------------------------------------------------------------------- properties


def _is_sound(found: Sniffed) -> None:
    refused = found.family == "refused"
    assert (found.refusal is not None) == refused == (found.format is None)
    assert refused or found.media_type is not None
    assert found.detail or not refused


STARTS = [
    b"",
    b"RIFF",
    b"\0\0\0\x18ftyp",
    b"\x1a\x45\xdf\xa3",
    b"\xff",
    b"OggS",
    b"II*\0",
    b"<",
    b"{",
    b"\xff\xfe",
    b"BM",
]


@settings(max_examples=1000, deadline=None)
@given(st.sampled_from(STARTS), st.binary(max_size=2000), st.none() | st.integers(0, 10**9))
def test_any_bytes_get_one_sound_answer(start: bytes, rest: bytes, total: int | None) -> None:
    """A format with a media type, or a refusal with a name; never an exception."""
    _is_sound(sniff(start + rest, total))


@settings(max_examples=300, deadline=None)
@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_every_json_object_or_list_is_told_as_json(value: object) -> None:
    """API answers where a medium was meant."""
    if isinstance(value, dict | list):
        blob = json.dumps(value, ensure_ascii=False).encode(errors="replace")
        assert sniff(blob, len(blob)).refusal is Refusal.JSON


@settings(max_examples=300, deadline=None)
@given(
    st.text(" \t\r\n", max_size=20),
    st.sampled_from(["<!DOCTYPE html>", "<html>", "<Html lang='zh'>", "<head>", "<body class=x>", "<!-- a --><html>"]),
    st.text(st.characters(exclude_categories=["C"]), max_size=200),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_page_is_told_as_html(space: str, start: str, rest: str, encoding: str) -> None:
    """White space, byte order marks, letter case and encodings do not hide it."""
    blob = (space + start + rest).encode(encoding)
    assert sniff(blob[:HEAD], len(blob)).refusal is Refusal.HTML


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["jpeg", "png", "webp", "gif", "bmp", "tiff", "avif", "heic"]), st.integers(32, 500))
def test_a_picture_is_recognised_by_its_first_bytes_alone(kind: str, count: int) -> None:
    """What follows, and how much of it, does not matter."""
    blob = heic() if kind == "heic" else encode(kind.upper())
    assert sniff(blob[:count], None).format == kind
