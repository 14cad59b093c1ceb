"""The fields of the provider's page, each stated once: type, values, default, and what it does."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

from preflight.language import later

Model = Literal["kling-v2-6-motion-control", "kling-v3-motion-control"]
YesNo = Literal["yes", "no"]
Orientation = Literal["image", "video"]
Mode = Literal["std", "pro"]

#: A medium written out in base64. No path of this length comes without a dot, and no URL without a colon.
_BASE64 = re.compile(r"[\w+/\s-]{256,}={0,2}\s*", re.ASCII)


def _not_inline(reference: str) -> str:
    """A medium is named, never written out in the request."""
    if reference.lstrip()[:5].casefold() == "data:" or _BASE64.fullmatch(reference):
        raise PydanticCustomError("inline", "the medium itself stands where its URL belongs")
    return reference


def _encodable(text: str) -> str:
    """Refuse half a surrogate pair, which pydantic sees only where it looks into the text, for a pattern say."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticKnownError("string_unicode") from None
    return text


Reference = Annotated[str, Field(pattern=r"\S"), AfterValidator(_not_inline)]
_NOT_A_DATA_URI: dict[str, Any] = {"not": {"pattern": r"^\s*[Dd][Aa][Tt][Aa]:"}}


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", hide_input_in_errors=True)


class WatermarkInfo(_Strict):
    """Whether the result carries a watermark."""

    enabled: bool = Field(default=False, description="true adds a watermark to the result.")


class GenerationRequest(_Strict):
    """A Kling motion-control request: the body of `POST /v1/videos/generations`."""

    model: Model = Field(description="Which motion-control model generates the video.")
    prompt: Annotated[str, AfterValidator(_encodable)] = Field(
        default="",
        description="Action, camera and style in words. Optional, and recommended: "
        "the more concrete it is, the steadier the result.",
    )
    image_url: Reference = Field(
        description="The reference image: who moves. A URL that anybody can fetch. "
        "preflight also takes a local path, to judge a file before it is uploaded.",
        json_schema_extra=_NOT_A_DATA_URI,
    )
    video_url: Reference = Field(
        description="The reference video: how they move. A direct link that anybody can fetch; mp4 or mov, "
        "at most 100 MB. The provider measures its duration: at least 3 s, at most what character_orientation allows. "
        "preflight also takes a local path.",
        json_schema_extra=_NOT_A_DATA_URI,
    )
    keep_original_sound: YesNo = Field(
        default="yes", description="Whether the result keeps the reference video's sound. A string, not a boolean."
    )
    character_orientation: Orientation = Field(
        description="Whose orientation the character follows. "
        "image: the reference image's, with a video of 3 to 10 s; video: the reference video's, with 3 to 30 s."
    )
    mode: Mode = Field(description="std: quick and good. pro: better, and usually slower.")
    watermark_info: WatermarkInfo = Field(default=WatermarkInfo(), description="Optional watermark settings.")


FIELDS = tuple(GenerationRequest.model_fields)
WATERMARK_FIELDS = tuple(WatermarkInfo.model_fields)

ALLOWED: dict[str, tuple[str, ...]] = {
    "model": get_args(Model),
    "keep_original_sound": get_args(YesNo),
    "character_orientation": get_args(Orientation),
    "mode": get_args(Mode),
    "enabled": ("true", "false"),
}

#: What should stand in a field whose values are no list of words.
EXPECTED: dict[str, str] = {
    "prompt": later("a string"),
    "image_url": later("one string with the URL of the reference image"),
    "video_url": later("one string with the URL of the reference video"),
    "watermark_info": later('an object such as {"enabled": true}'),
    "enabled": later("true or false without quotes"),
}


def request_schema() -> dict[str, object]:
    """The JSON Schema of a request."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **GenerationRequest.model_json_schema()}
