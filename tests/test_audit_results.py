"""Results as files: in the order of the input, whole or not at all, and the same in every format."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import multiprocessing
import os
import resource
import stat
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from preflight.audit.durable import RunStopped, to_line
from preflight.audit.folder import Run
from preflight.audit.journal import MOST_CARRIED, Kept
from preflight.audit.manifest import Manifest
from preflight.audit.results import Streamer, Table, flat, line_of, read_targets, write_lines, write_results
from preflight.errors import UsageError
from preflight.render.table import CHECK_COLUMNS, row
from tests.reports import DELIVERY, NOTED, ROTATED, TOO_LONG, WAITING, a_case, a_report
from tests.test_csv import FORMULAS, LEADS

if TYPE_CHECKING:
    from pathlib import Path

    from preflight.report import Report

REPORTS: tuple[Report, ...] = (
    a_report(),
    a_report(TOO_LONG, ROTATED, NOTED, WAITING, price=Decimal("0.07"), ignored=(ROTATED,)),
    a_report(WAITING, case=a_case(video=None, image=None)),
)
SHARD_ROWS = 3
_CONTEXT = multiprocessing.get_context("forkserver")


def a_result(number: int, /, **carried: Any) -> dict[str, Any]:
    return result_of(REPORTS[number % len(REPORTS)], number, **carried)


def result_of(report: Report, number: int, /, **carried: Any) -> dict[str, Any]:
    return report.model_dump(mode="json") | {"row": number, "id": f"job-{number}", "input": carried}


def a_line(result: dict[str, Any]) -> dict[str, Any]:
    return {"row": result["row"], "attempt": 1, "class": "final", "media": {}, "result": result}


def told(result: dict[str, Any]) -> str:
    return line_of(Kept.of(to_line(a_line(result))))


def a_run(folder: Path, *results: dict[str, Any], open_shards: tuple[int, ...] = ()) -> Run:
    """A run with these results in shards of three, some of them not finished."""
    manifest = Manifest.of(input={}, options={}, shard_rows=SHARD_ROWS)
    run = Run.attach(folder) if folder.exists() else Run.create(folder, manifest)
    for index, first in enumerate(range(0, len(results), SHARD_ROWS)):
        if run.is_finished(index):
            continue
        with run.journal(index) as journal:
            for result in results[first : first + SHARD_ROWS]:
                if result["row"] not in journal.done:
                    journal.add(a_line(result))
            if index not in open_shards:
                journal.finish({})
    run.close()
    return run


def written(run: Run, path: Path) -> bytes:
    write_results(run, read_targets([str(path)]))
    return path.read_bytes()


def table_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline=""), strict=True))


# ------------------------------------------------------------------------------------------------ rows


@pytest.mark.parametrize("report", REPORTS)
def test_a_row_of_an_audit_is_the_row_of_a_check(report: Report) -> None:
    """From a result line, the same cells as from the report itself."""
    table = Table({})
    told = flat(json.loads(json.dumps(result_of(report, 7))), table)
    assert tuple(told) == ("row", "id", *CHECK_COLUMNS) == table.columns
    assert told.pop("row") == "7"
    assert told.pop("id") == "job-7"
    assert told == row(report)


@pytest.mark.parametrize("lead", LEADS)
@pytest.mark.parametrize("formula", FORMULAS)
def test_no_carried_cell_is_a_formula(tmp_path: Path, formula: str, lead: str) -> None:
    """What stood in somebody's table is shown, not computed; its name, and its id, neither."""
    text = lead + formula
    result = a_result(1, **{text: text, "list": [text]}) | {"id": text}
    read = list(
        csv.reader(io.StringIO(written(a_run(tmp_path / "run", result), tmp_path / "x.csv").decode(), newline=""))
    )
    cells = [value for line in read for value in line]
    assert len([value for value in cells if formula[1:] in value]) >= 3
    assert [value for value in cells if value.lstrip()[:1] in set("=+-@＝＋－＠﹦")] == []


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(st.text(max_size=5), st.text(max_size=9) | st.integers() | st.none() | st.floats(), max_size=4))
def test_whatever_was_carried_is_in_every_format(
    tmp_path_factory: pytest.TempPathFactory, carried: dict[str, Any]
) -> None:
    """Any name and any value: three sound files with one row and the same columns."""
    home = tmp_path_factory.mktemp("results")
    run = a_run(home / "run", a_result(1, **carried))
    (line,) = written(run, home / "x.jsonl").decode().splitlines()
    strange = {name for name, value in carried.items() if isinstance(value, float) and not math.isfinite(value)}
    expected = {name: None if name in strange else value for name, value in carried.items()}
    assert json.loads(line)["input"] == expected
    header, cells = csv.reader(io.StringIO(written(run, home / "x.csv").decode(), newline=""), strict=True)
    assert len(header) == len(cells) == 2 + len(CHECK_COLUMNS) + len(carried)
    written(run, home / "x.parquet")
    table = parquet.read_table(home / "x.parquet")
    assert (table.num_rows, table.num_columns) == (1, len(header))
    for name, value in expected.items():
        if isinstance(value, str):
            assert table.column(f"input.{name}").to_pylist() == [value]


