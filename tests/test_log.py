"""The log: one JSON object per line, nothing when nobody listens, and no secret whoever wrote the record."""

from __future__ import annotations

import io
import json
import logging
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preflight.errors import UsageError
from preflight.log import LOGGER, Event, JsonLines, log, log_to

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "kX93hfQz71Lm"  # noqa: S105  (a canary)
URL = f"https://user:{SECRET}@cdn.example.com/clip.mp4?X-Amz-Signature={SECRET}&X-Amz-Expires=3600"
SHOWN = "https://cdn.example.com/clip.mp4?X-Amz-Signature=…&X-Amz-Expires=3600"
#: Inside a sentence not even harmless values are kept.
TRACED = SHOWN.replace("3600", "…")


class Unspeakable:
    """A value that must not be put into words."""

    def __repr__(self) -> str:
        raise AssertionError("nobody asked")

    __str__ = __repr__


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line() -> None:
    """Time in UTC, level, event, then the fields as they were given."""
    with log_to(stream := io.StringIO()):
        log("answer", url=URL, status=206, seconds=0.1234567, private=False, etag=None, addresses=("1.2.3.4",))
    (line,) = lines(stream)
    moment = datetime.fromisoformat(str(line.pop("time")))
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(seconds=5)
    assert line == {
        "level": "debug",
        "event": "answer",
        "url": SHOWN,
        "status": 206,
        "seconds": 0.123457,
        "private": False,
        "etag": None,
        "addresses": ["1.2.3.4"],
    }


@pytest.mark.parametrize("event", get_args(Event))
def test_every_event_has_a_level(event: Event) -> None:
    """What is refused or killed is a warning; the rest is for whoever asks."""
    with log_to(stream := io.StringIO()):
        log(event)
    assert lines(stream)[0]["level"] == (
        "warning" if event in {"denied", "worker-killed"} else lines(stream)[0]["level"]
    )
    assert lines(stream)[0]["event"] == event


def test_nothing_is_computed_when_nobody_listens() -> None:
    """A value that cannot even be printed does no harm, and warnings do not reach standard error by themselves."""
    code = f"""if True:
        from preflight.log import log
        class Unspeakable:
            def __format__(self, spec): raise AssertionError
            __str__ = __repr__ = lambda self: self.__format__("")
        log("request", value=Unspeakable(), url={URL!r})
        log("denied", url={URL!r})
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_only_plain_values_are_told() -> None:
    """Of anything else only the kind: an exception's text quotes URLs, an object's may do anything."""
    with log_to(stream := io.StringIO()):
        log("retry", error=ValueError(URL), headers={"Cookie": SECRET}, data=SECRET.encode(), value=Unspeakable())
        log("probe", seconds=float("nan"), much=float("inf"), nested=[[URL, Unspeakable()], 1])
    first, second = lines(stream)
    told = [first[name] for name in ("error", "headers", "data", "value")]
    assert told == ["ValueError", "dict", "bytes", "Unspeakable"]
    assert (second["seconds"], second["much"], second["nested"]) == ("nan", "inf", [[SHOWN, "Unspeakable"], 1])


@pytest.mark.parametrize(
    "text",
    [
        URL,
        f"cannot reach {URL}: refused",
        f"'{URL}'",
        json.dumps({"url": URL}).replace("/", "\\/"),
        f"/clip.mp4?Signature={SECRET}",
        f"Location: {URL}",
        f"user:{SECRET}@cdn.example.com/clip.mp4",
        f"/http:~1~1user:{SECRET}@cdn.example.com~1clip.mp4",
        f"https://cdn.example.com/x'y?Signature='{SECRET}",
        f"https://api.telegram.org/file/bot123:{SECRET}/x.mp4",
        f"#access_token={SECRET}",
    ],
)
def test_no_secret_whoever_writes(text: str) -> None:
    """In a field of ours, in a record of somebody else with any arguments, and in an exception."""
    chained = ValueError(text)
    chained.__cause__ = OSError(text)
    with log_to(stream := io.StringIO()):
        log("redirect", url=text, detail=[text])
        LOGGER.warning(text)
        LOGGER.warning("%s and %r", text, text)
        LOGGER.error("it broke", exc_info=chained)
    written = stream.getvalue()
    assert SECRET not in written
    assert len(lines(stream)) == 4
    misfit = logging.LogRecord("preflight", logging.INFO, __file__, 1, text + " %d", (text,), None)
    assert SECRET not in JsonLines().format(misfit)


def _raised() -> Exception:
    try:
        int(SECRET)
    except ValueError as error:
        return error
    raise AssertionError


def test_records_of_others_come_out_as_lines() -> None:
    """With the logger's name; of an exception its kind and where it was raised, never its text, source or locals."""
    with log_to(stream := io.StringIO()):
        logging.getLogger("preflight.extension").warning("found %d\nthings at %s", 3, URL, exc_info=_raised())
    (line,) = lines(stream)
    del line["time"]
    error = line.pop("exception")
    assert line == {
        "level": "warning",
        "event": "message",
        "logger": "preflight.extension",
        "message": f"found 3\\nthings at {TRACED}",
    }
    assert isinstance(error, dict)
    assert error["type"] == "ValueError"
    assert [frame.partition(":")[0] for frame in error["frames"]] == ["test_log.py"]


