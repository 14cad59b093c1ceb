"""Everything that preflight says, collected from its own code, for the test that holds the catalogues complete.

Literals given to `say` and `later`, the rules' declarations, the tables of profiles and links, the help of commands,
and every sentence that deliver, the probes and the reading of tables have in store (f-strings count as templates).
"""

from __future__ import annotations

import ast
import errno
import json.decoder
import os
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import preflight
from preflight.cli import group
from preflight.cli.help import texts
from preflight.deliver.presigned import SCHEMES
from preflight.rules import RULES
from tests.docs_gen import contexts

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(preflight.__file__).parent
FOLDER = ROOT / "language" / "zh"
PLACE = re.compile(r"\{(\w+)(?:![rs])?(?::[^{}]*)?\}")
WORDS = re.compile(r"[A-Za-z]+")
HAN = "\u4e00-\u9fff"
#: Four words of English in a row are a sentence that was not translated; a name has fewer.
ENGLISH = re.compile(r"(?:\b[a-z]{2,}\s+){3,}[a-z]{2,}")

#: Where facts get their sentences. `told` translates them, for facts themselves are in English.
TELLERS = (
    *(f"deliver/{name}.py" for name in ("address", "backend", "ends", "failure", "file", "http", "url")),
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "probes").rglob("*.py"))),
    *(f"audit/{name}.py" for name in ("columns", "model", "rows", "ray/actor")),
    "inspection.py",
    "request/spelling.py",
    "worker.py",
)
#: What stands in them and is no sentence for a reader: names of codec profiles, tables, faults of our own, the log.
SILENT_MODULES = {"probes/codecs.py", "probes/libav.py", "probes/pillow.py"}
SILENT_TABLES = {"_HARMLESS_VALUES", "_PIECE", "_SYNONYMS"}
SILENT = {
    "ffconcat version",
    "the name has no address",
    "the name lookup took too long",
    "from preflight.worker import serve; serve()",
    "needs more bytes",
    "not a list of names: {}",
    "not a plain number: {}",
    "not media: {}",
    "not sniffed as a picture",
    "packets of 192 bytes, as from a camcorder",
    "packets of 204 bytes",
    "the probe's process did not load (exit code {})",
    "there is no Python to start for the probe; isolation='none' runs it in this process",
    "version https://git-lfs.github.com/",
    "version https://hawser.github.com/",
    "a fraction that is none",
    "an answer that is none",
    "field larger",
    "unexpected end",
    "expected after",
    "a line that is too long",
    "(a value of the type {} that cannot be read)",
}
#: Names that are the same in every language, though they begin with a small letter.
NAMES = {"imgix"}


def shape(text: str) -> str:
    """A text with its places as `{}`: two texts of one shape make the same sentences."""
    return PLACE.sub("{}", text)


