"""Media that name other files and other hosts, in every form that a reader might follow.

Each disguise is made for a `Bait`: a file and a port that only this test knows. Whoever follows a disguise goes there,
and is seen: by the kernel's trace, and by the listener behind the port.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.media import Clip, build, find_box, patch
from tests.pictures import box, encode, full_box, heic, jpeg_with_segments

if TYPE_CHECKING:
    from collections.abc import Callable

CLIP = Clip(width=32, height=32, fps=Fraction(5), video=Fraction(3), gop=4)


@dataclass(frozen=True)
class Bait:
    """What a disguise names: a file that exists, and a port on loopback behind which somebody listens."""

    path: str
    port: int

    @property
    def url(self) -> str:
        """By HTTP."""
        return f"http://127.0.0.1:{self.port}/bait.ts"


def disguises(bait: Bait) -> dict[str, bytes]:
    """Every disguise by name."""
    made = {name: text.encode() for name, text in _texts(bait).items()}
    made |= {name: make(bait) for name, make in _BINARY.items()}
    hls = made["hls-file"]
    return made | {
        "hls-bom": b"\xef\xbb\xbf" + hls,
        "hls-utf16": hls.decode().encode("utf-16"),
        "hls-behind-ftyp": box(b"ftyp", b"isom\0\0\2\0isomiso2") + hls,
        "hls-in-mdat": box(b"ftyp", b"isom\0\0\2\0isom") + box(b"mdat", hls) + build(CLIP),
        "hls-behind-jpeg": encode("JPEG") + hls,
        "hls-gzipped": gzip.compress(hls),
        "hls-zipped": _zip({"index.m3u8": hls}),
        "ts-then-hls": build(replace(CLIP, format="mpegts")) + hls,
    }


def _texts(bait: Bait) -> dict[str, str]:
    path, url, port = bait.path, bait.url, bait.port
    m3u8 = "#EXTM3U\n#EXT-X-TARGETDURATION:5\n{}#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n"
    svg = f'<svg xmlns:x="http://www.w3.org/1999/xlink"><image x:href="{url}"/><image x:href="file://{path}"/></svg>'
    entity = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file://{path}">]>'
    rtp = f"m=video {port} RTP/AVP 96\na=rtpmap:96 H264/90000\n"
    return {
        "hls-http": m3u8.format("", url),
        "hls-file": m3u8.format("", f"file://{path}"),
        "hls-bare-path": m3u8.format("", path),
        "hls-concat": m3u8.format("", f"concat:{path}|{url}"),
        "hls-crypto": m3u8.format(f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n', path),
        "hls-map": m3u8.format(f'#EXT-X-MAP:URI="{url}"\n', path),
        "hls-master": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n",
        "m3u": f"#EXTINF:1,x\n{path}\n",
        "sdp": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n{rtp}",
        "sdp-multicast": f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 224.2.2.2/1\nt=0 0\n{rtp}",
        "ffconcat": f"ffconcat version 1.0\nfile '{path}'\nfile '{url}'\n",
        "dash": f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}</BaseURL><Period><AdaptationSet>'
        f"<Representation><BaseURL>file://{path}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "dash-entity": f"{entity}<MPD>&e;</MPD>",
        "smooth": f'<SmoothStreamingMedia><StreamIndex Url="{url}"/></SmoothStreamingMedia>',
        "smil": f'<smil><body><video src="{url}"/><video src="{path}"/></body></smil>',
        "pls": f"[playlist]\nFile1={url}\nFile2={path}\nNumberOfEntries=2\n",
        "asx": f'<asx version="3"><entry><ref href="{url}"/></entry><entryref href="file://{path}"/></asx>',
        "asf-reference": f"[Reference]\nRef1={url}\nRef2={path}\n",
        "xspf": f"<playlist><trackList><track><location>file://{path}</location></track></trackList></playlist>",
        "wpl": f'<?wpl version="1.0"?><smil><body><media src="{path}"/></body></smil>',
        "rtsptext": f"rtsptextrtsp://127.0.0.1:{port}/x\n",
        "url": f"{url}\n",
        "svg": svg,
        "svg-entity": f"{entity}<svg><text>&e;</text></svg>",
        "html": f'<!doctype html><meta http-equiv="refresh" content="0;{url}"><img src="{url}">{svg}',
        "xml-include": f'<x xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{path}" parse="text"/></x>',
        "lyrics": f"[ti:x]\n[00:01.00]{url}\n",
        "ffmetadata": f";FFMETADATA1\ntitle={url}\n",
        "srt": f"1\n00:00:01,000 --> 00:00:02,000\n<img src={url}>\n",
        "vtt": f"WEBVTT\n\n00:01.000 --> 00:02.000\n{url}\n",
        "ass": f"[Script Info]\nScriptType: v4.00+\n[Fonts]\nfontname: {path}\n",
        "sami": f"<SAMI><BODY><SYNC Start=0><P>{url}</BODY></SAMI>",
        "vobsub": f"# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 0\n# {path}\n",
        "filter-graph": f"movie={path}[out0]",
        "avisynth": f'AviSource("{path}")\n',
        "postscript": f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n({path}) run\n(%pipe%id) (w) file\nshowpage\n",
        "pdf": f"%PDF-1.7\n1 0 obj<</OpenAction<</S/URI/URI({url})>>>>endobj\n",
        "xpm": f'/* XPM */\nstatic char *x[]={{"1 1 1 1","a c {path}","a"}};\n',
    }


# --------------------------------------------------------------------------------------------- containers


def _grown(data: bytes, path: tuple[bytes, ...], new: bytes) -> bytes:
    """`data` with the box at `path` replaced, and the sizes of those around it put right."""
    start, stop = find_box(data, *path)
    for at in [find_box(data, *path[:depth])[0] for depth in range(1, len(path))]:
        (size,) = struct.unpack_from(">I", data, at)
        data = patch(data, at, _u32(size + len(new) - (stop - start)))
    return data[:start] + new + data[stop:]


def _dref(*entries: bytes, container: str = "mp4") -> bytes:
    """A movie whose samples lie elsewhere."""
    path = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
    return _grown(build(replace(CLIP, format=container)), path, full_box(b"dref", 0, 0, _u32(len(entries)), *entries))


def _alias(path: str) -> bytes:
    """A Macintosh alias record that names a file absolutely and relatively, as libav's reader expects it."""
    name = path.rsplit("/", 1)[1].encode()[:63]
    fixed = bytes(10) + b"\x05Mac  " + bytes(22) + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0") + bytes(8)
    fixed += bytes(8) + struct.pack(">hh", 0, 0) + bytes(16)
    records = b""
    for kind, text in ((2, path.replace("/", ":").encode()), (18, path.encode()), (19, b"/")):
        records += struct.pack(">hH", kind, len(text)) + text + b"\0" * (len(text) % 2)
    return full_box(b"alis", 0, 0, fixed, records, struct.pack(">hH", -1, 0))