# ------------------------------------------------------------------------------------------------ files


def test_all_formats_at_once(tmp_path: Path) -> None:
    """Several targets from one pass, each with every row in the order of the input."""
    results = [a_result(number, weight=number / 2, name=f"name {number}\nsecond line") for number in range(1, 11)]
    run = a_run(tmp_path / "run", *results)
    names = ["a.jsonl", "b.csv", "c.parquet", "d.JSONL"]
    targets = read_targets([*(str(tmp_path / name) for name in names), "-"])
    assert write_results(run, targets) == 10
    lines = (tmp_path / "a.jsonl").read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == results
    assert (tmp_path / "d.JSONL").read_bytes() == (tmp_path / "a.jsonl").read_bytes()
    cells = table_of((tmp_path / "b.csv").read_bytes())
    assert [line["row"] for line in cells] == [str(number) for number in range(1, 11)]
    assert cells[0]["input.name"] == r"name 1\nsecond line"
    table = parquet.read_table(tmp_path / "c.parquet")
    assert table.column("row").to_pylist() == list(range(1, 11))
    assert table.column("verdict").to_pylist() == [result["verdict"] for result in results]
    assert table.column("input.name").to_pylist()[0] == "name 1\nsecond line"
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names[:3], "d.JSONL", "run"]


def test_columns_of_parquet_are_typed(tmp_path: Path) -> None:
    """Numbers are numbers there, from the report and from the input; what is of two kinds is text."""
    rows = [
        a_result(1, whole=1, part=1, flag=True, mixed=1, text="a", none=None, big=2**70, deep={"a": [1]}),
        a_result(2, whole=None, part=0.5, flag=None, mixed="x", text="\ud800", none=None, big=1, deep=None),
    ]
    run = a_run(tmp_path / "run", *rows)
    written(run, tmp_path / "x.parquet")
    table = parquet.read_table(tmp_path / "x.parquet")
    expected = {
        "row": pa.int64(),
        "id": pa.string(),
        "errors": pa.string(),
        "billed_seconds": pa.float64(),
        "cost": pa.float64(),
        "video_size_bytes": pa.int64(),
        "video_faststart": pa.bool_(),
        "input.whole": pa.int64(),
        "input.part": pa.float64(),
        "input.flag": pa.bool_(),
        "input.mixed": pa.string(),
        "input.text": pa.string(),
        "input.none": pa.string(),
        "input.big": pa.string(),
        "input.deep": pa.string(),
    }
    assert {name: table.schema.field(name).type for name in expected} == expected
    first, second = table.to_pylist()
    assert first["cost"] == float(rows[0]["estimate"]["cost"]["expected"]) == 0.8428
    assert (first["input.big"], first["input.deep"], first["input.part"]) == (str(2**70), '{"a": [1]}', 1.0)
    assert (second["input.text"], second["input.mixed"], second["input.whole"]) == (r"\ud800", "x", None)


def test_a_number_beyond_its_column_is_null(tmp_path: Path) -> None:
    """A server may claim any size."""
    result = a_result(1)
    result["video"]["size_bytes"] = 2**63
    written(a_run(tmp_path / "run", result), tmp_path / "x.parquet")
    assert parquet.read_table(tmp_path / "x.parquet").column("video_size_bytes").to_pylist() == [None]


