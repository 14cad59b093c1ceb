"""What machines read: places in a request's text, JUnit, workflow commands, SARIF, the action and the hook."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, fromstring

import pytest
import yaml  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from preflight.errors import UsageError
from preflight.language import speaking
from preflight.printable import clean
from preflight.render import MACHINES, Machine, render, render_checks
from preflight.render.checked import Checked
from preflight.report import media_report
from preflight.request.locate import Place, Source, locate
from preflight.request.spelling import printable
from tests.hostile.payloads import PAYLOADS, READERS
from tests.reports import NOTED, ROTATED, TOO_LONG, WAITING, a_case, a_report

if TYPE_CHECKING:
    from preflight.report import Report

ROOT = Path(__file__).parent.parent
REQUEST = """{
  "image_url": "https://cdn.example.com/portrait.png",
  "video_url":
    "https://cdn.example.com/a.mp4",
  "mode": "std", "größe": "图像", "watermark_info": {"enabled":
    false}
}
"""
FILE = Source("jobs/a.motion.json", REQUEST, is_file=True)


# ------------------------------------------------------------------------------------------------- places


def _between(text: str, place: Place) -> str:
    """The text from a place's beginning to its end, found by lines and columns alone."""
    lines = text.split("\n")[place.line - 1 : place.end_line]
    lines[-1] = lines[-1][: place.end_column - 1]
    lines[0] = lines[0][place.column - 1 :]
    return "\n".join(lines)


def _pointers(value: object, pointer: str = "") -> dict[str, object]:
    """Every pointer into a value, and what it leads to."""
    found = {pointer: value}
    members = enumerate(value) if isinstance(value, list) else value.items() if isinstance(value, dict) else ()
    for name, inner in members:
        found |= _pointers(inner, f"{pointer}/{str(name).replace('~', '~0').replace('/', '~1')}")
    return found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, st.sampled_from([None, 0, 1, "\t"]), st.booleans(), st.sampled_from(["", "\n", "\r\n \t"]))
@settings(max_examples=150, deadline=None)
def test_every_pointer_leads_to_its_value(value: object, indent: int | str | None, ascii: bool, space: str) -> None:  # noqa: A002
    """Whatever stands at a place, read by itself, is the value that the pointer means."""
    text = space + json.dumps(value, indent=indent, ensure_ascii=ascii).replace("\n", "\r\n" if space else "\n") + space
    for pointer, meant in _pointers(value).items():
        place = locate(text, pointer)
        assert place
        assert json.loads(_between(text, place)) == meant
        assert locate(text, f"{pointer}/no such \ud800 name")  # the value that should hold it


@given(st.text(), st.text())
@settings(max_examples=150, deadline=None)
def test_any_text_has_a_place_or_none(text: str, pointer: str) -> None:
    """Nothing raises, and no place lies outside of the text."""
    place = locate(text, pointer)
    assert place is None or _between(text, place)


@pytest.mark.parametrize(
    ("pointer", "place"),
    [
        ("", Place(1, 1, 7, 2)),
        ("/video_url", Place(4, 5, 4, 36)),
        ("/mode", Place(5, 11, 5, 16)),
        ("/größe", Place(5, 27, 5, 31)),
        ("/watermark_info/enabled", Place(6, 5, 6, 10)),
        ("/watermark_info/nothing", Place(5, 51, 5, 52)),
        ("/model", Place(1, 1, 1, 2)),
        ("/mode/0", Place(5, 11, 5, 12)),
    ],
)
def test_places_of_a_request(pointer: str, place: Place) -> None:
    """Lines and columns from 1, in characters; what is missing is where it belongs."""
    assert locate(REQUEST, pointer) == place


@pytest.mark.parametrize("text", ["", "curl --data '{}' x", "{", '{"a": 1} b', "{'a': 1}", "[" * 99_999, "9" * 5000])
def test_what_is_no_json_has_no_places(text: str) -> None:
    """A curl command, broken JSON, brackets without end."""
    assert locate(text, "/a") is None