def test_other_handlers_get_safe_words() -> None:
    """An application's own handler sees the same, as the message."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        log("redirect", url=URL)
        log("request", url=URL)  # below its level
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(logging.NOTSET)
    assert stream.getvalue() == "redirect " + json.dumps({"url": SHOWN}) + "\n"


def test_a_field_cannot_pose_as_the_event() -> None:
    """`time`, `level` and `event` are the log's own."""
    with log_to(stream := io.StringIO()):
        log("verdict", time="never", level="none")
    (line,) = lines(stream)
    assert line["level"] == "info"
    assert line["time"] != "never"


def test_a_file_is_added_to_and_is_its_owners(tmp_path: Path) -> None:
    """Two runs, two lines; nobody else can read them; afterwards the logger is as before."""
    path = tmp_path / "log"
    for number in range(2):
        with log_to(path):
            log("verdict", number=number)
        log("verdict", number="nobody listens")
    assert [json.loads(line)["number"] for line in path.read_text("ascii").splitlines()] == [0, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert LOGGER.level == logging.NOTSET
    assert [type(handler) for handler in LOGGER.handlers] == [logging.NullHandler]


@pytest.mark.parametrize("name", ["", "no/such/folder", "nul\0", URL])
def test_a_file_that_cannot_be_opened(name: str, tmp_path: Path) -> None:
    """Wrong usage, told without a secret."""
    with pytest.raises(UsageError, match="cannot write the log to") as raised, log_to(f"{tmp_path}/{name}"):
        pass
    assert SECRET not in str(raised.value)


def test_a_full_disk_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The work goes on, and Python's own complaint, which quotes the record, is not printed."""
    with log_to("/dev/full"):
        for _ in range(3):
            LOGGER.warning("%s", URL)
    assert capsys.readouterr().err == "preflight: cannot write the log: No space left on device\n"


def test_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """`-` is standard error, because standard output is the answer's."""
    with log_to("-"):
        log("verdict", verdict="pass")
    said = capsys.readouterr()
    assert said.out == ""
    assert json.loads(said.err)["verdict"] == "pass"


@given(
    st.text()
    | st.text(alphabet="\x1b\u202e\n\r=?&/:@%'\"é")
    | st.binary()
    | st.floats()
    | st.none()
    | st.lists(st.text())
)
def test_any_value_becomes_one_line_of_ascii(value: object) -> None:
    """Whatever it is, it is one object on one line."""
    with log_to(stream := io.StringIO()):
        log("answer", value=value)
        LOGGER.warning(value)
    assert stream.getvalue().isascii()
    assert stream.getvalue().isprintable() or stream.getvalue().count("\n") == 2
    assert len(lines(stream)) == 2


def test_a_record_without_our_marks() -> None:
    """The formatter also serves another logger's records."""
    record = logging.LogRecord("httpx", logging.INFO, __file__, 1, "HTTP Request: GET %s", (URL,), None)
    assert json.loads(JsonLines().format(record))["message"] == f"HTTP Request: GET {TRACED}"
