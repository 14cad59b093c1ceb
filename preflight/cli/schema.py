"""`preflight schema`: the wire formats as JSON Schema."""

# ruff: noqa: PLC0415  (what a command needs is imported when it runs)

from __future__ import annotations

import json

import click

from preflight.cli import output


@click.command(
    epilog="""\b
Examples:
  preflight schema report > report.schema.json
  preflight check request.json --format json | check-jsonschema --schemafile report.schema.json -
"""
)
@click.argument("name", type=click.Choice(["report", "request", "profile", "media"]))
def schema(name: str) -> None:
    """Print a JSON Schema (draft 2020-12).

    report: what check prints. media: what probe prints. request: what check reads. profile: a profile file.
    """
    output.write_utf8(json.dumps(_schema(name), indent=2, ensure_ascii=False) + "\n")


def _schema(name: str) -> dict[str, object]:
    match name:
        case "request":
            from preflight.request import request_schema

            return request_schema()
        case "profile":
            from preflight.profiles import Profile

            return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Profile.model_json_schema()}
        case "media":
            from preflight.report import media_schema

            return media_schema()
        case _:
            from preflight.report import report_schema

            return report_schema()
