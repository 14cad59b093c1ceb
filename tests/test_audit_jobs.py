"""Rows of every format, in every condition: each one comes out, as a job or as a bad row with its line."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
import threading
import tracemalloc
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from preflight.audit.columns import plain
from preflight.audit.jobs import FORMATS, fingerprint, read_jobs
from preflight.audit.model import BadRow, Job
from preflight.audit.rows import LONGEST
from preflight.errors import RequestUnreadable, UsageError

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = "https://cdn.example.com/a.png"
VIDEO = "https://cdn.example.com/b.mp4"
TWO = f"{IMAGE},{VIDEO}"

Fields = dict[str, object]


def read(path: Path, content: str | bytes, **options: Any) -> list[Job | BadRow]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_jobs(path, **options))


def jobs(path: Path, content: str | bytes, **options: Any) -> list[Job]:
    found = read(path, content, **options)
    assert all(isinstance(item, Job) for item in found), found
    return [item for item in found if isinstance(item, Job)]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "jobs.csv"


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return tmp_path / "jobs.jsonl"


# ------------------------------------------------------------------------------------------------------ CSV


def test_a_table_of_jobs(table: Path) -> None:
    """Fields by name, the id, every other column carried, an empty cell is no value."""
    content = (
        "id,image_url,video_url,character_orientation,prompt,shop,price\n"
        f"a1,{TWO},video,wave,Köln,007\n"
        f"a2,{TWO},image,,,\n"
    )
    request: Fields = {"image_url": IMAGE, "video_url": VIDEO, "character_orientation": "video", "prompt": "wave"}
    first, second = jobs(table, content)
    assert first == Job(1, "a1", request, {"shop": "Köln", "price": "007"})
    assert second.request == {"image_url": IMAGE, "video_url": VIDEO, "character_orientation": "image"}
    assert second.carried == {"shop": "", "price": ""}


def test_what_a_table_means_without_saying_it(table: Path, lines: Path) -> None:
    """A field without a column is implied; one with an empty cell is missing; an object speaks for itself."""
    implied = {"model": "a", "mode": "std"}
    (job,) = jobs(table, f"image_url,video_url,mode\n{TWO},\n", implied=implied)
    assert job.request == {"image_url": IMAGE, "video_url": VIDEO, "model": "a"}
    (job,) = jobs(lines, json.dumps({"image_url": IMAGE, "video_url": VIDEO}), implied=implied)
    assert job.request == {"image_url": IMAGE, "video_url": VIDEO}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n \n", "sep"])
def test_dialects(table: Path, delimiter: str, end: str, start: str) -> None:
    """The delimiter, the ends of lines, a byte order mark, Excel's own first line: found without being told."""
    start = f"sep={delimiter}{end}" if start == "sep" else start
    rows = [["video", "image", "a,b;c"], [VIDEO, IMAGE, "x,y;z|\t"], [VIDEO, IMAGE, "two\nlines"]]
    text = io.StringIO()
    quoting: Any = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL  # it forgets \n beside a terminator of \r
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(rows)
    found = jobs(table, (start + text.getvalue()).encode())
    assert [job.request for job in found] == [{"image_url": IMAGE, "video_url": VIDEO}] * 2
    assert [job.carried for job in found] == [{"a,b;c": "x,y;z|\t"}, {"a,b;c": "two\nlines"}]


def test_a_space_after_each_delimiter(table: Path) -> None:
    """As people type it: the quotation mark after the space still counts."""
    (job,) = jobs(table, f'image, video, prompt\n{IMAGE}, {VIDEO}, "one, two"\n')
    assert job.request == {"image_url": IMAGE, "video_url": VIDEO, "prompt": "one, two"}


def test_utf16(table: Path) -> None:
    """Excel's "Unicode text"."""
    (job,) = jobs(table, f"image\tvideo\tshop\r\n{IMAGE}\t{VIDEO}\tKöln 🎬\r\n".encode("utf-16"))
    assert (job.request["video_url"], job.carried) == (VIDEO, {"shop": "Köln 🎬"})