def test_a_run_without_a_row(tmp_path: Path) -> None:
    """Three sound files that hold nothing but the names of the columns."""
    run = a_run(tmp_path / "run")
    assert written(run, tmp_path / "x.jsonl") == b""
    assert written(run, tmp_path / "x.csv").decode().split(",")[:3] == ["row", "id", "verdict"]
    written(run, tmp_path / "x.parquet")
    assert parquet.read_table(tmp_path / "x.parquet").num_rows == 0


def test_names_that_never_end_become_one_column(tmp_path: Path) -> None:
    """JSON lines may bring other names in every row: a table has to end somewhere."""
    rows = [a_result(number, **{f"{number}.{n}": n for n in range(MOST_CARRIED // 4)}) for number in range(1, 8)]
    run = a_run(tmp_path / "run", *rows)
    told = table_of(written(run, tmp_path / "x.csv"))
    assert list(told[0]) == ["row", "id", *CHECK_COLUMNS, "input"]
    assert json.loads(told[6]["input"]) == rows[6]["input"]
    written(run, tmp_path / "x.parquet")
    assert json.loads(parquet.read_table(tmp_path / "x.parquet").column("input").to_pylist()[6]) == rows[6]["input"]


def test_rows_out_of_order_are_an_error(tmp_path: Path) -> None:
    """A row twice, or a shard in the wrong place, is our mistake: no file is made of it."""
    run = a_run(tmp_path / "run", *(a_result(number) for number in (1, 2, 3, 3)))
    (tmp_path / "x.jsonl").write_text("before")
    with pytest.raises(RuntimeError, match="row 3 comes after row 3"):
        write_results(run, read_targets([str(tmp_path / "x.jsonl")]))
    assert (tmp_path / "x.jsonl").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run", "x.jsonl"]


# ------------------------------------------------------------------------------------------ replacing files


def test_an_existing_file_is_replaced_whole(tmp_path: Path) -> None:
    """Whoever has it open reads the old one to its end; a link stays a link; modes are the user's."""
    old = tmp_path / "old.jsonl"
    old.write_text("before")
    (tmp_path / "link.jsonl").symlink_to(old)
    run = a_run(tmp_path / "run", a_result(1))
    before = os.umask(0o027)
    try:
        with old.open() as reader:
            write_results(run, read_targets([str(tmp_path / "link.jsonl")]))
            assert reader.read() == "before"
    finally:
        os.umask(before)
    assert (tmp_path / "link.jsonl").is_symlink()
    assert json.loads(old.read_text())["row"] == 1
    assert stat.S_IMODE(old.stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet"])
def test_a_disk_that_takes_no_more(tmp_path: Path, name: str) -> None:
    """The old file stays, nothing is left beside it, and the run is as it was."""
    run = a_run(tmp_path / "run", *(a_result(number) for number in range(1, 30)))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / name).write_text("before")
    targets = read_targets([str(folder / name)])
    folder.rename(tmp_path / "away")
    with pytest.raises(RunStopped, match=os.strerror(errno.ENOENT)):
        write_results(run, targets)
    (tmp_path / "away").rename(folder)
    ours, theirs = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_write_little, args=(str(tmp_path / "run"), str(folder / name), theirs))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert ours.recv() == f"cannot write {folder / name}: {os.strerror(errno.EFBIG)}"
    assert (folder / name).read_text() == "before"
    assert [path.name for path in folder.iterdir()] == [name]
    assert write_results(run, targets) == 29


def _write_little(run: str, name: str, pipe: Any) -> None:
    """Write results where the system takes 3,000 bytes and no more (for this process alone)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
    try:
        write_results(Run.attach(run), read_targets([name]))
    except RunStopped as stopped:
        pipe.send(str(stopped))


# --------------------------------------------------------------------------------------- before the run


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    """Every one is told before anything runs, in one line."""
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "jobs.csv").write_text("id\n")
    (tmp_path / "same.csv").symlink_to(tmp_path / "jobs.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    for names, told in (
        (["results.xlsx"], r"end in \.jsonl, \.csv, \.parquet or are -"),
        (["results"], "not results"),
        (["/dev/null"], "not /dev/null"),
        (["\x1b.doc"], r"not \\x1b\.doc"),
        ([str(tmp_path / "none" / "x.csv")], "No such file or directory"),
        ([str(tmp_path / "jobs.csv" / "x.csv")], "Not a directory"),
        ([str(tmp_path / "folder.csv")], "it is there, and no file"),
        ([str(tmp_path / "pipe.csv")], "it is there, and no file"),
        ([str(tmp_path / ("x" * 300 + ".csv"))], "File name too long"),
        (["-", "-"], "standard output is named twice"),
        ([str(tmp_path / "a.csv"), f"{tmp_path}/./a.csv"], "named twice"),
        ([str(tmp_path / "same.csv")], "would replace what they are made from"),
        (["/proc/x.csv"], "cannot write"),
    ):
        with pytest.raises(UsageError, match=told) as caught:
            read_targets(names, keep=[tmp_path / "jobs.csv"])
        assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.csv", "jobs.csv", "pipe.csv", "same.csv"]


# ------------------------------------------------------------------------------------------- streaming


def test_a_stream_is_in_the_order_of_the_input(tmp_path: Path) -> None:
    """A shard waits for those before it; in the end the stream is the file."""
    results = [a_result(number, name="動画") for number in range(1, 12)]
    told: list[str] = []
    run = a_run(tmp_path / "run", *results, open_shards=(0, 2))
    stream = Streamer(run, told.append)
    stream.advance()
    assert told == []
    a_run(tmp_path / "run", *results, open_shards=(2,))
    stream.advance()
    assert [json.loads(line)["row"] for line in "".join(told).split("\n")[:-1]] == [1, 2, 3, 4, 5, 6]
    stream.advance()
    a_run(tmp_path / "run", *results)
    stream.advance()
    assert "".join(told).encode() == written(run, tmp_path / "x.jsonl")


def test_of_an_open_shard_what_is_done(tmp_path: Path) -> None:
    """A run that has not come to its end is told as far as it came, and every format says the same."""
    results = [a_result(number, name="動画") for number in range(1, 9)]
    told: list[str] = []
    run = a_run(tmp_path / "run", *results, open_shards=(0, 2))
    write_lines(run, told.append)
    assert [json.loads(line) for line in "".join(told).splitlines()] == results
    assert "".join(told).encode() == written(run, tmp_path / "x.jsonl")
    assert [line["input.name"] for line in table_of(written(run, tmp_path / "x.csv"))] == ["動画"] * 8
    written(run, tmp_path / "x.parquet")
    assert parquet.read_table(tmp_path / "x.parquet").column("input.name").to_pylist() == ["動画"] * 8


@pytest.mark.parametrize("text", ["\x1b[31m", "\x9b31m", "\x7f", "\u202e", "\u2028", "\x85", "\ud800", "\u2066", "\n"])
def test_nothing_carried_is_active_in_a_line(text: str) -> None:
    """A line goes to a terminal, or through a reader with its own idea of lines: it is plain, and exact."""
    line = told(a_result(1, **{text: text, "name": "動画"}))
    assert line[:-1].isprintable()
    assert json.loads(line)["input"] == {text: text, "name": "動画"}
    assert "動画" in told(a_result(1, name="動画"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(row=st.integers(1, 10**12), carried=st.dictionaries(st.text(), JSON, max_size=4))
@example(row=1, carried={'", "result": ': '", "result": {', "\\": "\\u00e9", "x": ', "media": '})
def test_what_is_kept_of_a_line_is_its_result(row: int, carried: dict[str, Any]) -> None:
    """Cut out of the text, or parsed where keys stand in another order: the same result, and the same line of it."""
    result = {"verdict": "pass", "row": row, "input": carried}
    line = a_line(result) | {"media": {"image": {"url": '", "result": {"row": 2}'}, "video": carried}}
    cut, parsed = Kept.of(to_line(line)), Kept.of(to_line(dict(reversed(line.items()))))
    assert cut == parsed
    assert (cut.row, cut.result) == (row, result)
    assert json.loads(line_of(cut)) == result
    assert line_of(cut)[:-1].isprintable()


def test_no_secret_in_any_format(tmp_path: Path) -> None:
    """What a report has redacted stays redacted."""
    report = a_report(TOO_LONG, case=a_case(delivery=DELIVERY))
    run = a_run(tmp_path / "run", result_of(report, 1))
    for name in ("x.jsonl", "x.csv", "x.parquet"):
        assert b"5ecr3tSignatur3" not in written(run, tmp_path / name)
