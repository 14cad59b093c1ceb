"""What the writer of a wrong name or value most likely meant.

Nearness of letters catches slips (`oriantation`). It cannot catch the words of other services, which sell the same
model under other names (`model_name`, `1080p`, `true` for `yes`): those stand in the tables below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from preflight.language import later
from preflight.printable import clean

#: Names that other services and libraries use, letters and digits only, and our field.
_FIELD_ALIASES: dict[str, str] = {
    "modelid": "model",
    "modelname": "model",
    "text": "prompt",
    "textprompt": "prompt",
    "image": "image_url",
    "imageinput": "image_url",
    "imageuri": "image_url",
    "imageurls": "image_url",
    "inputimage": "image_url",
    "inputurls": "image_url",
    "referenceimage": "image_url",
    "referenceimageurl": "image_url",
    "video": "video_url",
    "videoinput": "video_url",
    "videouri": "video_url",
    "videourls": "video_url",
    "inputvideo": "video_url",
    "drivingvideo": "video_url",
    "motionvideo": "video_url",
    "referencevideo": "video_url",
    "referencevideourl": "video_url",
    "generateaudio": "keep_original_sound",
    "keepaudio": "keep_original_sound",
    "keeporiginalaudio": "keep_original_sound",
    "keepsound": "keep_original_sound",
    "orientation": "character_orientation",
    "quality": "mode",
    "resolution": "mode",
    "watermark": "watermark_info",
    "watermarkenabled": "watermark_info",
}

#: Names with no counterpart here, and what to know about each.
_NO_COUNTERPART: dict[str, str] = {
    **dict.fromkeys(
        ("duration", "durationseconds", "length", "seconds"),
        later("the provider measures the reference video itself and bills what it measures"),
    ),
    **dict.fromkeys(
        ("body", "data", "extrabody", "input", "json", "parameters", "params", "payload", "request"),
        later("the fields stand at the top level of the request, not inside another object"),
    ),
    "negativeprompt": later("say in prompt what to avoid"),
    **dict.fromkeys(("callbackurl", "webhook", "webhookurl"), later("ask for the task by its task_id instead")),
    **dict.fromkeys(("apikey", "authorization", "token"), later("the key travels in the Authorization header only")),
}

_YES_NO = {"true": "yes", "1": "yes", "on": "yes", "y": "yes", "false": "no", "0": "no", "off": "no", "n": "no"}
_TRUE_FALSE = {word: "true" if meaning == "yes" else "false" for word, meaning in _YES_NO.items()} | {
    "yes": "true",
    "no": "false",
}

_VALUE_ALIASES: dict[str, dict[str, str]] = {
    "keep_original_sound": _YES_NO,
    "enabled": _TRUE_FALSE,
    "mode": {
        "720p": "std",
        "normal": "std",
        "standard": "std",
        "1080p": "pro",
        "high": "pro",
        "hd": "pro",
        "hq": "pro",
    },
}

_LONGEST_NAME = 60


def nearest_field(name: str, fields: Iterable[str]) -> str | None:
    """The field that `name` was probably meant to be: another case or style, another service's word, or a slip."""
    bare = {_bare(field): field for field in fields}
    meant = bare.get(_bare(name)) or _FIELD_ALIASES.get(_bare(name))
    return meant if meant in bare.values() else _closest(_bare(name), bare)


def nearest_value(value: object, field: str, allowed: Sequence[str]) -> str | None:
    """The allowed value that `value` was probably meant to be; a near type counts (`true` for "yes")."""
    if not isinstance(value, str | int):
        return None
    text = shown(value) if isinstance(value, int) else value[:_LONGEST_NAME].strip().casefold()
    if meant := _VALUE_ALIASES.get(field, {}).get(text):
        return meant
    bare = {_bare(word): word for word in allowed}
    starts = [word for short, word in bare.items() if _alike_from_the_start(_bare(text), short)]
    return starts[0] if len(starts) == 1 else _closest(_bare(text), bare)


def no_counterpart(name: str) -> str | None:
    """What to know about a field of other services that has no counterpart here; None for any other name."""
    return _NO_COUNTERPART.get(_bare(name))


def shown(value: object, *, quote: bool = True) -> str:
    """A value in few characters that are safe to print: JSON for what is short and plain, its kind for the rest.

    No string that may hold an address is quoted, because addresses hold signatures and passwords;
    `quote=False` quotes no string at all, for a value whose meaning is not known.
    """
    match value:
        case None | bool():
            return json.dumps(value)
        case int():
            return str(value) if value.bit_length() <= 64 else "a very large number"
        case float():
            return repr(value)
        case str() if not quote or "://" in value or len(value) > _LONGEST_NAME:
            return f"a string of {len(value)} characters"
        case str():
            return printable(json.dumps(value, ensure_ascii=False))
        case Mapping():
            return "an object" if value else "an empty object"
        case list() | tuple():
            return f"an array of {len(value)}" if value else "an empty array"
        case _:
            return f"a Python {type(value).__name__}"


def printable(text: str) -> str:
    """A name or word that a stranger chose, short and safe to print."""
    return clean(text, _LONGEST_NAME)


def _bare(name: str) -> str:
    """Letters and digits only, in lower case: what `imageUrl`, `image-url` and `IMAGE_URL` have in common."""
    return re.sub(r"[\W_]", "", name[:_LONGEST_NAME].casefold())


def _alike_from_the_start(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    return len(shorter) >= 3 and longer.startswith(shorter)


def _closest(bare_name: str, bare: Mapping[str, str]) -> str | None:
    matches = get_close_matches(bare_name, bare, n=1, cutoff=0.7)
    return bare[matches[0]] if matches else None