def test_bad_rows_have_their_line(table: Path) -> None:
    """Whatever one row is, the rows around it are judged, and lines are counted as an editor counts them."""
    content = (
        "image,video,note\n"  # 1
        f'{TWO},"two\nlines"\n'  # 2, 3
        f"{TWO}\n"  # 4: a cell short
        f"{TWO},a,b\n"  # 5: a cell too many
        "\n"  # 6: no row
        f'{TWO},"open\n'  # 7
        f"{TWO},fine\n"  # 8
        f'{TWO},"a"b\n'  # 9: text after the closing mark
        ",,\n"  # 10: nothing
        f"{TWO},{'x' * 140_000}\n"  # 11: above the csv module's limit
        f"{TWO},{'x' * LONGEST}\n"  # 12: above ours
        f"{TWO},last,,\n"  # 13: empty cells too many are none
    )
    found = read(table, content)
    assert [item.row for item in found] == list(range(1, 11))
    assert [item.row for item in found if isinstance(item, Job)] == [1, 5, 10]
    bad = [(item.line, item.reason) for item in found if isinstance(item, BadRow)]
    assert [line for line, _ in bad] == [4, 5, 7, 9, 10, 11, 12]
    assert [reason for _, reason in bad] == [
        "has 2 cells under 3 columns",
        "has 4 cells under 3 columns; a cell with a comma in it needs quotation marks around it",
        "opens a quotation mark and does not close it as it should",
        "has a quotation mark too many or too few; after the mark that closes, a comma or the end of the row is due",
        "has no value in any column",
        "has a cell of more than 131072 characters",
        "is longer than 1 MiB; a row names its media, it does not hold them",
    ]


def test_an_open_quotation_mark_swallows_nothing(table: Path) -> None:
    """Neither up to the next mark, nor up to the end of a large file, nor a line that is too long."""
    good = f'{TWO},"fine"\n'
    for after in (good * 3, f"{TWO},fine\n" * 30_000, f"{'x' * (LONGEST + 5)}\n{good}"):
        found = read(table, f'image,video,note\n{TWO},"open\n{after}')
        assert isinstance(found[0], BadRow)
        assert len(found) == 1 + after.count("\n")
        assert [item.row for item in found if isinstance(item, BadRow)] == ([1, 2] if after[0] == "x" else [1])


def test_bytes_that_are_not_utf8(table: Path) -> None:
    """In a carried column they are shown; in a field they would change what is fetched."""
    head, row = b"image,video,prompt,shop\n", f"{TWO},".encode()
    spoilt = head + row + b"wave,K\xf6ln\n" + row + b"gr\xfc\xdfe,x\n"
    first, second, *_ = read(table, spoilt + row + "Größe,Köln\n".encode() + row + "Düne,Köln\n".encode())
    assert [first, second] == read(table, spoilt, encoding="utf-8")
    assert isinstance(first, Job)
    assert first.carried == {"shop": "K\\xf6ln"}
    assert isinstance(second, BadRow)
    assert second.reason == "is not UTF-8 in the column prompt (byte 0xFC); save the file as UTF-8"
    assert second.carried == {"shop": "x"}


# ------------------------------------------------------------------------------------------------ encodings

GERMAN, CHINESE = "Größe für Köln", "杭州西湖商店"


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("gb18030", CHINESE), ("GBK", CHINESE), ("latin-1", GERMAN), ("windows-1252", GERMAN + " – 5 €"),
     ("utf-16-le", CHINESE + " 🎬"), ("UTF-16", CHINESE), ("utf_32_be", CHINESE), ("Big5", "臺北商店"),
     ("cp1251", "Москва")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_any_encoding_that_is_named(tmp_path: Path, encoding: str, text: str, kind: str) -> None:
    """Names, fields and carried columns come out as they were written."""
    path, url = tmp_path / f"jobs.{kind}", f"{VIDEO}?name={text}"
    if kind == "txt":
        (job,) = jobs(path, f"# {text}\n{url}\n".encode(encoding), encoding=encoding, as_medium="video")
        assert job.request == {"video_url": url}
        return
    row = {"image": IMAGE, "video": VIDEO, "prompt": text, f"{text[:2]}": text}
    content = json.dumps(row, ensure_ascii=False) if kind == "jsonl" else f"{','.join(row)}\n{','.join(row.values())}\n"
    (job,) = jobs(path, content.encode(encoding), encoding=encoding)
    assert job == Job(1, None, {"image_url": IMAGE, "video_url": VIDEO, "prompt": text}, {text[:2]: text})


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("told", [None, "gb18030"])
def test_a_byte_order_mark_says_it(tmp_path: Path, mark: str, told: str | None) -> None:
    """Whatever was told, and where the name of the file says nothing."""
    row = json.dumps({"image": IMAGE, "video": VIDEO, "shop": CHINESE}, ensure_ascii=False)
    (job,) = jobs(tmp_path / "jobs", f"{row}\n".encode(mark), encoding=told)
    assert job.carried == {"shop": CHINESE}


