"""The pipeline is the architecture: data flows one way, and every foreign library has its one door."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

import preflight

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(preflight.__file__).parent

#: A module imports from its own row and from the rows above it. The longest name that fits a module wins.
ROWS = (
    ("preflight",),  # the public names, loaded on first use
    ("preflight.errors", "preflight.language", "preflight.printable"),
    ("preflight.deliver.sparse",),  # the bytes that we hold: what deliver fills and probe reads
    ("preflight.facts", "preflight.findings"),
    ("preflight.request",),
    ("preflight.deliver.address",),
    ("preflight.deliver.url",),  # what the text of a URL tells, and how it may be shown
    ("preflight.redaction",),
    ("preflight.log",),
    ("preflight.deliver",),
    ("preflight.probes",),
    ("preflight.profiles",),
    ("preflight.rules",),
    ("preflight.estimate",),
    ("preflight.report",),
    ("preflight.render",),
    ("preflight.inspection", "preflight.settings", "preflight.config", "preflight.worker"),
    ("preflight.pipeline",),
    ("preflight.validity",),
    ("preflight.api",),
    ("preflight.guard",),
    ("preflight.demo", "preflight.audit", "preflight.provider"),
    ("preflight.cli", "preflight.__main__"),
)
ROW_OF = {name: number for number, row in enumerate(ROWS) for name in row}

#: Which modules (or packages, with everything below) may import a library.
DOORS = {
    "httpx": ("preflight.deliver", "preflight.guard"),
    "httpx2": ("preflight.guard",),
    "requests": ("preflight.guard",),
    "httpcore": ("preflight.deliver",),
    "h11": ("preflight.deliver.exchange",),
    "tenacity": ("preflight.deliver",),
    "av": ("preflight.probes.libav",),
    "PIL": ("preflight.probes.pillow",),
    "pydantic": ("preflight.request", "preflight.profiles", "preflight.report"),
    "jinja2": ("preflight.render.html", "preflight.render.audit"),
    "pyarrow": ("preflight.audit.rows", "preflight.audit.parquet", "preflight.audit.ray"),
    "ray": ("preflight.audit.ray",),
    "fsspec": ("preflight.audit.storage",),
    "rich": ("preflight.render", "preflight.cli"),
    "click": ("preflight.cli", "preflight.__main__"),
}
HEAVY = (*DOORS, "asyncio", "http.server")


class Import(NamedTuple):
    """One import: who imports what (a module, or a name of it), and whether for annotations only."""

    module: str
    target: str
    line: int
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def _module_of(path: Path) -> str:
    return ".".join(("preflight", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {_module_of(path): path for path in sorted(ROOT.rglob("*.py")) if "sample_media" not in path.parts}


def _imports(module: str, path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative imports hide the layer"
            names = [alias.name for alias in node.names]
            assert node.module
            targets = [node.module if name == "__version__" else f"{node.module}.{name}" for name in names]
        else:
            continue
        for target in targets:
            yield Import(module, target, node.lineno, id(node) in typing_only)


IMPORTS = [item for module, path in MODULES.items() for item in _imports(module, path)]


def _within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _row(module: str) -> int:
    name = module
    while name not in ROW_OF or (name == "preflight" and module != "preflight"):
        assert "." in name, f"{module} stands in no row: add it to ROWS, and to docs/architecture.md"
        name = name.rpartition(".")[0]
    return ROW_OF[name]


def test_every_module_stands_in_a_row() -> None:
    """A new module has to say where it belongs, and no row names a module that is gone."""
    assert {_row(module) for module in MODULES} <= set(range(len(ROWS)))
    assert [name for name in ROW_OF if not any(_within(module, name) for module in MODULES)] == []


def test_no_stage_imports_a_later_one() -> None:
    """Data flows left to right. A name used in annotations only may point forward."""
    ours = [item for item in IMPORTS if _within(item.target, "preflight") and not item.typing_only]
    assert len(ours) > 20, "the walk found next to nothing: it is the walk that is broken"
    assert [str(item) for item in ours if _row(item.target) > _row(item.module)] == []


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_its_door(library: str) -> None:
    """Each foreign library is imported where the design says, and nowhere else, annotations included."""
    users = [item for item in IMPORTS if _within(item.target, library)]
    assert users, f"nobody imports {library}: remove the dependency"
    assert [str(item) for item in users if not any(_within(item.module, door) for door in DOORS[library])] == []


def test_httpx_has_one_importer() -> None:
    """Moving to httpx's API-compatible successor stays a change of one line; the guards serve users of both."""
    users = {item.module for item in IMPORTS if _within(item.target, "httpx")}
    assert len([module for module in users if not _within(module, "preflight.guard")]) == 1


def test_probe_and_rules_do_no_input_or_output() -> None:
    """What is pure stays pure: no sockets, no files, no processes, no clock of its own (`PurePath` is only text)."""
    banned = ("socket", "asyncio", "subprocess", "tempfile", "time", "os", "http", "urllib.request", "pathlib.Path")
    pure = [
        item for item in IMPORTS if _within(item.module, "preflight.probes") or _within(item.module, "preflight.rules")
    ]
    guilty = [str(item) for item in pure if not item.typing_only and any(_within(item.target, name) for name in banned)]
    assert guilty == []


def test_importing_preflight_is_light() -> None:
    """`import preflight` loads none of the heavy libraries; they come with the first use."""
    code = "import sys, preflight; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