def test_a_name_as_the_report_spells_it() -> None:
    """A report's pointer shows unsafe characters as escapes, and cuts long names; the exact name goes first."""
    names = ["a\x1b/~", "x" * 99, "a\\x1b/~"]
    text = json.dumps({name: number for number, name in enumerate(names)})
    for name, found in ((printable(names[0]), "2"), (printable(names[1]), "1"), (names[0], "0")):
        place = locate(text, "/" + name.replace("~", "~0").replace("/", "~1"))
        assert place
        assert _between(text, place) == found


def test_a_flag_takes_a_field_out_of_the_text() -> None:
    """What a flag gave does not stand in the file."""
    source = replace(FILE, overridden=frozenset({"mode"}))
    assert (source.place("/mode"), source.place("/video_url")) == (None, Place(4, 5, 4, 36))


# ------------------------------------------------------------------------------------------------- reports

FAILED = a_report(TOO_LONG, ROTATED, NOTED, seconds=0.25)
WARNED = a_report(ROTATED, seconds=0.5)
OPEN = a_report(WAITING, NOTED)
PASSED = a_report(seconds=0.25)
IGNORED = a_report(ignored=(TOO_LONG,))
UNREAD = Checked(Source("empty.json", is_file=True), None, "empty.json: empty; a request is needed")


def _checked(report: Report, source: Source = FILE) -> Checked:
    return Checked(source, report)


@pytest.mark.parametrize("name", MACHINES)
def test_the_same_again(name: Machine) -> None:
    """One check by itself is told as one of many; a probe is no check."""
    alone = render(FAILED, name)
    assert alone == render_checks([_checked(FAILED, Source("request"))], name)
    with pytest.raises(UsageError):
        render(media_report(a_case().video), name)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_file_may_be_called_anything(name: Machine, payload: str) -> None:
    """Whoever opens a pull request chooses the names of its files."""
    payload = os.fsdecode(payload.encode("utf-8", "surrogatepass"))
    source = Source(f"{payload}\n::error::x,title=y\ufffe](z)%0A.json", REQUEST, is_file=True)
    unread = Checked(source, None, clean(f"{payload}: nothing"))
    assert list(READERS[name](render_checks([_checked(FAILED, source), unread], name))) == []


def test_the_remarks_are_told_in_chinese() -> None:
    """What these formats add themselves; the rest of a report has its own translations."""
    with speaking("zh"):
        told = "".join(render_checks([_checked(OPEN), _checked(IGNORED), _checked(FAILED)], name) for name in MACHINES)
    for said in ("尚无法判定", "--ignore 略去了", "解决办法：", "完整说明：preflight explain"):
        assert said in told


# --------------------------------------------------------------------------------------------------- JUnit


def _junit(*checks: Checked, strict: bool = False) -> Element:
    """The suite; its counts are those of its cases, on both levels."""
    root = fromstring(render_checks(checks, "junit", strict=strict))  # noqa: S314  (ours)
    suite = root[0]
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        assert int(suite.attrib[name]) == int(root.attrib[name]) == len(list(suite.iter(tag)))
    return suite


def test_junit_has_a_case_for_each_request() -> None:
    """The first failure tells everything; warnings and notes do not fail a case."""
    suite = _junit(_checked(PASSED), _checked(WARNED), _checked(FAILED), _checked(OPEN), UNREAD)
    assert suite.attrib["time"] == "1.350"
    passed, warned, failed, opened, unread = suite
    assert (passed.attrib["name"], passed.attrib["file"], list(passed)) == (FILE.name, FILE.name, [])
    assert [child.tag for child in warned] == ["system-out"]
    assert [(child.tag, child.get("type")) for child in failed] == [("failure", "video-too-long"), ("system-out", None)]
    assert failed[0].text == f"error video-too-long /video_url\n{TOO_LONG.message}\nfix: {TOO_LONG.fix}"
    assert failed[0].attrib["message"] == TOO_LONG.message
    assert "note video-not-faststart" in str(failed[1].text)
    assert (opened[0].tag, opened[0].get("type")) == ("error", "verdict-unknown")
    assert "no complete answer within 20 s. Not evaluated: video-too-short." in str(opened[0].text)
    assert [(child.tag, child.get("type")) for child in unread] == [("error", "request-unreadable")]


def test_junit_with_strict() -> None:
    """A warning is a failure then."""
    (case,) = _junit(_checked(WARNED), strict=True)
    assert [(child.tag, child.get("type")) for child in case] == [("failure", "video-rotated")]