@pytest.mark.parametrize(
    ("content", "line", "name"),
    [
        (f"image,video,店\n{TWO},{CHINESE}\n".encode("gbk"), 1, "gb18030"),
        ((f"image,video,shop\n{TWO},a\n" * 3 + f"{TWO},{CHINESE}\n").encode("gb18030"), 7, "gb18030"),
        (f"image,video,shop\n{TWO},{GERMAN}\n".encode("latin-1"), 2, "cp1252"),
        (f"image;video;shop\r\n{IMAGE};{VIDEO};5 €\r\n".encode("cp1252"), 2, "cp1252"),
        (f"image,video,shop\r{TWO},a\r{TWO},{GERMAN}\r".encode("latin-1"), 3, "cp1252"),
        (f"image,video,shop\n{TWO},a\n".encode() * 50_000 + f"{TWO},K\xf6ln\n".encode("latin-1"), 100_001, "cp1252"),
    ],
)
def test_another_encoding_is_told_once(table: Path, content: bytes, line: int, name: str) -> None:
    """In one line: where it begins, and what to say; which is then right."""
    with pytest.raises(RequestUnreadable) as caught:
        read(table, content)
    told = str(caught.value)
    assert told.startswith(f"{table}: line {line:,} is not UTF-8 (byte 0x")
    assert f": say so with --encoding {name}, or save it as UTF-8" in told
    assert "\n" not in told
    assert all(
        isinstance(job, Job) or "image,video" in content.decode(name) for job in read(table, content, encoding=name)
    )


def test_utf16_without_a_mark(table: Path) -> None:
    for name in ("utf-16-le", "utf-16-be"):
        with pytest.raises(RequestUnreadable, match=f"say so: --encoding {name}"):
            read(table, f"image,video\n{TWO}\n".encode(name))


def test_a_few_damaged_rows_do_not_damn_the_file(lines: Path) -> None:
    """Nor does a character that lies between two pieces of a line longer than both."""
    row = json.dumps({"image": IMAGE, "video": VIDEO, "prompt": "é" * 200_000 + "杭" * 100_000}, ensure_ascii=False)
    for start in range(4):
        first, second = read(lines, b" " * start + row.encode() + b'\n{"image": "\xff"}\n')
        assert isinstance(first, Job)
        assert second == BadRow(2, 2, "is not UTF-8 (byte 0xFF); save the file as UTF-8", {})


def test_bytes_that_are_not_of_the_encoding(tmp_path: Path) -> None:
    """Each is told by its row, whatever its value; none is replaced in silence."""
    found = read(tmp_path / "urls.txt", f"{VIDEO}\n".encode() + b"a\xff\xffb\n", as_medium="video", encoding="gbk")
    assert found[1] == BadRow(2, 2, "is not gbk (byte 0xFF); save the file as UTF-8", {})
    half = "image,video,shop\na,b,".encode("utf-16") + b"\x3d\xd8" + "x\n".encode("utf-16-le")
    (job,) = jobs(tmp_path / "jobs.csv", half)
    assert job.carried == {"shop": "\\x3d\\xd8x"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gb1830", "--encoding gb1830: no encoding of text; did you mean gb18030?"),
        ("windows1252", "did you mean windows-1252?"),
        ("base64", "--encoding base64: no encoding of text"),
        ("rot13", "--encoding rot13: no encoding of text"),
        ("klingon\x1b[31m", r"--encoding klingon\\x1b\[31m: no encoding of text, such as gb18030"),
        ("a\0b", "no encoding of text"),
        ("", "no encoding of text"),
    ],
)
def test_no_such_encoding(table: Path, name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(table, f"image,video\n{TWO}\n", encoding=name)


def test_what_no_encoding_helps(tmp_path: Path, table: Path) -> None:
    """Parquet knows its own; some of Python's are not made for tables."""
    parquet.write_table(pa.table({"image_url": [IMAGE], "video_url": [VIDEO]}), tmp_path / "jobs.parquet")
    with pytest.raises(UsageError, match="Parquet knows the encoding of its text; leave --encoding out"):
        list(read_jobs(tmp_path / "jobs.parquet", encoding="utf-8"))
    with pytest.raises(RequestUnreadable, match=r"jobs\.csv: cannot be read as undefined"):
        read(table, f"image,video\n{TWO}\n", encoding="undefined")


def test_an_audit_in_another_encoding(tmp_path: Path) -> None:
    """Every output has the carried column right, the run tells its encoding, and another one is another run."""
    medium = "https://127.0.0.1/a.png"  # of no public host: nothing is asked
    (tmp_path / "jobs.csv").write_bytes(f"url,店铺\n{medium},{CHINESE}\n\n{medium}\n".encode("gbk"))

    def audit(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "preflight", "audit", "jobs.csv", "--as", "image", "--cache", "off", *words]
        return subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    for words in ((), ("--dry-run",)):
        done = audit(*words)
        assert (done.returncode, done.stdout) == (2, "")
        (told,) = done.stderr.splitlines()
        assert "jobs.csv: line 1 is not UTF-8 (byte 0xB5); the file seems to be GB18030 (GBK): say so with" in told
    files = ("-o", "r.csv", "-o", "r.jsonl", "-o", "r.parquet", "--report", "r.html")
    done = audit("--encoding", "GB18030", *files)
    assert done.returncode == 1, done.stderr
    head = done.stdout.partition("verdicts")[0]
    assert re.search(
        r"jobs\.csv: 2 of 2 rows .* 20\d\d-\d\d-\d\d \d\d:\d\d UTC.* preflight \d.*xcompute 20\d\d-", head, re.DOTALL
    )
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        assert [row["input.店铺"] for row in csv.DictReader(file)] == [CHINESE, ""]
    results = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text("utf-8").splitlines()]
    assert [result["input"] for result in results] == [{"店铺": CHINESE}, {}]
    assert parquet.read_table(tmp_path / "r.parquet")["input.店铺"].to_pylist() == [CHINESE, None]
    said = "This row (line 4) has 1 cell under 2 columns, so there is no request to judge."
    assert all(said in text for text in (" ".join(done.stdout.split()), (tmp_path / "r.html").read_text("utf-8")))
    other = audit("--encoding", "big5")
    assert other.returncode == 2
    assert 'was started otherwise: encoding was "gb18030" and is "big5"' in other.stderr


