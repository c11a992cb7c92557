"""A fuzzer that finds something, dies early or does too little is told, and makes `make torture` fail."""

import sys
from pathlib import Path

import pytest

from tests.torture import __main__ as torture

DONE = "print('stat::number_of_executed_units: 500\\nstat::slowest_unit_time_sec: 2')"


@pytest.mark.parametrize(
    ("program", "trouble"),
    [
        (DONE, ""),
        ("print('stat::number_of_executed_units: 499')", "ENDED with status 0 after 499 of 500 inputs"),
        (f"{DONE}; raise SystemExit(77)", "ENDED with status 77 after 500 of 500 inputs"),
        (f"{DONE}; print('Test unit written to /x/crash-1'); raise SystemExit(77)", "FAILED"),
    ],
)
def test_what_a_fuzzer_says_is_read(program: str, trouble: str, tmp_path: Path) -> None:
    """From its own words and its status; what it said is kept."""
    report = torture.fuzzed("framer", 500, 1, tmp_path / "framer", (sys.executable, "-c", program))
    assert report.trouble.startswith(trouble)
    assert bool(report.trouble) == bool(trouble)
    assert "stat::" in (tmp_path / "framer" / "log.txt").read_text()
    assert report.line().endswith(report.trouble or "nothing found")


@pytest.mark.parametrize(("trouble", "status"), [("", 0), ("FAILED", 1)])
def test_one_finding_makes_it_fail(trouble: str, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the others found; inputs are divided among the targets and rounded up."""

    def fuzzed(name: str, runs: int, *_: object) -> torture.Report:
        return torture.Report(name, runs, runs, 1.0, 0, trouble if name == "escaper" else "")

    monkeypatch.setattr(torture, "fuzzed", fuzzed)
    asked = ["--executions", "1e3", "--folder", str(tmp_path)]
    assert torture.main(asked) == status
    assert torture.main([*asked, "--target", "framer"]) == 0
