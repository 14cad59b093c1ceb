"""The result of a check: one object (`wire`), and how it is made from what the pipeline found (`build`)."""

from preflight.report.build import build_report, media_report
from preflight.report.wire import Estimate, Finding, MediaReport, NotEvaluated, Report, media_schema, report_schema

__all__ = [
    "Estimate",
    "Finding",
    "MediaReport",
    "NotEvaluated",
    "Report",
    "build_report",
    "media_report",
    "media_schema",
    "report_schema",
]