def test_nul_is_for_the_rules(table: Path) -> None:
    """A NUL neither ends a cell nor raises; the rule for URLs names it."""
    (job,) = jobs(table, f"image,video\n{IMAGE},{VIDEO}\0\n")
    assert job.request["video_url"] == f"{VIDEO}\0"


def test_header_only_and_empty(table: Path) -> None:
    """No rows are no error; no header is."""
    assert read(table, "image,video\r\n") == []
    for content in ("", "\n \n", "\ufeff", "sep=;\n"):
        with pytest.raises(RequestUnreadable, match=r"jobs\.csv: empty; a header line and rows are needed"):
            read(table, content)


# -------------------------------------------------------------------------------------------------- columns


@pytest.mark.parametrize(
    ("image", "video"),
    [("image_url", "video_url"), ("Image URL", "videoUrl"), ("img", "clip"), ("reference_image", "driving-video")],
)
def test_usual_names(table: Path, image: str, video: str) -> None:
    (job,) = jobs(table, f"{image},{video}\n{TWO}\n")
    assert job.request == {"image_url": IMAGE, "video_url": VIDEO}


def test_the_exact_name_wins(table: Path) -> None:
    """`image` beside `image_url` is another column."""
    (job,) = jobs(table, f"image,image_url,video_url\n7,{TWO}\n")
    assert (job.request["image_url"], job.carried) == (IMAGE, {"image": "7"})


@pytest.mark.parametrize(
    ("header", "options", "message"),
    [
        ("img,picture,video", {}, "the columns img, picture all look like image_url; say which one: --map"),
        ("image_url,image_url,video", {}, "2 columns are named image_url, image_url; rename all but the one"),
        ("a,b,c", {}, "no column looks like image_url or video_url; the columns are a, b, c; name it:"),
        ("id,clip", {}, "no column looks like image_url; the columns are id, clip; name it: --map"),
        ("image,video", {"id_column": "key"}, "no column key; the columns are image, video"),
        ("image,video", {"mapping": {"video": "film"}}, "no column film; the columns are image, video"),
        ("image,video", {"mapping": {"colour": "x"}}, "--map colour=…: no such field; the fields are mod"),
        ("a,b", {"as_medium": "video"}, "no column looks like video_url; the columns are a, b; name it:"),
        (f"{IMAGE},{VIDEO}", {}, "the first line holds a URL, so the header is missing; add"),
    ],
)  # fmt: skip
def test_columns_that_do_not_fit(table: Path, header: str, options: dict[str, Any], message: str) -> None:
    """Told once, with the names, before the first row."""
    with pytest.raises(UsageError) as caught:
        read(table, f"{header}\n{TWO},x\n", **options)
    assert message in str(caught.value)


def test_map_and_id(table: Path) -> None:
    """`--map` wins over any name, takes our words for a field, and frees the column that looked like it."""
    content = f"video,film,img,key,id\nold,{VIDEO},{IMAGE},k1,9\n"
    (job,) = jobs(table, content, mapping={"video": "film", "watermark": "key"}, id_column="key")
    watermark = {"watermark_info": {"enabled": "k1"}}
    assert job == Job(1, "k1", {"image_url": IMAGE, "video_url": VIDEO, **watermark}, {"video": "old", "id": "9"})


@pytest.mark.parametrize("name", ["id", "ID", "job_id", "uuid"])
def test_id_by_name(table: Path, name: str) -> None:
    first, second = jobs(table, f"{name},image,video\n7,{TWO}\n,{TWO}\n")
    assert (first.id, second.id, first.carried) == ("7", None, {})


def test_columns_of_one_name_are_all_carried(table: Path) -> None:
    (job,) = jobs(table, f"image,video,note,note,\n{TWO},a,b,c\n")
    assert job.carried == {"note": "a", "note (2)": "b", "": "c"}


