"""The request inside whatever was pasted: JSON, a curl command, a Python dict or program, a JavaScript object.

Each form has one reader. A reader answers None when the text is not of its form, and raises when it is and cannot be
read. Nothing is executed, no file is opened because the text names one, and no header of a curl command is looked at:
the key in it stays where it was.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from preflight.errors import RequestUnreadable
from preflight.language import about, clauses, say, told
from preflight.request.fields import FIELDS
from preflight.request.spelling import printable, shown

#: Two of our field names in one object make it a request; one may be chance (`{"model": …}` of another program).
_ENOUGH_FIELDS = 2


def parse_request(text: str, origin: str) -> Mapping[str, object]:
    """The one request in a text; `origin` names the text in errors ("request.json", "standard input").

    Which fields are there is not judged here: that is `read_request`'s part.

    Raises:
        RequestUnreadable: no request, several, or a broken one; one line that says where and what.
    """
    text = _unfenced(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"), origin)
    if not text.strip():
        raise RequestUnreadable(about(origin, say("empty; a request is needed")))
    if command := _CURL.search(text) if text.lstrip()[0] not in "{[" else None:
        return _read_json(_curl_data(text, command.end(), origin), about(origin, say("the data of the curl command")))
    try:
        return _read_json(text, origin)
    except _NotJson as not_json:
        found = _read_python(text, origin) or _read_javascript(text, origin)
        if found is None and text.lstrip()[0] in "{[":
            raise RequestUnreadable(str(not_json)) from None
    if found is None:
        advice = say(
            "no request found; give a JSON object, a curl command, or a Python or JavaScript "
            "program with one object that holds model, image_url, video_url, …"
        )
        raise RequestUnreadable(about(origin, advice))
    return found


def _unfenced(text: str, origin: str) -> str:
    """The content of the one Markdown fence, on the lines where it stood; the text itself where there is none."""
    blocks: list[tuple[int, list[str]]] = []
    inside = False
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith(("```", "~~~")):
            inside = not inside
            if inside:
                blocks.append((number, []))
        elif inside:
            blocks[-1][1].append(line)
    if len(blocks) > 1:
        fault = say("{count} fenced blocks; keep the one with the request", count=len(blocks))
        raise RequestUnreadable(about(origin, fault))
    return "\n" * blocks[0][0] + "\n".join(blocks[0][1]) if blocks else text


# ----------------------------------------------------------------------------------------------- JSON


class _NotJson(RequestUnreadable):
    """The text is not JSON at all; it may still be of another form."""


@dataclass(frozen=True, slots=True)
class _Strict:
    """What the json module lets pass and we do not: a name given twice, NaN."""

    text: str
    origin: str

    def object(self, pairs: list[tuple[str, object]]) -> dict[str, object]:
        read: dict[str, object] = {}
        for name, value in pairs:
            if name in read:
                where = self._where(re.escape(json.dumps(name, ensure_ascii=False)) + r"\s*:", 2)
                raise RequestUnreadable(_twice(where, name))
            read[name] = value
        return read

    def constant(self, word: str) -> NoReturn:
        fault = say("{word} is not a JSON value", word=word)
        raise RequestUnreadable(about(self._where(re.escape(word), 1), fault))

    def _where(self, pattern: str, count: int) -> str:
        """The place of the last of `count` matches, because the json module does not say; without it if unsure."""
        places = [match.start() for match in re.finditer(pattern, self.text)]
        return _at(self.origin, _place(self.text, places[-1])) if len(places) == count else self.origin

    def decoder(self) -> json.JSONDecoder:
        return json.JSONDecoder(object_pairs_hook=self.object, parse_constant=self.constant)


def _read_json(text: str, origin: str) -> Mapping[str, object]:
    try:
        value = _Strict(text, origin).decoder().decode(text)
    except json.JSONDecodeError as error:
        fault = say("not JSON: {fault}", fault=_json_fault(error))
        raise _NotJson(about(_at(origin, _place(text, error.pos)), fault)) from None
    except RecursionError:
        raise RequestUnreadable(about(origin, say("nested too deeply to be a request"))) from None
    except ValueError:  # the only other one: more digits than Python converts
        fault = say("a number with thousands of digits is not part of a request")
        raise RequestUnreadable(about(origin, fault)) from None
    return _one_object(value, origin)


def _json_fault(error: json.JSONDecodeError) -> str:
    comma = error.pos if error.doc[error.pos : error.pos + 1] == "," else len(error.doc[: error.pos].rstrip()) - 1
    if comma >= 0 and re.compile(r",\s*[}\]]").match(error.doc, comma):
        return say("a comma before the closing bracket")
    if re.compile(r"\s*(?://|/\*|#)").match(error.doc, error.pos):
        return say("JSON has no comments; take this one out")
    return told(error.msg[0].lower() + error.msg[1:].removesuffix(" at"))


def _one_object(value: object, origin: str) -> Mapping[str, object]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, list):
        what = say("one request inside a list; take it out of the brackets")
        if len(value) != 1:
            what = say("a list of {count}; one request is needed, so give them one by one", count=len(value))
        raise RequestUnreadable(about(origin, what))
    raise RequestUnreadable(about(origin, say("{value}, not a JSON object", value=told(shown(value)))))


def _twice(place: str, name: str) -> str:
    return about(place, say("the field {name} stands twice; keep one", name=told(shown(name))))


def _at(origin: str, place: str) -> str:
    return clauses(origin, place)


def _place(text: str, position: int) -> str:
    """Line and column, counted from 1."""
    start = text.rfind("\n", 0, position) + 1
    line = text.count("\n", 0, position) + 1
    return say("line {line}, column {column}", line=line, column=position - start + 1)


# ----------------------------------------------------------------------------------------------- curl

_CURL = re.compile(r"^[ \t]*(?:[$%>][ \t]+)?curl(?:\.exe)?(?=[ \t\\])", re.MULTILINE)

#: One piece of a shell command. Possessive repeats: a quote that is never closed must not cost a second look.
_PIECE = re.compile(
    r"""
      (?P<gap>    (?: [ \t\r] | \\\r?\n )++ )
    | (?P<end>    [\n;|&<>()] )
    | \$' (?P<ansi>   (?: [^'\\]++ | \\. )*+ ) '
    | '   (?P<single> [^']*+ ) '
    | \$?" (?P<double> (?: [^"\\]++ | \\. )*+ ) "
    | \\  (?P<escaped> . )
    | (?P<plain> [^ \t\r\n'"\\;|&<>()$]++ | \$ (?!['"]) )
    """,
    re.VERBOSE | re.DOTALL,
)
_ANSI_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8})|x([0-9a-fA-F]{1,2})|([0-7]{1,3})|(.))", re.DOTALL
)
_ANSI_LETTERS = dict(zip("abeEfnrtv", "\a\b\x1b\x1b\f\n\r\t\v", strict=True))
_VARIABLE = re.compile(r"\$(?:\{?[A-Za-z_]\w*\}?|\()|`")

_DATA_FLAGS = frozenset({"--data", "--data-raw", "--data-binary", "--data-ascii", "--json"})
_FORM_FLAGS = frozenset({"--form", "--form-string", "--data-urlencode"})
#: Short flags of curl whose value follows, in the same word or the next.
_SHORT_WITH_VALUE = frozenset("AbcCdDeEFHKmoPQrtTuUwxXyYz")


@dataclass(slots=True)
class _Word:
    """One argument of a command, unquoted; `variable` is a shell variable in it, whose value only the shell knows."""

    parts: list[str]
    variable: str | None = None

    @property
    def text(self) -> str:
        return "".join(self.parts)


def _curl_data(text: str, position: int, origin: str) -> str:
    """The text that the curl command at `position` sends."""
    sent = list(_sent(_words(text, position, origin)))
    if len(sent) != 1:
        number = say("{count} pieces of data", count=len(sent)) if sent else say("no data")
        fault = say(
            "the curl command has {number}; one JSON object is needed ({example})",
            number=number,
            example="--data '{…}'",
        )
        raise RequestUnreadable(about(origin, fault))
    flag, word = sent[0]
    if flag in _FORM_FLAGS:
        fault = say("the curl command sends a form ({flag}); a JSON object is needed (--data)", flag=flag)
        raise RequestUnreadable(about(origin, fault))
    if word.variable:
        fault = say(
            "the data of the curl command needs the shell's {variable}; write its value instead",
            variable=printable(word.variable),
        )
        raise RequestUnreadable(about(origin, fault))
    if word.text.startswith("@") and flag != "--data-raw":
        fault = say(
            "the data of the curl command stands in {file}; give that file to preflight instead",
            file=told(shown(word.text[1:])),
        )
        raise RequestUnreadable(about(origin, fault))
    return word.text


def _sent(words: Iterator[_Word]) -> Iterator[tuple[str, _Word]]:
    """Each data or form flag with its value."""
    for word in words:
        if word.text.startswith("--"):
            flag, glued, value = word.text.partition("=")
        else:
            flag, value = _short_flag(word.text)
            glued = value
        if flag in _DATA_FLAGS or flag in _FORM_FLAGS:
            yield flag, _Word([value], word.variable) if glued else next(words, _Word([]))


def _short_flag(word: str) -> tuple[str, str]:
    """`-sSd{…}` -> ("--data", "{…}"); any other word -> ("", "")."""
    if word.startswith("-"):
        for index, letter in enumerate(word[1:], 2):
            if letter in _SHORT_WITH_VALUE:
                return {"d": "--data", "F": "--form"}.get(letter, ""), word[index:]
    return "", ""


def _words(text: str, position: int, origin: str) -> Iterator[_Word]:
    """The arguments of one shell command up to its end, with bash's quotes and escapes undone."""
    word: _Word | None = None
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            fault = say("a quote or backslash that is never closed")
            raise RequestUnreadable(about(_at(origin, _place(text, position)), fault))
        if piece.lastgroup == "end":
            break
        if piece.lastgroup == "gap":
            if word:
                yield word
            word = None
        else:
            word = word or _Word([])
            _add(word, piece, text)
        position = piece.end()
    if word:
        yield word


def _add(word: _Word, piece: re.Match[str], text: str) -> None:
    raw = piece[piece.lastgroup or 0]
    match piece.lastgroup:
        case "ansi":
            raw = _ANSI_ESCAPE.sub(_ansi, raw)
        case "double":
            variable = _VARIABLE.search(re.sub(r"\\.", "  ", raw, flags=re.DOTALL))
            word.variable = word.variable or (variable[0] if variable else None)
            raw = re.sub(r'\\(?:\n|([$`"\\]))', lambda escape: escape[1] or "", raw)
        case "plain" if raw == "$" and (variable := _VARIABLE.match(text, piece.start())):
            word.variable = word.variable or variable[0]
    word.parts.append(raw)


def _ansi(escape: re.Match[str]) -> str:
    short, long, hexadecimal, octal, letter = escape.groups()
    if letter:
        return _ANSI_LETTERS.get(letter, letter if letter in "\\'\"?" else escape[0])
    code = int(octal, 8) if octal else int(short or long or hexadecimal, 16)
    return chr(code) if code <= 0x10FFFF else escape[0]


# --------------------------------------------------------------------------------------------- Python


def _read_python(text: str, origin: str) -> Mapping[str, object] | None:
    """The request in a Python dict literal or program, with the names that stand for literals filled in."""
    text = textwrap.dedent(text)
    try:
        with warnings.catch_warnings():  # a bad escape in somebody's program is not our warning
            warnings.simplefilter("ignore")
            program = ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    if text.lstrip()[0] in "{[":
        requests = list(_lone_dict(program, text, origin))
    else:
        dicts = (node for node in ast.walk(program) if isinstance(node, ast.Dict))
        requests = [node for node in dicts if _is_request(_names(node))]
    if len(requests) > 1:
        lines = ", ".join(str(node.lineno) for node in requests)
        fault = say("{count} requests, on lines {lines}; keep one", count=len(requests), lines=lines)
        raise RequestUnreadable(about(origin, fault))
    return _dict(requests[0], _constants(program), origin) if requests else None


def _lone_dict(program: ast.Module, text: str, origin: str) -> Iterator[ast.Dict]:
    """The dict that is the whole program, where it uses what JSON has not: broken JSON shall not pass for Python."""
    if len(program.body) == 1 and isinstance(program.body[0], ast.Expr):
        value = program.body[0].value
        if isinstance(value, ast.List) and _is_more_than_json(value, text):
            _one_object(value.elts, origin)
        bare_names = isinstance(value, ast.Dict) and any(isinstance(key, ast.Name) for key in value.keys)
        if isinstance(value, ast.Dict) and not bare_names and _is_more_than_json(value, text):
            yield value


def _is_more_than_json(node: ast.expr, text: str) -> bool:
    """Does a string begin with anything but a double quote, or a True, False or None occur?"""
    lines = [line.encode() for line in re.split(r"\r\n|\r|\n", text)]
    constants = (item for item in ast.walk(node) if isinstance(item, ast.Constant))
    words = (item for item in constants if isinstance(item.value, str | bool | None))
    return any(not lines[word.lineno - 1].startswith(b'"', word.col_offset) for word in words)


def _names(node: ast.Dict) -> list[object]:
    return [key.value for key in node.keys if isinstance(key, ast.Constant)]


def _is_request(names: Iterable[object]) -> bool:
    return len(set(names) & set(FIELDS)) >= _ENOUGH_FIELDS


def _constants(program: ast.Module) -> dict[str, ast.expr]:
    """What each name of the program stands for, where that is a literal given once."""
    given: dict[str, list[ast.expr]] = {}
    for node in ast.walk(program):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    given.setdefault(target.id, []).append(node.value)
    return {name: values[0] for name, values in given.items() if len(values) == 1}


def _dict(node: ast.Dict, constants: Mapping[str, ast.expr], origin: str) -> dict[str, object]:
    read: dict[str, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        where = _at(origin, say("line {line}", line=value.lineno))
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str)):
            raise RequestUnreadable(about(where, say("a field name that is not a plain string")))
        if key.value in read:
            raise RequestUnreadable(_twice(where, key.value))
        literal = constants.get(value.id, value) if isinstance(value, ast.Name) else value
        try:
            read[key.value] = ast.literal_eval(literal)
        except (ValueError, TypeError, MemoryError, RecursionError):
            fault = say(
                "the value of {name} is computed; preflight runs no program, so write the value",
                name=told(shown(key.value)),
            )
            raise RequestUnreadable(about(where, fault)) from None
    return read


# ----------------------------------------------------------------------------------------- JavaScript

#: Strings first, so that nothing inside one is taken for syntax; an unclosed one ends with its line.
_JAVASCRIPT = re.compile(
    r"""
      " (?: [^"\\\n]++ | \\. )*+ "?
    | ' (?P<single> (?: [^'\\\n]++ | \\. )*+ ) '?
    | (?<! [\w$] ) (?P<name> [A-Za-z_$][\w$]*+ ) (?= \s*+ : )
    | , (?P<comma> \s*+ [}\]] )
    """,
    re.VERBOSE,
)


def _read_javascript(text: str, origin: str) -> Mapping[str, object] | None:
    """The request in a JavaScript program: its objects are JSON once names and strings are in double quotes."""
    if re.match(r'\s*[{\[]\s*["{]', text):
        return None  # it begins as JSON does, so it is broken JSON
    rewritten = _JAVASCRIPT.sub(_as_json, text)
    decoder = _Strict(text, origin).decoder()
    found: list[dict[str, object]] = []
    end = 0
    for start in re.finditer(r"\{\s*\"(?:" + "|".join(FIELDS) + r')"\s*:', rewritten):
        try:
            value, stop = decoder.raw_decode(rewritten, start.start())
        except ValueError:
            continue
        except RecursionError:
            return None
        if start.start() >= end and _is_request(value):
            found.append(value)
            end = stop
    if len(found) > 1:
        raise RequestUnreadable(about(origin, say("{count} requests; keep one", count=len(found))))
    return found[0] if found else None


def _as_json(token: re.Match[str]) -> str:
    match token.lastgroup:
        case "name":
            return f'"{token["name"]}"'
        case "single":
            return '"' + token["single"].replace("\\'", "'").replace('\\"', '"').replace('"', '\\"') + '"'
        case "comma":
            return token["comma"]
    return token[0]
