"""The documentation is true: generated pages match the code, links lead somewhere, and every example runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import pytest

from preflight.cli import group as cli
from preflight.config import load_config
from preflight.findings import ExitCode
from preflight.profiles import load_profile
from preflight.profiles.overlay import overlaid
from preflight.rules import RULES
from tests import docs_gen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = docs_gen.ROOT
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
HANDWRITTEN = [page for page in PAGES if docs_gen.MARK not in page.read_text("utf-8")]
#: What a fence may hold. `text` and `json` are output or pictures; `sh` is for set-up lines, which .ci/run executes.
LANGUAGES = {"console", "python", "sh", "toml", "text", "json"}


class Block(NamedTuple):
    """One fenced block of a page."""

    page: Path
    language: str
    text: str
    line: int


def _blocks(*languages: str) -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            if not languages or match[1] in languages:
                yield Block(page, match[1], match[2], text[: match.start()].count("\n") + 1)


#: What stands in TOML is a profile, which has a schema, or settings; those hold for the page's commands below them.
PROFILES = [block for block in _blocks("toml") if "schema" in tomllib.loads(block.text)]
SETTINGS = [block for block in _blocks("toml") if block not in PROFILES]


def _name(value: object) -> str:
    match value:
        case Block(page=page, line=line):
            return f"{page.relative_to(ROOT)}:{line}"
        case Path():
            return str(value.relative_to(ROOT))
    return str(value)


# ---------------------------------------------------------------------------------------------- generated


def test_generated_pages_match_the_code() -> None:
    """Every generated page is what the code says today, and no page of something gone is left."""
    wanted = docs_gen.pages()
    assert docs_gen.generated_files() == set(wanted), "run: python -m tests.docs_gen"
    stale = [name for name, text in wanted.items() if (docs_gen.DOCS / name).read_text("utf-8") != text]
    assert stale == [], "run: python -m tests.docs_gen"


def test_every_rule_belongs_to_a_family() -> None:
    """A rule whose prefix is no family would be missing from the index."""
    assert [rule.id for rule in RULES if rule.id.partition("-")[0] not in docs_gen.FAMILIES] == []


def test_every_command_and_option_has_help() -> None:
    """Nobody has to guess what a command or an option does."""
    for context in docs_gen.contexts(cli, "preflight"):
        assert context.command.help, context.command_path
        options = [option for option in context.command.get_params(context) if isinstance(option, click.Option)]
        assert [option.name for option in options if not option.help] == [], context.command_path


@pytest.mark.parametrize("page", ["README.md", "README.zh.md"])
def test_readme_knows_every_exit_code(page: str) -> None:
    """The README's table has one row for each exit code."""
    rows = re.findall(r"^\| (\d+) \|", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert [int(row) for row in rows] == [int(code) for code in ExitCode]


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md names what pyproject.toml asks for, and nothing else."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    asked = [
        *project["build-system"]["requires"],
        *project["project"]["dependencies"],
        *(name for extra in project["project"]["optional-dependencies"].values() for name in extra),
    ]
    rows = re.findall(r"^\| ([a-z][\w, -]*) \|", (ROOT / "docs/dependencies.md").read_text("utf-8"), re.MULTILINE)
    named = {name for row in rows for name in row.split(", ")} - {"package"}
    assert named == {re.split(r"[<>=\[]", requirement)[0] for requirement in asked} - {"preflight"}  # our own extras


# -------------------------------------------------------------------------------------------------- links