def test_defaults_fill_and_do_not_overrule(table: Path) -> None:
    content = f"image,video,orientation\n{TWO},\n{TWO},image\n"
    found = jobs(table, content, defaults={"character_orientation": "video", "mode": "pro"})
    assert [job.request["character_orientation"] for job in found] == ["video", "image"]
    assert {job.request["mode"] for job in found} == {"pro"}
    (job,) = jobs(table, f"video\n{VIDEO}\n", defaults={"image_url": IMAGE})
    assert job.request == {"image_url": IMAGE, "video_url": VIDEO}


@pytest.mark.parametrize(
    ("column", "cell", "field", "value"),
    [
        ("watermark", "TRUE", "watermark_info", {"enabled": True}),
        ("watermark_enabled", "0", "watermark_info", {"enabled": False}),
        ("watermark_info.enabled", "no", "watermark_info", {"enabled": False}),
        ("watermark_info", '"{""enabled"": true}"', "watermark_info", {"enabled": True}),
        ("watermark_info", "maybe", "watermark_info", {"enabled": "maybe"}),
        ("watermark", "{oops", "watermark_info", "{oops"),
        ("sound", "True", "keep_original_sound", "yes"),
        ("sound", "0", "keep_original_sound", "no"),
        ("sound", "loud", "keep_original_sound", "loud"),
        ("keep_original_sound", "true", "keep_original_sound", "true"),
        ("mode", "1080p", "mode", "1080p"),
        ("modelName", "kling", "model", "kling"),
        ("resolution", "1080p", None, None),
    ],
)
def test_what_a_cell_means(table: Path, column: str, cell: str, field: str | None, value: object) -> None:
    """A field's own name is taken at its word, another name is understood, and the rest is for the rules."""
    (job,) = jobs(table, f"image,video,{column}\n{TWO},{cell}\n")
    media = {"image_url": IMAGE, "video_url": VIDEO}
    assert job.request == (media | {field: value} if field else media)


# ----------------------------------------------------------------------------------------------- JSON lines


def test_json_lines(lines: Path) -> None:
    """Typed values stay typed; a null is what the row says, unless there is a default."""
    row = {"id": 5, "image_url": IMAGE, "video": VIDEO, "watermark": True, "mode": None, "prompt": None, "n": [1, 2.5]}
    (job,) = jobs(lines, "\ufeff" + json.dumps(row) + "\r\n\n", defaults={"mode": "std"})
    request: Fields = {
        "image_url": IMAGE,
        "video_url": VIDEO,
        "watermark_info": {"enabled": True},
        "prompt": None,
        "mode": "std",
    }
    assert job == Job(1, "5", request, {"n": [1, 2.5]})


def test_a_request_inside_a_row(lines: Path) -> None:
    """Everything in it is the request's, unknown fields too; beside it stands what is carried."""
    inner = {"image_url": IMAGE, "video_url": VIDEO, "oops": 1}
    (job,) = jobs(lines, json.dumps({"custom_id": "c", "id": "i", "body": inner, "mode": "pro"}))
    assert job == Job(1, "i", {**inner, "mode": "pro"}, {"custom_id": "c"})


def test_bad_json_lines(lines: Path) -> None:
    deep = "[" * 3000 + "]" * 3000
    content = [
        b'{"image_url": "a"',
        b"7",
        b'{"a": 1, "a": 2}',
        b'{"a": "\xff"}',
        b'{"a": ' + b"9" * 5000 + b"}",
        f'{{"a": {deep}}}'.encode(),
        f'{{"a": {"[" * 60 + "]" * 60}}}'.encode(),
        b'{"image": "a", "img": "b"}',
        b'{"a": "' + b"x" * LONGEST + b'"}',
        b'{"a": NaN, "b": [1e999, "\\ud800"], "note": "\xe2\x80\xa8"}',
    ]
    found = read(lines, b"\n\n".join(content))
    assert [item.row for item in found] == list(range(1, 11))
    bad = [item for item in found if isinstance(item, BadRow)]
    assert [item.line for item in bad] == [1, 3, 5, 7, 9, 11, 13, 15, 17]
    assert [item.reason for item in bad] == [
        "is not JSON (column 18: expecting ',' delimiter)",
        "is no JSON object",
        "names a twice",
        "is not UTF-8 (byte 0xFF); save the file as UTF-8",
        "has a number of thousands of digits",
        "is nested too deeply",
        "is nested too deeply",
        "is ambiguous: the columns image, img all look like image_url; say which one: --map image_url=COLUMN",
        "is longer than 1 MiB; a row names its media, it does not hold them",
    ]
    last = found[-1]
    assert isinstance(last, Job)
    assert last.carried == {"a": None, "b": [None, "\\ud800"], "note": "\u2028"}


