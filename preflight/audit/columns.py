"""Which column of a table is which field of the request, and the job that a row says.

A column with the name of a field is taken at its word. A column under another usual name (`clip`, `sound`,
`watermark`) is understood: `TRUE` under `sound` means "yes". Whatever a column holds beyond that is for the rules to
judge, and every column that is no field is carried through.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Literal, TypeGuard

from preflight.audit.encoding import UTF8
from preflight.audit.model import BadRow, Job
from preflight.errors import UsageError
from preflight.redaction import redact_urls
from preflight.request import FIELDS
from preflight.request.spelling import printable

if TYPE_CHECKING:
    from preflight.facts import Kind

#: Other usual names of the fields, letters and digits only. What a table of media may mean by something else is not
#: here: `resolution` is rarely a mode, and `text` rarely a prompt.
_SYNONYMS: dict[str, frozenset[str]] = {
    field: frozenset(words.split())
    for field, words in {
        "model": "modelname modelid",
        "prompt": "textprompt",
        "image_url": "image imageuri imagelink imagepath imagefile imageinput img imgurl picture pictureurl photo "
        "photourl inputimage inputimageurl referenceimage referenceimageurl refimage refimageurl characterimage",
        "video_url": "video videouri videolink videopath videofile videoinput clip clipurl inputvideo inputvideourl "
        "referencevideo referencevideourl refvideo refvideourl drivingvideo drivingvideourl motionvideo motionvideourl",
        "keep_original_sound": "sound keepsound originalsound keepaudio keeporiginalaudio",
        "character_orientation": "orientation",
        "watermark_info": "watermark watermarkenabled watermarkinfoenabled enablewatermark",
    }.items()
}
#: What the one medium of a list may be called.
_MEDIUM_WORDS = frozenset(
    ("url", "uri", "link", "href", "src", "source", "path", "file", "filename", "media", "mediaurl", "fileurl")
)
_ID_WORDS = ("id", "jobid", "uuid")

_TRUE = frozenset(("true", "1", "yes", "on", "y", "t"))
_FALSE = frozenset(("false", "0", "no", "off", "n", "f"))

#: Fewer names of fields inside one value may be chance.
_ENOUGH_FIELDS = 2
_MOST_NAMES = 20
_DEEPEST = 50
_SURROGATE = re.compile("[\ud800-\udfff]")

#: Where the values come from. text: all are text, and an empty one is no value. table: typed, and a null is no value,
#: because a table cannot leave one out. json: typed, and a null is what the row says.
Style = Literal["text", "table", "json"]


class _Unfit(Exception):
    """A row that is no job, in the words of `BadRow.reason`."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row as its file has it."""

    line: int | None
    columns: tuple[str, ...]
    cells: Sequence[object]


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that its file spoils."""

    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each thing stands in a row, by position."""

    fields: tuple[tuple[str, int], ...]
    id: int | None
    carried: tuple[tuple[str, int], ...]
    """Each under a name of its own, whatever the header repeats."""

    def has(self, field: str) -> bool:
        """Tell whether a column stands for the field."""
        return any(name == field for name, _ in self.fields)