@given(st.text(st.characters()))
@settings(max_examples=100, deadline=None)
def test_junit_can_be_parsed_whatever_it_says(text: str) -> None:
    """Characters that XML cannot write are spelt out."""
    (case,) = _junit(Checked(Source(text), None, clean(text)))
    assert case.attrib["name"].replace("\\ufffe", "\ufffe").replace("\\uffff", "\uffff") == clean(text, None)


# -------------------------------------------------------------------------------------------------- GitHub


def _as_the_runner_reads(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command cut up as the runner of GitHub Actions does it."""
    assert line.startswith("::")
    command, separator, data = line[2:].partition("::")
    assert separator
    name, _, properties = command.partition(" ")
    pairs = dict(item.split("=", 1) for item in properties.split(","))

    def plain(value: str, codes: dict[str, str]) -> str:
        for code, character in codes.items():  # the percent sign last, as there
            value = value.replace(code, character)
        return value

    breaks = {"%0D": "\r", "%0A": "\n"}
    marks = breaks | {"%3A": ":", "%2C": ",", "%25": "%"}
    return name, {key: plain(value, marks) for key, value in pairs.items()}, plain(data, breaks | {"%25": "%"})


def _github(*checks: Checked, strict: bool = False) -> list[tuple[str, dict[str, str], str]]:
    return list(map(_as_the_runner_reads, render_checks(checks, "github", strict=strict).splitlines()))


def test_github_annotates_lines() -> None:
    """An error, a warning, a notice; the file, its line, and the rule as title."""
    error, warning, notice = _github(_checked(FAILED))
    place = {"file": FILE.name, "line": "4", "col": "5", "endColumn": "36"}
    assert error == ("error", {**place, "title": "video-too-long"}, f"{TOO_LONG.message}\nfix: {TOO_LONG.fix}")
    assert (warning[0], notice[0]) == ("warning", "notice")
    assert _github(_checked(PASSED)) == []
    assert _github(_checked(WARNED), strict=True)[0][0] == "error"
    assert _github(_checked(OPEN))[0][:2] == ("error", {**place, "title": "verdict-unknown"})
    assert _github(UNREAD)[0][1] == {"file": "empty.json", "line": "1", "title": "request-unreadable"}
    assert _github(_checked(IGNORED))[0] == (
        "notice",
        {**place, "title": "video-too-long"},
        "--ignore left out what this rule found.",
    )


def test_github_without_a_file() -> None:
    """Standard input has no lines; a value over several lines has no columns; a curl command is its first line."""
    assert _github(_checked(FAILED, Source("standard input", REQUEST)))[0][1] == {"title": "video-too-long"}
    whole = _github(_checked(a_report(replace(TOO_LONG, pointer="")), FILE))[0][1]
    assert whole == {"file": FILE.name, "line": "1", "endLine": "7", "title": "video-too-long"}
    curl = _github(_checked(FAILED, Source("a.sh", "\n\ncurl -d '{}' https://x.example", is_file=True)))[0][1]
    assert curl == {"file": "a.sh", "line": "1", "title": "video-too-long"}


@given(st.text(st.characters()), st.text(st.characters()))
@settings(max_examples=100, deadline=None)
def test_github_escapes_what_the_runner_unescapes(name: str, said: str) -> None:
    """One line whatever is in it, and the runner reads what was meant; but for what is never printed raw."""
    (read,) = _github(Checked(Source(name or "x", is_file=True), None, f"{clean(said)}\nand"))
    shown = clean(name or "x", None)
    # Unescaping in turns, the runner itself cannot read back a percent sign before the letters of an escape.
    if not re.search("%(0D|0A|3A|2C|25)", f"{shown} {clean(said)}"):
        assert read[1]["file"] == shown
        assert read[2] == f"{clean(said)}\nand"


# --------------------------------------------------------------------------------------------------- SARIF


def _object(required: str, **properties: Any) -> dict[str, Any]:
    names = required.split()
    return {"type": "object", "required": names, "properties": properties, "additionalProperties": False}


_TEXT = _object("text", text={"type": "string", "minLength": 1})
_FROM_ONE = {"type": "integer", "minimum": 1}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
_REGION = _object("startLine", **dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), _FROM_ONE))
_ARTIFACT = _object("uri", uri={"type": "string", "pattern": r"^[!-~]+$"}, uriBaseId={"const": "%SRCROOT%"})
_RULE = _object(
    "id shortDescription",
    id={"type": "string", "pattern": "^[a-z-]+$"},
    **dict.fromkeys(("shortDescription", "fullDescription", "help"), _TEXT),
    defaultConfiguration=_object("level", level=_LEVEL),
    properties=_object("tags", tags={"type": "array", "uniqueItems": True, "items": {"type": "string"}}),
)
_LOCATION = _object(
    "",
    logicalLocations={"type": "array", "items": _object("fullyQualifiedName kind", fullyQualifiedName={}, kind={})},
    physicalLocation=_object("artifactLocation region", artifactLocation=_ARTIFACT, region=_REGION),
)
_RESULT = _object(
    "ruleId ruleIndex kind level message locations partialFingerprints",
    ruleId={"type": "string"},
    ruleIndex={"type": "integer", "minimum": 0},
    kind={"enum": ["fail", "open"]},
    level=_LEVEL,
    message=_TEXT,
    locations={"type": "array", "items": _LOCATION, "minItems": 1},
    partialFingerprints={"type": "object", "additionalProperties": {"type": "string"}},
    suppressions={
        "type": "array",
        "items": _object("kind justification", kind={"const": "external"}, justification={}),
    },
)
#: What SARIF 2.1.0 (OASIS, sections 3.13 to 3.49) requires and allows of the parts that we write; nothing else.
_SARIF = _object(
    "$schema version runs",
    **{"$schema": {"type": "string"}},
    version={"const": "2.1.0"},
    runs={
        "type": "array",
        "items": _object(
            "tool results",
            tool=_object(
                "driver",
                driver=_object(
                    "name version rules",
                    name={},
                    version={},
                    rules={"type": "array", "items": _RULE, "uniqueItems": True},
                ),
            ),
            invocations={
                "type": "array",
                "items": _object("executionSuccessful", executionSuccessful={"type": "boolean"}),
            },
            columnKind={"const": "unicodeCodePoints"},
            results={"type": "array", "items": _RESULT},
        ),
    },
)


def _sarif(*checks: Checked, strict: bool = False) -> dict[str, Any]:
    """The run of a log that keeps to the standard."""
    log = json.loads(render_checks(checks, "sarif", strict=strict))
    Draft202012Validator(_SARIF).validate(log)
    run: dict[str, Any] = log["runs"][0]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert (result["kind"] == "fail") is (result["level"] != "none")
    assert {rule["id"] for rule in rules} == {result["ruleId"] for result in run["results"]}
    return run


def test_sarif_tells_findings_with_their_place() -> None:
    """Rule, level, message, file and region; and a run that went well."""
    run = _sarif(_checked(FAILED))
    error, warning, note = run["results"]
    assert [result["level"] for result in (error, warning, note)] == ["error", "warning", "note"]
    assert error["message"]["text"] == f"{TOO_LONG.message}\nfix: {TOO_LONG.fix}"
    assert error["locations"] == [
        {
            "logicalLocations": [{"fullyQualifiedName": "/video_url", "kind": "value"}],
            "physicalLocation": {
                "artifactLocation": {"uri": "jobs/a.motion.json", "uriBaseId": "%SRCROOT%"},
                "region": {"startLine": 4, "startColumn": 5, "endLine": 4, "endColumn": 36},
            },
        }
    ]
    rule = run["tool"]["driver"]["rules"][0]
    assert rule["shortDescription"]["text"] == "The video is too long"
    assert "preflight explain video-too-long" in rule["help"]["text"]
    assert run["invocations"] == [{"executionSuccessful": True}]
    assert _sarif(_checked(PASSED))["results"] == []
    assert [result["level"] for result in _sarif(_checked(WARNED), strict=True)["results"]] == ["error"]


def test_sarif_of_what_is_no_finding() -> None:
    """An open verdict, a file that is no request, and what was ignored: none of them looks like a pass."""
    opened, *_ = _sarif(_checked(OPEN))["results"]
    assert (opened["kind"], opened["ruleId"]) == ("open", "verdict-unknown")
    run = _sarif(_checked(PASSED), UNREAD)
    assert run["invocations"] == [{"executionSuccessful": False}]
    assert [(item["ruleId"], item["level"]) for item in run["results"]] == [("request-unreadable", "error")]
    (hidden,) = _sarif(_checked(IGNORED))["results"]
    assert hidden["suppressions"] == [{"kind": "external", "justification": "--ignore"}]


def test_sarif_fingerprints_follow_the_finding() -> None:
    """The same while lines move, different for another file, rule or field."""

    def prints(source: Source) -> list[str]:
        results = _sarif(_checked(a_report(TOO_LONG, ROTATED, replace(TOO_LONG, pointer="/x")), source))["results"]
        return [result["partialFingerprints"]["ruleAtPointer/v1"] for result in results]

    first, moved, other = prints(FILE), prints(replace(FILE, text="\n\n" + REQUEST)), prints(replace(FILE, name="b"))
    assert first == moved
    assert len({*first, *other}) == 6


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("./jobs/a b.json", {"uri": "jobs/a%20b.json", "uriBaseId": "%SRCROOT%"}),
        ("http:x.json", {"uri": "http%3Ax.json", "uriBaseId": "%SRCROOT%"}),
        ("图.json", {"uri": "%E5%9B%BE.json", "uriBaseId": "%SRCROOT%"}),
        ("a\udcff.json", {"uri": "a%FF.json", "uriBaseId": "%SRCROOT%"}),
        ("/tmp/a#b.json", {"uri": "file:///tmp/a%23b.json"}),  # noqa: S108  (only a name)
    ],
)
def test_sarif_addresses(name: str, address: dict[str, str]) -> None:
    """A file's name as a URI that nobody takes for another."""
    (result,) = _sarif(_checked(WARNED, replace(FILE, name=name)))["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == address


def test_sarif_without_a_file() -> None:
    """Standard input has a place in the request only."""
    (result,) = _sarif(_checked(WARNED, Source("standard input", REQUEST)))["results"]
    assert list(result["locations"][0]) == ["logicalLocations"]


# ----------------------------------------------------------------------------------- the action and the hook

ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A checked-out repository with requests in it."""
    shutil.copytree(ROOT / "sample_media", tmp_path / "sample_media")
    text = (tmp_path / "sample_media/request.json").read_text("utf-8")
    (tmp_path / "jobs" / "more").mkdir(parents=True)
    (tmp_path / "jobs/good.motion.json").write_text(text, "utf-8")
    (tmp_path / "jobs/more/long.motion.json").write_text(text.replace("dance-8s", "long-11s"), "utf-8")
    (tmp_path / "a b.json").write_text(text.replace("dance-8s", "tail-10.02s"), "utf-8")
    return tmp_path


def _shell(script: str, desk: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the runner runs a composite action's bash step."""
    path = desk / "script.sh"
    path.write_text(script, "utf-8")
    places = {"RUNNER_TEMP": str(desk), "GITHUB_OUTPUT": str(desk / "outputs"), "GITHUB_PATH": str(desk / "paths")}
    path_of_commands = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", path],
        cwd=desk,
        env=os.environ | places | {"PATH": path_of_commands} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def _act(desk: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """The action's check, with these inputs and its defaults."""
    given = {name: item.get("default", "") for name, item in ACTION["inputs"].items()} | inputs
    step = STEPS["Check the requests"]
    variables = {
        name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda match: given[match[1]], value)
        for name, value in step["env"].items()
    }
    return _shell(step["run"], desk, **variables)


def test_the_action_annotates(desk: Path) -> None:
    """As it is: every request of the repository, annotations, and the job fails."""
    done = _act(desk)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("::error file=jobs/more/long.motion.json,line=5,col=16,")
    assert (desk / "outputs").read_text() == "report=\n"


def test_the_action_takes_its_inputs(desk: Path) -> None:
    """Paths line by line, a profile, --strict, a file for the report; nothing of them is run as a command."""
    done = _act(desk, paths="\njobs/good.motion.json\na b.json\n", profile="kling-official", strict="false")
    assert (done.returncode, done.stderr) == (0, "")
    assert "file=a b.json" in done.stdout
    strict = _act(desk, paths="a b.json", strict="true", format="junit", output="report.xml")
    assert (strict.returncode, strict.stdout) == (1, "")
    assert fromstring((desk / "report.xml").read_text("utf-8")).attrib["failures"] == "1"  # noqa: S314  (ours)
    bad = _act(desk, paths="$(touch bad)\n`touch bad`\n--log=bad\n; touch bad", output="$(touch bad)")
    assert bad.returncode == 2
    assert not (desk / "bad").exists()


def test_the_action_writes_sarif_for_the_upload(desk: Path) -> None:
    """The report is there for the next step although the check failed."""
    done = _act(desk, **{"upload-sarif": "true"})
    assert (done.returncode, done.stdout) == (1, "")
    report = Path((desk / "outputs").read_text().removeprefix("report=").strip())
    assert [item["ruleId"] for item in json.loads(report.read_text("utf-8"))["runs"][0]["results"]] == [
        "video-too-long"
    ]
    upload = ACTION["runs"]["steps"][-1]
    assert upload["with"]["sarif_file"] == "${{ steps.check.outputs.report }}"
    assert "!cancelled()" in upload["if"]


def test_the_action_knows_its_version(desk: Path) -> None:
    """Another version than the one asked for is refused before anything is checked."""
    held = subprocess.run([sys.executable, "-m", "preflight", "--version"], capture_output=True, text=True, check=True)
    assert _act(desk, paths="jobs/good.motion.json", version=held.stdout.split()[1]).returncode == 0
    refused = _act(desk, paths="jobs/good.motion.json", version="99.0")
    assert (refused.returncode, refused.stdout.split("::")[1]) == (2, "error title=preflight")


def test_the_action_installs_its_own_checkout() -> None:
    """Not whatever a registry has under that name; and its scripts hold no expression that an input could fill."""
    assert '"$GITHUB_ACTION_PATH"' in STEPS["Install preflight"]["run"]
    for step in STEPS.values():
        assert step["shell"] == "bash"
        assert "${{" not in step["run"]
        subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)


def test_the_hook_checks_what_it_is_given(desk: Path) -> None:
    """Its entry, with the file names that its pattern lets through."""
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    names = [path.relative_to(desk).as_posix() for path in sorted(desk.rglob("*.json"))]
    chosen = [name for name in names if re.search(hook["files"], name)]
    assert chosen == ["jobs/good.motion.json", "jobs/more/long.motion.json"]
    done = _shell(f'{hook["entry"]} "$@"', desk)
    assert done.returncode == 2  # without a file it is wrong usage, not a pass
    done = _shell(f"{hook['entry']} {' '.join(chosen)}", desk)
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("requests 2: pass 1, warn 0, fail 1, unknown 0, not readable 0\n")


def _yaml_blocks() -> list[Any]:
    text = (ROOT / "docs/ci.md").read_text("utf-8")
    return [yaml.safe_load(block) for block in re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)]


def test_the_page_shows_what_there_is(desk: Path) -> None:
    """Its workflows name inputs that exist, its table all of them, its pipeline runs, its hook is ours."""
    whole, upload, gitlab, commits = _yaml_blocks()
    for workflow in (whole, upload):
        assert set(workflow["jobs"]["preflight"]["steps"][1]["with"]) <= set(ACTION["inputs"])
    page = (ROOT / "docs/ci.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z-]+)` \| (?:`([^`]*)`)? ?\| ", page, re.MULTILINE)
    assert {name: default for name, default in rows if name in ACTION["inputs"]} == {
        name: item["default"] for name, item in ACTION["inputs"].items()
    }
    job = gitlab["preflight"]
    done = _shell(job["script"][1], desk)
    assert done.returncode == 1
    report = fromstring((desk / job["artifacts"]["reports"]["junit"]).read_text("utf-8"))  # noqa: S314  (ours)
    assert [case.attrib["name"] for case in report.iter("testcase")] == [
        "jobs/good.motion.json",
        "jobs/more/long.motion.json",
    ]
    assert [hook["id"] for hook in commits["repos"][0]["hooks"]] == ["preflight-check"]