@pytest.mark.parametrize("content", ['[{"image_url": "a"}]', "[\n{}\n]", '{\n  "image_url": "a"\n}'])
def test_a_json_document_is_no_json_lines(lines: Path, content: str) -> None:
    with pytest.raises(RequestUnreadable, match="one object a line is needed: jq -c"):
        read(lines, content)


# ------------------------------------------------------------------------------------------- lists of media


def test_a_list_of_urls(tmp_path: Path) -> None:
    """Comments and blank lines are no rows, and a # inside a URL is no comment."""
    content = f"\ufeff# ours\r\n{VIDEO}#t=3\r\n\r\n  {VIDEO}  \r\nb\xe9\n".encode().replace(b"\xc3\xa9", b"\xe9")
    first, second, third = read(tmp_path / "urls.txt", content, as_medium="video")
    assert first == Job(1, None, {"video_url": f"{VIDEO}#t=3"}, {}, "video")
    assert second == Job(2, None, {"video_url": VIDEO}, {}, "video")
    assert third == BadRow(3, 5, "is not UTF-8 (byte 0xE9); save the file as UTF-8", {})


def test_a_list_needs_a_kind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs --as video or --as image"):
        read(tmp_path / "urls.txt", f"{VIDEO}\n")


def test_a_table_of_one_medium(table: Path) -> None:
    """`url` is enough; `orientation` is the picture's there, and the window's only under the field's own name."""
    content = f"url,orientation,image_url\n{VIDEO},landscape,x\n,portrait,y\n"
    first, second = read(table, content, as_medium="video", defaults={"character_orientation": "image", "mode": "pro"})
    request: Fields = {"video_url": VIDEO, "character_orientation": "image"}
    assert first == Job(1, None, request, {"orientation": "landscape", "image_url": "x"}, "video")
    assert second == BadRow(2, 3, "names no video", {"orientation": "portrait", "image_url": "y"})
    (job,) = jobs(table, f"video_url,character_orientation\n{VIDEO},video\n", as_medium="video")
    assert job.request == {"video_url": VIDEO, "character_orientation": "video"}


def test_json_lines_of_one_medium(lines: Path) -> None:
    first, second, third = read(lines, f'{{"url": "{IMAGE}"}}\n"{IMAGE}"\n{{"url": ["x"]}}\n', as_medium="image")
    assert isinstance(first, Job)
    assert isinstance(second, Job)
    assert first.request == second.request == {"image_url": IMAGE}
    assert third == BadRow(3, 3, "holds no text where the URL of its image belongs", {})


# -------------------------------------------------------------------------------------------------- Parquet


def test_parquet(tmp_path: Path) -> None:
    """Types become JSON's, structs are the request's, a null is no value."""
    when = datetime(2026, 11, 22, 12, tzinfo=UTC)
    rows = [
        {
            "id": 1, "image_url": IMAGE, "video_url": VIDEO.encode(), "prompt": None,
            "watermark_info": {"enabled": True}, "when": when, "price": Decimal("0.70"), "tags": ["a", None],
            "score": float("nan"), "raw": b"\xff\x00",
        },
        {"id": 2, "image_url": None, "video_url": VIDEO.encode(), "watermark_info": None},
    ]  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "jobs.parquet")
    first, second = read_jobs(tmp_path / "jobs.parquet")
    carried: Fields = {
        "when": "2026-11-22T12:00:00+00:00",
        "price": "0.70",
        "tags": ["a", None],
        "score": None,
        "raw": "/wA=",
    }
    request: Fields = {"image_url": IMAGE, "video_url": VIDEO, "watermark_info": {"enabled": True}}
    assert first == Job(1, "1", request, carried)
    assert isinstance(second, Job)
    assert second.request == {"video_url": VIDEO}


def test_parquet_of_whole_requests(tmp_path: Path) -> None:
    rows = [{"key": "k", "request": {"image_url": IMAGE, "video_url": VIDEO, "prompt": None}}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "jobs")
    assert list(read_jobs(tmp_path / "jobs", id_column="key")) == [
        Job(1, "k", {"image_url": IMAGE, "video_url": VIDEO}, {})
    ]