def _reference_movie(bait: Bait) -> bytes:
    """A QuickTime reference movie: nothing but the names of others."""
    links = [
        box(b"rmda", full_box(b"rdrf", 0, 0, b"url ", _u32(len(link)), link))
        for link in (bait.url.encode() + b"\0", f"file://{bait.path}".encode() + b"\0")
    ]
    data = build(replace(CLIP, format="mov"))
    start, stop = find_box(data, b"moov")
    return data[:start] + box(b"moov", data[start + 8 : stop], box(b"rmra", *links))


def _with_cover(cover: bytes, kind: int) -> bytes:
    """A movie whose cover is another file."""
    item = box(b"covr", box(b"data", struct.pack(">II", kind, 0), cover))
    meta = full_box(b"meta", 0, 0, full_box(b"hdlr", 0, 0, b"\0\0\0\0mdirappl", bytes(9)), box(b"ilst", item))
    data = build(CLIP)
    start, stop = find_box(data, b"moov")
    return data[:start] + box(b"moov", data[start + 8 : stop], box(b"udta", meta))


def _compressed_movie(_: Bait) -> bytes:
    data = build(replace(CLIP, format="mov"))
    start, stop = find_box(data, b"moov")
    packed = box(b"cmvd", _u32(stop - start), zlib.compress(data[start:stop]))
    return data[:start] + box(b"moov", box(b"cmov", box(b"dcom", b"zlib"), packed))


def _u32(number: int) -> bytes:
    return struct.pack(">I", number)


def element(number: int, *payload: bytes) -> bytes:
    """An EBML element."""
    body = b"".join(payload)
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + struct.pack(">Q", len(body) | 1 << 56) + body