def _source(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


MODULES = {path.relative_to(ROOT).as_posix(): _source(path) for path in sorted(ROOT.rglob("*.py"))}
_CLICK = [_source(path) for path in Path(click.__file__).parent.glob("*.py")]
_JSON = [_source(Path(json.decoder.__file__))]
DATA = [tomllib.loads(path.read_text("utf-8")) for path in sorted(ROOT.rglob("*.toml")) if FOLDER not in path.parents]


def strings(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Every string of a piece of code, f-strings as the templates that they are; docstrings are none."""
    body = getattr(node, "body", [])
    silent = {id(line.value) for line in body if isinstance(line, ast.Expr)} if isinstance(body, list) else set()
    if isinstance(node, ast.Assign | ast.AnnAssign) and SILENT_TABLES & {
        target.id for target in ast.walk(node) if isinstance(target, ast.Name)
    }:
        return
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.keyword) and child.arg == "description":
            continue  # a field's, for the schema
        if isinstance(child, ast.Expr) and id(child.value) in silent and isinstance(child.value, ast.Constant):
            continue
        if isinstance(child, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in child.values)
            yield child, "".join(map(str, parts))
            for part in child.values:  # what stands inside its places
                if isinstance(part, ast.FormattedValue):
                    yield from strings(part)
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child, child.value
        else:
            yield from strings(child)


def calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of the two functions that take a text for a reader, in a module that has them from here."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "preflight.language"
        for alias in node.names
        if alias.name in {"say", "later"}
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
            yield node


def _of_templates() -> dict[str, str]:
    """What the templates of pages say: `{{ say("…") }}`."""
    pages = sorted((ROOT / "render" / "templates").glob("*.html"))
    return {text: page.name for page in pages for text in re.findall(r'\bsay\("([^"]+)"', page.read_text("utf-8"))}


@cache
def literals() -> dict[str, str]:
    """Text -> where it is said."""
    return _of_templates() | {
        text.value: f"{module}:{call.lineno}"
        for module, tree in MODULES.items()
        for call in calls(tree)
        if isinstance(text := call.args[0], ast.Constant) and isinstance(text.value, str)
    }


@cache
def declared() -> dict[str, str]:
    """What the rules declare; a source that is only a document's name or address stays as it is."""
    found = {}
    for rule in RULES:
        for text in (rule.title, rule.message, rule.why, rule.fix, rule.source):
            if not re.fullmatch(r"(?:RFC|WHATWG) .*|https?://\S+", text):
                found[text] = rule.id
    return {text: rule for text, rule in found.items() if WORDS.search(shape(text).replace("{}", ""))}


@cache
def tables() -> dict[str, str]:
    """The words of the built-in profiles, of known links and of ways to sign them."""
    found = {scheme.name: "presigned.py" for scheme in SCHEMES if re.search(r"(?<![\w'])[a-z]{2}", scheme.name)}
    for table in DATA:
        for link in table.get("link", ()):
            found |= {link["returns"]: "share_pages.toml", link["advice"]: "share_pages.toml"}
            if re.search(r"(?<![\w'])[a-z]", link["service"]):
                found[link["service"]] = "share_pages.toml"
        if table.get("schema") == "preflight.profile/1":
            words = [table["title"], *_sourced(table)]
            found |= {text: table["name"] for text in words if not re.fullmatch(r"https?://\S+", text)}
    return {text: place for text, place in found.items() if text not in NAMES}


def _sourced(table: dict[str, Any]) -> Iterator[str]:
    for part in (table["billing"], table.get("tariff", {}), *table["limits"].values()):
        yield from (part[key] for key in ("source", "note") if part.get(key))


@cache
def helps() -> dict[str, str]:
    """Every text of a command's `--help`, and what click adds to each of them."""
    said = {text: context.command_path for context in contexts(group, "preflight") for text in texts(context.command)}
    own = ("Options", "Commands", "Show this message and exit.", "default: {default}")
    return dict.fromkeys(own, "click") | {text: place for text, place in said.items() if text}


@cache
def details() -> dict[str, str]:
    """Shape -> place of every sentence that a fact, or a row that is no job, may bring along."""
    found = {}
    for module in TELLERS:
        if module in SILENT_MODULES:
            continue
        for node, text in strings(MODULES[module]):
            is_prose = " " in text.strip() and WORDS.search(text.replace("{}", "")) and "\\" not in text
            if is_prose and "(?" not in text and text not in SILENT and not text.startswith("Input should"):
                sentence = shape(text).removeprefix("{}: ")  # what stands before a colon is told by itself
                found[sentence] = f"{module}:{node.lineno}"
    return found


@cache
def everything() -> frozenset[str]:
    """The shape of every string in the package, and of what others say: what a translation must be of."""
    said = {shape(text) for tree in (*MODULES.values(), *_CLICK) for _, text in strings(tree)}
    said |= {shape(f"{text} {{}}.{more}") for text in said if text.startswith("Missing ") for more in ("", " {}")}
    said |= {shape(f"{text} {{}}") for text in said if text.startswith("No such ")}
    said |= {os.strerror(number) for number in errno.errorcode}
    jsons = (text for tree in _JSON for _, text in strings(tree) if text[:1].isupper())
    said |= {text[0].lower() + text[1:].removesuffix(" at") for text in jsons}  # as they are told
    said.add("invalid control character")  # the part of the json module that is written in C
    said |= {shape(text) for table in DATA for text in _values(table)}
    return frozenset(said | {shape(text) for text in (*declared(), *tables(), *helps(), *_of_templates())})


def _values(table: object) -> Iterator[str]:
    match table:
        case str():
            yield table
        case dict():
            for value in table.values():
                yield from _values(value)
        case list():
            for value in table:
                yield from _values(value)


@cache
def lines() -> list[tuple[str, str, str]]:
    """File, English text and translation of every line of the Chinese catalogue."""
    files = sorted(FOLDER.glob("*.toml"))
    return [(file.name, *line) for file in files for line in tomllib.loads(file.read_text("utf-8")).items()]