def test_parquet_values_that_python_cannot_hold(tmp_path: Path) -> None:
    """Nanoseconds, a date beyond the year 9999, text that is not UTF-8: each spoils its own cell only."""
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff")]
    )
    table = pa.table({
        "image_url": [IMAGE] * 2, "video_url": [VIDEO] * 2, "prompt": texts, "note": texts,
        "nanos": pa.array([1, 2], pa.timestamp("ns")),
        "far": pa.array([0, 2_000_000_000], pa.int32()).view(pa.date32()),
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "jobs.parquet")
    first, second = read_jobs(tmp_path / "jobs.parquet")
    assert isinstance(first, Job)
    assert first.carried == {"note": "a", "nanos": "1970-01-01T00:00:00.000000001", "far": "1970-01-01"}
    assert isinstance(second, BadRow)
    assert second.reason.startswith("is not UTF-8 in the column prompt (byte 0xFF)")
    far = "<value out of range: 2000000000>"
    assert second.carried == {"note": "\\xff", "nanos": "1970-01-01T00:00:00.000000002", "far": far}
    json.dumps([first.carried, second.carried], allow_nan=False)


def test_parquet_that_is_damaged(tmp_path: Path) -> None:
    """At its end, where the index stands, and in its middle, where rows stand."""
    path = tmp_path / "jobs.parquet"
    table = pa.table({"image_url": [f"{IMAGE}?{n}" for n in range(5000)], "video_url": [VIDEO] * 5000})
    parquet.write_table(table, path, compression="snappy", row_group_size=1000, use_dictionary=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(RequestUnreadable, match=r"jobs\.parquet: no sound Parquet file"):
        list(read_jobs(path))
    path.write_bytes(whole[: len(whole) // 2] + bytes(3000) + whole[len(whole) // 2 + 3000 :])
    found: list[Job | BadRow] = []
    with pytest.raises(RequestUnreadable, match=r"jobs\.parquet: damaged after row \d"):
        found.extend(read_jobs(path))


# ---------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("jobs", f"image,video\n{TWO}\n"),
        ("jobs.TSV", f"image\tvideo\n{IMAGE}\t{VIDEO}\n"),
        ("jobs.dat", f'\n{{"image": "{IMAGE}", "video": "{VIDEO}"}}\n'),
        ("jobs.json", f'{{"image": "{IMAGE}", "video": "{VIDEO}"}}\n'),
    ],
)
def test_the_format_is_found(tmp_path: Path, name: str, content: str) -> None:
    (job,) = jobs(tmp_path / name, content)
    assert job.request == {"image_url": IMAGE, "video_url": VIDEO}


def test_a_bare_list_is_found(tmp_path: Path) -> None:
    assert len(jobs(tmp_path / "media", f"# mine\n{VIDEO}\n{VIDEO}\n", as_medium="video")) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x1f\x8b\x08\0", "compressed with gzip; unpack it first"),
        (b"PK\x03\x04rest", "an Excel workbook; save the sheet as CSV"),
        (b"PAR1\0\0", "a Parquet file: --input-format parquet"),
    ],
)
def test_another_kind_of_file(table: Path, content: bytes, message: str) -> None:
    with pytest.raises(RequestUnreadable, match=message):
        read(table, content)


def test_no_such_file(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path / "none.csv", "No such file or directory"),
        (tmp_path, "Is a directory"),
        ("a\0b", "not a file name"),
    ):
        with pytest.raises(RequestUnreadable, match=message):
            next(read_jobs(path))
    with pytest.raises(
        UsageError, match=r"https://example\.com/jobs\.csv\?key=…: a URL, not a file; download it first"
    ):
        next(read_jobs("https://example.com/jobs.csv?key=secret"))
    with pytest.raises(UsageError, match="no such format"):
        read(tmp_path / "jobs.csv", "x\n", format="xml")


def test_standard_input_and_pipes(tmp_path: Path) -> None:
    """What cannot be read twice is copied first."""
    code = "import sys; from preflight.audit.jobs import read_jobs; print([j.row for j in read_jobs(sys.argv[1])])"
    content = f"image,video\n{TWO}\n{TWO}\n"
    done = subprocess.run(
        [sys.executable, "-c", code, "-"], input=content, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[1, 2]\n"
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(content,))
    writer.start()
    assert [item.row for item in read_jobs(pipe)] == [1, 2]
    writer.join(10)


def test_fingerprint(tmp_path: Path) -> None:
    """The same bytes are the same input, whenever they were written; of a large file its ends, size and time count."""
    path = tmp_path / "jobs.csv"
    path.write_bytes(b"a" * (3 << 20))
    first = fingerprint(path)
    os.utime(path, ns=(5, 5))
    assert first == fingerprint(path)
    assert (first["path"], first["size"]) == (str(path), 3 << 20)
    with path.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"b")
    assert fingerprint(path) != first
    os.truncate(path, 65 << 20)
    os.utime(path, ns=(5, 5))
    large = fingerprint(path)
    assert large["mtime_ns"] == 5
    os.utime(path, ns=(6, 6))
    assert fingerprint(path) != large
    with pytest.raises(RequestUnreadable, match=r"none\.csv: No such file"):
        fingerprint(tmp_path / "none.csv")


def test_memory_is_flat(table: Path, lines: Path) -> None:
    """Ten times the rows, the same peak."""

    def peak(path: Path) -> int:
        tracemalloc.start()
        for _ in read_jobs(path):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    row = json.dumps({"image_url": IMAGE, "video_url": VIDEO, "note": "x" * 50})
    for path, head, line in ((table, "image,video,note\n", f"{TWO},note\n"), (lines, "", f"{row}\n")):
        path.write_text(head + line * 1000)
        few = peak(path)
        path.write_text(head + line * 10_000)
        assert peak(path) < few + 20_000


