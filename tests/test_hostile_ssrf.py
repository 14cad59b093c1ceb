"""No address that is not public is dialled, whoever names it and however it is spelled."""

from __future__ import annotations

import errno
import socket

import pytest

from preflight.deliver import backend, http
from tests.hostile import scenarios, ssrf
from tests.hostile.internet import heard


@pytest.fixture(scope="module")
def faults() -> dict[str, str]:
    """All cases, checked side by side: what went wrong, by name."""
    return ssrf.faults()


@pytest.mark.parametrize("case", ssrf.CASES, ids=lambda case: case.name)
def test_vectors(case: ssrf.Case, faults: dict[str, str]) -> None:
    """Every form of every URL and IP row is judged as expected, and dials what it may and nothing else."""
    assert faults.get(case.name) is None


def test_nothing_reaches_the_canary(faults: dict[str, str]) -> None:
    """Not one connection."""
    assert "canary" not in faults


def test_names_of_cases_tell_them_apart() -> None:
    """Faults are kept by name: two cases of one name would hide one another."""
    assert len({case.name for case in ssrf.CASES}) == len(ssrf.CASES)


@pytest.mark.parametrize("row", scenarios.ROWS)
def test_scenarios(row: str) -> None:
    """Every scenario row of the table plays as expected."""
    assert scenarios.wrong(row) is None


def test_the_whole_table_is_played() -> None:
    """No row is left out: a new one has to be played here or in the namespaces."""
    assert set(scenarios.SCENARIOS) == set(scenarios.ROWS)
    kinds = {row["vector"]: row["kind"] for row in ssrf.VECTORS}
    assert all(kinds[row] == "scenario" for row in scenarios.ELSEWHERE)
    assert set(kinds.values()) == {"url", "ip", "scenario"}


# ------------------------------------------------------------------- the proof that these tests can fail


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address is judged."""
    monkeypatch.setattr(backend, "address_fault", lambda *_, **__: None)
    monkeypatch.setattr(backend, "is_own_address", lambda _: False)


@pytest.mark.usefixtures("unguarded")
def test_without_the_guard() -> None:
    """Cut out the address guard, and the canary hears; every address that was denied is dialled."""
    found = ssrf.faults()
    assert "canary" in found
    addressed = {case.name for case in ssrf.CASES if case.cause == "not-public"}
    assert found.keys() - {"canary"} == addressed


def test_without_the_url_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut out the rule of a URL's form, and malformed ones reach name servers and hosts."""
    monkeypatch.setattr(http, "url_fault", lambda _: None)
    assert len([name for name, fault in ssrf.faults().items() if "dialled" in fault or "looked up" in fault]) > 10


@pytest.mark.parametrize("row", ["dns: name -> 1st lookup 8.8.8.8, 2nd 169.254.169.254", "dns: name -> [8.8.8.8, ::1]"])
@pytest.mark.usefixtures("unguarded")
def test_scenarios_without_the_guard(row: str) -> None:
    """The scenarios notice it too."""
    assert "dialled" in (scenarios.wrong(row) or "")


def test_the_ear_hears_and_stops() -> None:
    """A connection that leaves loopback is told and ends before its first packet; one on loopback is told."""
    with ssrf.Canary() as canary, heard() as dials:
        with pytest.raises(OSError, match="unreachable") as refused:
            socket.create_connection(("192.0.2.1", 80), timeout=1)
        socket.create_connection(("127.0.0.1", canary.port)).close()
        assert canary.hits == 1
    assert refused.value.errno == errno.ENETUNREACH
    assert dials == [("192.0.2.1", 80), ("127.0.0.1", canary.port)]