def _matroska(bait: Bait) -> bytes:
    """One that names its neighbours, has chapters of another segment, and carries a playlist and a font."""
    data = build(replace(CLIP, format="matroska"))
    at = data.index(b"\x18\x53\x80\x67") + 12
    path, playlist = bait.path.encode(), f"#EXTM3U\n{bait.url}\n".encode()
    info = element(0x1549A966, element(0x3C83AB, path), element(0x3E83BB, path), element(0x3EB923, bytes(16)))
    atom = element(0xB6, element(0x73C4, b"\1"), element(0x91, b"\0"), element(0x6E67, bytes(range(16))))
    chapters = element(0x1043A770, element(0x45B9, element(0x45DD, b"\1"), atom))
    attached = [
        element(0x61A7, element(0x466E, name), element(0x4660, kind), element(0x465C, playlist), element(0x46AE, b"\1"))
        for name, kind in ((path, b"application/vnd.apple.mpegurl"), (b"x.ttf", b"font/ttf"), (b"c.svg", b"image/png"))
    ]
    size = b"\x01" + b"\xff" * 7
    extra = info + chapters + element(0x1941A469, *attached)
    return data[: at - 8] + size + extra + data[at:]


def _avi(subtitles: bytes) -> bytes:
    """An AVI whose subtitles (GAB2) are a file of another kind."""
    data = build(replace(CLIP, format="avi", codec="mpeg4"))
    packet = b"GAB2\0\2\0" + struct.pack("<I", 2) + b"x\0" + struct.pack("<HI", 4, len(subtitles)) + subtitles
    header = struct.pack("<4s4sIHHIIIIIII8x", b"txts", b"\0\0\0\0", 0, 0, 0, 0, 1, 25, 0, 1, len(packet), 0)
    stream = b"LIST" + struct.pack("<I", 4 + 8 + len(header) + 8) + b"strl"
    stream += b"strh" + struct.pack("<I", len(header)) + header + b"strf" + struct.pack("<I", 0)
    (size,) = struct.unpack_from("<I", data, 16)
    stop = 20 + size
    head = data[:16] + struct.pack("<I", size + len(stream)) + data[20:stop] + stream
    movi = data.index(b"movi", stop) + 4
    chunk = b"01tx" + struct.pack("<I", len(packet)) + packet + b"\0" * (len(packet) % 2)
    return head + data[stop:movi] + chunk + data[movi:]


def section(pid: int, table: int, body: bytes, number: int = 1) -> bytes:
    """One transport packet with one section of a table."""
    content = (
        bytes([table]) + struct.pack(">H", 0xF000 | len(body) + 9) + struct.pack(">HBBB", number, 0xC1, 0, 0) + body
    )
    content += _u32(_crc(content))
    return (b"\x47" + struct.pack(">H", 0x4000 | pid) + b"\x10\0" + content).ljust(188, b"\xff")