class Columns:
    """What the caller said about the columns, and how rows are read by it."""

    def __init__(
        self,
        as_medium: Kind | None = None,
        mapping: Mapping[str, str] | None = None,
        defaults: Mapping[str, object] | None = None,
        id_column: str | None = None,
        implied: Mapping[str, object] | None = None,
    ) -> None:
        self.as_medium: Kind | None = as_medium
        self.defaults = dict(defaults or {})
        self.id_column = id_column
        self.implied = dict(implied or {})
        """What a table means that has no such column; an object says all that it means."""
        self.encoding = UTF8
        """How the file is read, which is known once it is open."""
        self.fields: tuple[str, ...] = FIELDS
        if as_medium:  # only a video is measured against the orientation's window
            self.fields = ("video_url", "character_orientation") if as_medium == "video" else ("image_url",)
            self.defaults = {name: value for name, value in self.defaults.items() if name in self.fields}
        self.mapping = {self._field(name): column for name, column in (mapping or {}).items()}
        self._known: dict[tuple[str, ...], Layout] = {}

    def _field(self, name: str) -> str:
        """The field that somebody names on the command line."""
        for field in self.fields:
            if any(fits(field, name) for fits in self._tiers(field)):
                return field
        raise UsageError(f"--map {printable(name)}=…: no such field; the fields are {', '.join(self.fields)}")

    def layout(self, columns: tuple[str, ...]) -> Layout:
        """Find what each column is.

        Raises:
            UsageError: two columns look alike; the message names both.
        """
        found = self._known.get(columns)
        if found is None:
            if len(self._known) >= 1000:  # the keys of a stranger's JSON lines need not repeat
                self._known.clear()
            found = self._known[columns] = self._find(columns)
        return found

    def _find(self, columns: tuple[str, ...]) -> Layout:
        free = [place for place, name in enumerate(columns) if name not in self.mapping.values()]
        fields: dict[str, int] = {}
        for field in self.fields:
            place = self._only(field, self._candidates(field, columns, free), columns)
            if place is not None:
                fields[field] = place
        number = self._id_place(columns, set(fields.values()))
        used = {*fields.values(), number}
        carried: dict[str, int] = {}
        for place, name in enumerate(columns):
            if place not in used:
                carried[_free_name(clean_text(name), carried)] = place
        return Layout(tuple(fields.items()), number, tuple(carried.items()))

    def _candidates(self, field: str, columns: tuple[str, ...], free: list[int]) -> list[int]:
        if field in self.mapping:
            return [place for place, name in enumerate(columns) if name == self.mapping[field]]
        for fits in self._tiers(field):
            if found := [place for place in free if fits(field, columns[place])]:
                return found
        return []

    def _tiers(self, field: str) -> tuple[Callable[[str, str], bool], ...]:
        """How a name can mean a field, the surest first."""
        if self.as_medium and not field.startswith(self.as_medium):
            return (_exact,)  # `orientation` in a list of videos says landscape or portrait
        return (_exact, _same_letters, _synonym, _any_medium) if self.as_medium else (_exact, _same_letters, _synonym)

    def _only(self, field: str, found: list[int], columns: tuple[str, ...]) -> int | None:
        if len(found) < 2:
            return found[0] if found else None
        names = named([columns[place] for place in found])
        if len({columns[place] for place in found}) == 1:
            raise UsageError(f"{len(found)} columns are named {names}; rename all but the one that is {field}")
        raise UsageError(f"the columns {names} all look like {field}; say which one: --map {field}=COLUMN")

    def _id_place(self, columns: tuple[str, ...], used: set[int]) -> int | None:
        if self.id_column is not None:
            return columns.index(self.id_column) if self.id_column in columns else None
        bare = [_bare(name) for name in columns]
        return next((bare.index(word) for word in _ID_WORDS if word in bare and bare.index(word) not in used), None)

    def require(self, columns: tuple[str, ...], *, nested: bool = False) -> None:
        """Make sure that a table with these columns can hold jobs; `nested`: one column holds whole requests.

        Raises:
            UsageError: a column that was named is not there, or none stands for a medium.
        """
        there = f"the columns are {named(columns)}"
        for name in (*self.mapping.values(), *([] if self.id_column is None else [self.id_column])):
            if name not in columns:
                raise UsageError(f"no column {named([name])}; {there}")
        layout = self.layout(columns)
        needed = [f"{self.as_medium}_url"] if self.as_medium else ["image_url", "video_url"]
        missing = [name for name in needed if not layout.has(name) and name not in self.defaults]
        if missing and not nested:
            advice = f"name it: --map {missing[0]}=COLUMN"
            if not self.as_medium:
                advice = f"{advice}; for a list of media of one kind: --as video or --as image"
            raise UsageError(f"no column looks like {' or '.join(missing)}; {there}; {advice}")

    def read(self, row: int, record: Record, style: Style) -> Job | BadRow:
        """The job that a row says. Raises nothing for content."""
        try:
            layout = self.layout(record.columns)
        except UsageError as error:
            return BadRow(row, record.line, f"is ambiguous: {error}", {})
        cells = record.cells
        if style == "text" and not any(cells):
            return BadRow(row, record.line, "has no value in any column", {})
        try:
            carried = {name: plain(cells[place]) for name, place in layout.carried}
        except _Unfit as error:
            return BadRow(row, record.line, str(error), {})
        try:
            request = self._request(layout, record, style, carried)
            identity = None if layout.id is None else _identity(plain(cells[layout.id]))
        except _Unfit as error:
            return BadRow(row, record.line, str(error), carried)
        return Job(row, identity, request, carried, self.as_medium)

    def _request(self, layout: Layout, record: Record, style: Style, carried: dict[str, object]) -> dict[str, object]:
        given: dict[str, object] = {}
        for field, place in layout.fields:
            value, column = record.cells[place], record.columns[place]
            if (value == "" and style == "text") or (value is None and (style == "table" or field in self.defaults)):
                continue
            if style != "json" and isinstance(value, str) and (misread := self.misread(value, column)):
                raise _Unfit(misread)
            given[field] = _understood(field, column, plain(value) if style == "table" else value, style)
        if self.as_medium:
            return self._one_medium(self.as_medium, {**self.defaults, **given})
        whole = {} if style == "text" else _whole_request(layout, record, carried, style)
        implied = {} if style == "json" or whole else self.implied
        return {name: value for name, value in implied.items() if not layout.has(name)} | self.defaults | whole | given

    def misread(self, text: str, column: str | None = None) -> str | None:
        """What is wrong with a text that holds bytes which are none of the file's encoding, as `Fault.reason`."""
        byte = bad_byte(text)
        if byte is None:
            return None
        name = "UTF-8" if self.encoding in (UTF8, "utf-8-sig") else self.encoding
        where = "" if column is None else f" in the column {named([column])}"
        return f"is not {name}{where} (byte 0x{byte:02X}); save the file as UTF-8"

    def _one_medium(self, medium: Kind, given: dict[str, object]) -> dict[str, object]:
        reference = given.get(f"{medium}_url")
        if reference is None:
            raise _Unfit(f"names no {medium}")
        if not isinstance(reference, str) or not reference.strip():
            raise _Unfit(f"holds no text where the URL of its {medium} belongs")
        return given


