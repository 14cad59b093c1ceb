"""Know what the provider will say, and what it will bill, before a Kling motion-control request is submitted.

    report = preflight.check(payload)            # sync; also inside a running loop
    report = await preflight.acheck(payload)     # async
    with preflight.Preflight() as pf: ...        # many checks: keeps connections warm
    facts = preflight.probe("https://…/clip.mp4")
    httpx.Client(transport=preflight.guard.httpx())      # nothing is submitted that did not pass

Only the names below are promised. They load on first use, so that `import preflight` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from preflight import guard
    from preflight.api import AsyncPreflight, Preflight, acheck, aprobe, check, probe
    from preflight.errors import (
        GuardCannotRead,
        PreflightError,
        PreflightFailed,
        ProfileInvalid,
        RequestUnreadable,
        UsageError,
    )
    from preflight.findings import ExitCode, Severity, Verdict
    from preflight.profiles import Profile, load_profile
    from preflight.report import Estimate, Finding, MediaReport, NotEvaluated, Report
    from preflight.request import GenerationRequest

__version__ = "0.1.0"

_HOMES = {
    "preflight.api": ("AsyncPreflight", "Preflight", "acheck", "aprobe", "check", "probe"),
    "preflight.errors": (
        "GuardCannotRead",
        "PreflightError",
        "PreflightFailed",
        "ProfileInvalid",
        "RequestUnreadable",
        "UsageError",
    ),
    "preflight.findings": ("ExitCode", "Severity", "Verdict"),
    "preflight.profiles": ("Profile", "load_profile"),
    "preflight.report": ("Estimate", "Finding", "MediaReport", "NotEvaluated", "Report"),
    "preflight.request": ("GenerationRequest",),
}
#: What is promised as a whole.
_MODULES = {"guard": "preflight.guard"}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names} | _MODULES

__all__ = [
    "AsyncPreflight",
    "Estimate",
    "ExitCode",
    "Finding",
    "GenerationRequest",
    "GuardCannotRead",
    "MediaReport",
    "NotEvaluated",
    "Preflight",
    "PreflightError",
    "PreflightFailed",
    "Profile",
    "ProfileInvalid",
    "Report",
    "RequestUnreadable",
    "Severity",
    "UsageError",
    "Verdict",
    "__version__",
    "acheck",
    "aprobe",
    "check",
    "guard",
    "load_profile",
    "probe",
]


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'preflight' has no attribute {name!r}")
    # `check` names a function here and a module of the pipeline: what is promised is the function.
    home = import_module(_HOME_OF[name])
    value = globals()[name] = home if name in _MODULES else getattr(home, name)
    return value


def __dir__() -> list[str]:
    return list(__all__)
