"""The generation request: its fields, the reading of one, and the text in which one was pasted."""

from preflight.request.fields import FIELDS, GenerationRequest, WatermarkInfo, request_schema
from preflight.request.pasted import parse_request
from preflight.request.reading import Kind, Problem, ReadRequest, read_request

__all__ = [
    "FIELDS",
    "GenerationRequest",
    "Kind",
    "Problem",
    "ReadRequest",
    "WatermarkInfo",
    "parse_request",
    "read_request",
    "request_schema",
]