def _whole_request(layout: Layout, record: Record, carried: dict[str, object], style: Style) -> dict[str, object]:
    """The request that stands in one value of the row, as in `{"id": 7, "request": {…}}`; it is then not carried."""
    if layout.has("image_url") and layout.has("video_url"):
        return {}
    for name, place in layout.carried:
        inner = record.cells[place]
        if holds_request(inner):
            del carried[name]
            return {key: value for key, value in inner.items() if value is not None or style == "json"}
    return {}


def holds_request(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a value, or the names inside one, are those of a request."""
    return isinstance(value, Mapping) and len(set(value) & set(FIELDS)) >= _ENOUGH_FIELDS


def _understood(field: str, column: str, value: object, style: Style) -> object:
    """What a cell means; one that is not understood is left to the rules."""
    if field == "keep_original_sound" and column != field:
        switch = _switch(value)
        return value if switch is None else "yes" if switch else "no"
    if field == "watermark_info" and (column != field or style == "text"):
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                return json.loads(value)
            except (ValueError, RecursionError):
                return value
        switch = _switch(value)
        return value if isinstance(value, Mapping) else {"enabled": value if switch is None else switch}
    return value


def _switch(value: object) -> bool | None:
    """A word for on or off; None: neither."""
    word = str(value).strip().casefold() if isinstance(value, str | bool | int) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def plain(value: object, depth: int = 0) -> object:
    """A carried value as JSON and UTF-8 can hold it: no NaN, no half of a surrogate pair, moments in ISO 8601."""
    if depth > _DEEPEST:
        raise _Unfit("is nested too deeply")
    match value:
        case str():
            return clean_text(value)
        case None | bool() | int():
            return value
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {clean_text(str(name)): plain(item, depth + 1) for name, item in value.items()}
        case list() | tuple():
            return [plain(item, depth + 1) for item in value]
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return b64encode(value).decode()
        case _:
            return str(value)


def clean_text(text: str) -> str:
    r"""`text` with what UTF-8 cannot hold as an escape: a byte that could not be decoded as `\xfc`."""
    return text if text.isascii() else _SURROGATE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code - 0xDC00:02x}" if 0xDC00 <= code <= 0xDCFF else f"\\u{code:04x}"


def bad_byte(text: str) -> int | None:
    """The first byte that could not be decoded, where `text` was read under `encoding.ESCAPED`."""
    found = None if text.isascii() else _SURROGATE.search(text)
    return ord(found.group()) & 0xFF if found else None


def named(names: Iterable[str]) -> str:
    """Column names for a message: printable, without the secrets of a URL, not all of very many."""
    shown = [printable(redact_urls(name)) or '""' for name in names]
    more = f" and {len(shown) - _MOST_NAMES} more" if len(shown) > _MOST_NAMES else ""
    return ", ".join(shown[:_MOST_NAMES]) + more


def _identity(value: object) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _free_name(name: str, taken: Mapping[str, int]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name} ({number})"
    return free


# ------------------------------------------------------------------- how a name can mean a field, the surest first


def _bare(name: str) -> str:
    """Letters and digits only, in lower case: what `imageUrl`, `image-url` and `IMAGE_URL` have in common."""
    return re.sub(r"[\W_]", "", name[:100].casefold())


def _exact(field: str, name: str) -> bool:
    return name == field


def _same_letters(field: str, name: str) -> bool:
    return _bare(name) == _bare(field)


def _synonym(field: str, name: str) -> bool:
    return _bare(name) in _SYNONYMS.get(field, ())


def _any_medium(field: str, name: str) -> bool:
    return field.endswith("_url") and _bare(name) in _MEDIUM_WORDS