def _links(page: Path) -> Iterator[tuple[str, Path, str]]:
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if not re.match(r"https?://", link):
            path, _, anchor = link.partition("#")
            yield link, (page.parent / path).resolve() if path else page, anchor


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link names a file that exists, and an anchor names a heading of it."""
    for link, target, anchor in _links(page):
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, link


def test_every_page_is_reachable_from_the_readme() -> None:
    """Whoever starts at the README finds every page by links alone."""
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen and page.suffix in {".md", ".json"}:
            seen.add(page)
            waiting += [target for _, target, _ in _links(page)] if page.suffix == ".md" else []
    assert sorted(set(PAGES) | set((ROOT / "docs").glob("*.json"))) == sorted(path for path in seen if path.exists())


@pytest.mark.parametrize("page", HANDWRITTEN, ids=_name)
def test_paths_in_prose_exist(page: Path) -> None:
    """A file of this repository that a page names is there."""
    named = re.findall(r"`((?:preflight|tests|docs|sample_media|\.ci)/[\w./-]*)`", page.read_text("utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []


# ----------------------------------------------------------------------------------------------- examples


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A folder in which the examples run: the sample media, and the files that the pages tell the reader to save."""
    shutil.copytree(ROOT / "sample_media", tmp_path / "sample_media")
    for block in PROFILES:
        (tmp_path / f"{tomllib.loads(block.text)['name']}.toml").write_text(block.text, "utf-8")
    return tmp_path


def _settle(block: Block, desk: Path) -> None:
    """Save settings as their reader would: what `[tool.…]` holds belongs to pyproject.toml."""
    name = "pyproject.toml" if "tool" in tomllib.loads(block.text) else "preflight.toml"
    (desk / name).write_text(block.text, "utf-8")


def _run(command: list[str], desk: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "NO_COLOR": "1", "COLUMNS": "100", "PREFLIGHT_LANG": "en"}
    return subprocess.run(command, cwd=desk, env=environment, capture_output=True, text=True, check=False)


def test_fences_are_of_known_kinds() -> None:
    """A block in an unknown language would be an example that nobody runs."""
    assert [_name(block) for block in _blocks() if block.language not in LANGUAGES] == []


@pytest.mark.parametrize("block", list(_blocks("console")), ids=_name)
def test_console_blocks_do_what_they_show(block: Block, desk: Path) -> None:
    """Each command runs, exits as the page says, and prints what the page shows; … stands for anything."""
    for settings in [other for other in SETTINGS if other.page == block.page and other.line < block.line][-1:]:
        _settle(settings, desk)
    for session in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = session.partition("\n")
        code = int(match[1]) if (match := re.search(r"# exits (\d+)$", command)) else 0
        done = _run(["bash", "-o", "pipefail", "-c", command], desk)
        assert (done.returncode, done.stderr) == (code, ""), command
        pattern = re.escape(shown.rstrip("\n")).replace("…", ".*")
        assert re.fullmatch(pattern, done.stdout.rstrip("\n"), re.DOTALL), f"{command}\n{done.stdout}"


@pytest.mark.parametrize("page", sorted({block.page for block in _blocks("python")}), ids=_name)
def test_python_blocks_run(page: Path, desk: Path) -> None:
    """The Python blocks of a page run one after the other, as a reader would paste them."""
    code = "\n".join(block.text for block in _blocks("python") if block.page == page)
    done = _run([sys.executable, "-W", "error", "-c", code], desk)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("block", PROFILES, ids=_name)
def test_profile_examples_load(block: Block, tmp_path: Path) -> None:
    """The profile that a page shows is one that works."""
    path = tmp_path / "example.toml"
    path.write_text(block.text, "utf-8")
    assert load_profile(path).limits


@pytest.mark.parametrize("block", SETTINGS, ids=_name)
def test_settings_examples_hold(block: Block, tmp_path: Path) -> None:
    """The settings that a page shows are found, and what they lay over a profile makes one."""
    _settle(block, tmp_path)
    found = load_config(tmp_path, {})
    assert found.settings
    assert overlaid(load_profile(), found.overlay, tmp_path / "settings.toml").limits


def test_ci_runs_the_set_up_lines() -> None:
    """The README's set-up lines are what .ci/run reads from it and executes; no page has others."""
    lines = [line for block in _blocks("sh") if block.page == ROOT / "README.md" for line in block.text.splitlines()]
    assert {line for block in _blocks("sh") for line in block.text.splitlines()} == set(lines)
    endings = re.findall(r"\$\(setup_line '([^']+)'\)", (ROOT / ".ci/run").read_text("utf-8"))
    assert len(lines) == len(endings) == 2
    assert all(sum(line.endswith(ending) for line in lines) == 1 for ending in endings)