def _crc(data: bytes) -> int:
    """The CRC of MPEG sections."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


#: The first bytes of a DVB text choose its character table, which a library may want to load from a file.
_TABLES = (b"", *(bytes([n]) for n in range(1, 12)), *(b"\x10\0" + bytes([n]) for n in range(1, 16)), b"\x11", b"\x12",
           b"\x13", b"\x14", b"\x15", b"\x1f\1")  # fmt: skip


def _dvb_text(_: Bait) -> bytes:
    """Service names in every character table that DVB knows."""
    stream = build(replace(CLIP, format="mpegts"))
    packets = []
    for number, table in enumerate(_TABLES, 1):
        name = table + b"\xc8\xe9\xa4\xd5"
        service = struct.pack(">BBBBB", 0x48, 3 + 2 * len(name), 1, len(name), 0)[:4] + name + bytes([len(name)]) + name
        loop = struct.pack(">HBH", number, 0xFC, 0x8000 | len(service)) + service
        packets.append(section(0x11, 0x42, b"\0\1\xff" + loop, number))
    return b"".join(packets) + stream + b"".join(packets)


# ----------------------------------------------------------------------------------------------- pictures


def _linked_profile(bait: Bait) -> bytes:
    """A bitmap whose colour profile is a file, named by its path (BITMAPV5HEADER, PROFILE_LINKED)."""
    path = bait.path.encode() + b"\0"
    header = struct.pack("<IiiHHIIiiII", 124, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + bytes(16) + b"KNIL" + bytes(48)
    header += struct.pack("<IIII", 4, 124 + 4, len(path), 0)
    return struct.pack("<2sIHHI", b"BM", 14 + 124 + 4 + len(path), 0, 0, 138) + header + bytes(4) + path


def _heic_elsewhere(bait: Bait) -> bytes:
    """A HEIC whose pixels are said to lie in another file (a data reference in its `meta`)."""
    data = heic()
    start, stop = find_box(data, b"meta")
    urls = [full_box(b"url ", 0, 0, link.encode() + b"\0") for link in (bait.url, f"file://{bait.path}")]
    references = box(b"dinf", full_box(b"dref", 0, 0, _u32(len(urls)), *urls))
    return data[:start] + box(b"meta", data[start + 8 : stop], references) + data[stop:]


def _png_with(kind: bytes, payload: bytes) -> bytes:
    data = encode("PNG")
    chunk = kind + payload
    return data[:33] + _u32(len(payload)) + chunk + _u32(zlib.crc32(chunk)) + data[33:]


def _zip(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target.getvalue()


def _xmp(bait: Bait) -> bytes:
    link = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><a href="file://{bait.path}"/><b href="{bait.url}"/></x:xmpmeta>'
    return b"http://ns.adobe.com/xap/1.0/\0" + link.encode()


def _url(text: str) -> bytes:
    return full_box(b"url ", 0, 0, text.encode() + b"\0")


_BINARY: dict[str, Callable[[Bait], bytes]] = {
    "mp4-url-http": lambda bait: _dref(_url(bait.url)),
    "mp4-url-file": lambda bait: _dref(_url(f"file://{bait.path}")),
    "mp4-urn": lambda bait: _dref(full_box(b"urn ", 0, 0, b"x\0" + bait.url.encode() + b"\0")),
    "mov-alias": lambda bait: _dref(_alias(bait.path), container="mov"),
    "mov-resource": lambda bait: _dref(_alias(bait.path).replace(b"alis", b"rsrc", 1), container="mov"),
    "mov-url-path": lambda bait: _dref(_url(bait.path), _alias(bait.path), _url(bait.url), container="mov"),
    "mov-reference": _reference_movie,
    "mov-compressed": _compressed_movie,
    "mp4-cover-hls": lambda bait: _with_cover(f"#EXTM3U\n{bait.url}\n".encode(), 13),
    "mp4-cover-svg": lambda bait: _with_cover(_texts(bait)["svg"].encode(), 14),
    "mkv-neighbours": _matroska,
    "avi-gab2-hls": lambda bait: _avi(_texts(bait)["hls-file"].encode()),
    "avi-gab2-srt": lambda bait: _avi(_texts(bait)["srt"].encode()),
    "avi-gab2-concat": lambda bait: _avi(_texts(bait)["ffconcat"].encode()),
    "ts-dvb-text": _dvb_text,
    "sap": lambda bait: b"\x20\0\0\0\x7f\0\0\1application/sdp\0" + _texts(bait)["sdp"].encode(),
    "rtp-dump": lambda bait: f"#!rtpplay1.0 127.0.0.1/{bait.port}\n".encode() + bytes(40),
    "flv-script": lambda bait: bytes.fromhex("464c560105000000090000000012000020") + bytes(7) + bait.url.encode(),
    "asf": lambda bait: bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bait.url.encode(),
    "realmedia": lambda bait: b".RMF\0\0\0\x12" + bait.url.encode(),
    "swf": lambda bait: b"FWS\x09" + bait.url.encode(),
    "bmp-linked-profile": _linked_profile,
    "heic-elsewhere": _heic_elsewhere,
    "avif-elsewhere": lambda bait: _heic_elsewhere(bait).replace(b"heic", b"avif"),
    "jpeg-xmp": lambda bait: jpeg_with_segments(encode("JPEG"), (0xE1, _xmp(bait))),
    "jpeg-exif": lambda _: encode("JPEG", orientation=6),
    "png-xmp": lambda bait: _png_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _xmp(bait)),
    "png-profile": lambda bait: _png_with(b"iCCP", b"x\0\0" + zlib.compress(bait.path.encode())),
    "webp-xmp": lambda bait: encode("WEBP", xmp=_xmp(bait)),
    "gif-comment": lambda bait: encode("GIF", comment=bait.url.encode()),
    "tiff-named": lambda bait: encode("TIFF", tiffinfo={269: bait.path, 270: bait.url}),
    "eps-dos": lambda bait: bytes.fromhex("c5d0d3c61e000000ff") + bytes(21) + _texts(bait)["postscript"].encode(),
    "psd": lambda bait: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 1, 1, 8, 3) + bait.path.encode(),
    "fits": lambda bait: f"SIMPLE  = T / {bait.path}".ljust(2880).encode(),
    "ole": lambda bait: bytes.fromhex("d0cf11e0a1b11ae1") + bait.path.encode(),
    "wmf": lambda bait: bytes.fromhex("d7cdc69a") + bait.path.encode(),
    "hdf5": lambda bait: b"\x89HDF\r\n\x1a\n" + bait.path.encode(),
    "icon": lambda _: encode("ICO"),
    "word": lambda bait: _zip({"word/_rels/document.xml.rels": bait.url.encode(), "../../x": b"x"}),
}  # fmt: skip