# ----------------------------------------------------------------------------------------------- properties

SMALL = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
HOSTILE = st.one_of(
    st.binary(max_size=300),
    st.text(alphabet='",;\t|\r\n\0 {}[]:aé\ud800#\\', max_size=200).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
)


@SMALL
@given(
    content=HOSTILE,
    format_=st.sampled_from(FORMATS),
    header=st.booleans(),
    medium=st.sampled_from([None, "video"]),
    encoding=st.sampled_from([None, "utf-8", "gb18030", "utf-16-le", "hz", "utf-7", "idna"]),
)
def test_any_bytes_are_rows(
    tmp_path: Path, content: bytes, format_: str, header: bool, medium: Any, encoding: str | None
) -> None:
    """Rows are numbered without a gap, lines go up, all of it is JSON in UTF-8; or the file as a whole is refused."""
    start = b"image_url,video_url,note\n" if header and format_ == "csv" else b""
    try:
        found = read(tmp_path / "any", start + content, format=format_, as_medium=medium, encoding=encoding)
    except UsageError:  # of nothing else
        return
    assert [item.row for item in found] == list(range(1, len(found) + 1))
    places = [item.line for item in found if isinstance(item, BadRow) and item.line]
    assert all(one < two for one, two in pairwise(places))
    for item in found:
        json.dumps([item.carried, item.id if isinstance(item, Job) else item.reason], allow_nan=False).encode()
        json.dumps(item.carried, ensure_ascii=False).encode()


@SMALL
@given(content=st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), max_size=20))
def test_every_json_line_is_a_row(tmp_path: Path, content: list[bytes]) -> None:
    """One row for each line that is not blank."""
    expected = [number for number, line in enumerate(content, 1) if line.strip(b"\r\t ") and line != b"\xef\xbb\xbf"]
    assume(not (content and content[0].startswith((b"\xff\xfe", b"\xfe\xff"))))
    try:
        found = read(tmp_path / "any.jsonl", b"\n".join(content), encoding="utf-8")
    except RequestUnreadable:
        return
    assert len(found) == len(expected)
    assert {item.line for item in found if isinstance(item, BadRow)} <= set(expected)


CELLS = st.lists(st.text(max_size=20).filter(lambda text: "\r" not in text), min_size=3, max_size=3)


@SMALL
@given(rows=st.lists(CELLS, max_size=8), delimiter=st.sampled_from(",;\t|"), quoting=st.sampled_from([0, 1]))
def test_what_csv_writes_comes_back(tmp_path: Path, rows: list[list[str]], delimiter: str, quoting: Any) -> None:
    """Every cell, whatever is in it."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting)
    writer.writerow(["image_url", "video_url", "note"])
    writer.writerows(rows)
    found = read(tmp_path / "any.csv", text.getvalue().encode("utf-8", "surrogatepass"))
    assert len(found) == len(rows)
    for item, (image, video, note) in zip(found, rows, strict=True):
        if not (image or video or note):
            assert isinstance(item, BadRow)
            continue
        assert isinstance(item, Job), item
        expected = {"image_url": image, "video_url": video}
        assert item.request == {name: value for name, value in expected.items() if value}
        assert item.carried == {"note": note}


@SMALL
@given(data=st.data())
def test_a_spoilt_row_spoils_no_other(tmp_path: Path, data: st.DataObject) -> None:
    """Rows with and without quotation marks around rows that open one: each good row is a job, each other is told."""
    good = st.sampled_from([f"{TWO},x", f'"{IMAGE}","{VIDEO}","x"', f'{TWO},"x, y"', f'{TWO},"say ""x"""'])
    spoilt = st.sampled_from([f'{TWO},"open', f'"{TWO},x', f"{TWO}", f'{TWO},"x"y', f'{TWO},"x""'])
    rows = data.draw(st.lists(st.tuples(st.booleans(), good, spoilt), min_size=1, max_size=8))
    content = "\n".join(fine if is_good else bad for is_good, fine, bad in rows)
    found = read(tmp_path / "any.csv", f"image,video,note\n{content}\n")
    assert [isinstance(item, Job) for item in found] == [is_good for is_good, _, _ in rows]
    assert [item.line for item in found if isinstance(item, BadRow)] == [
        number for number, (is_good, _, _) in enumerate(rows, 2) if not is_good
    ]


@SMALL
@given(value=st.recursive(st.none() | st.floats() | st.text("aé\ud800\udcff\x00") | st.binary(), st.lists))
def test_any_value_can_be_carried(value: object) -> None:
    json.dumps(plain(value), allow_nan=False, ensure_ascii=False).encode()
