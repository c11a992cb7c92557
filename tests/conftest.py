"""Rules for the whole suite: under REQUIRE_ALL=1 a skip fails, unless it names what a machine may rightly lack."""

import os

import pytest
from hypothesis import HealthCheck, settings

from tests.corpus_files import ARCHIVE, REASON, CorpusFile, corpus_files

# timings belong in benchmarks: a busy machine must not fail a property
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

ALLOWED_SKIPS = ("needs ../shared", "needs root", "needs the kernel")


class _Skips:
    """Collects skips whose reason is not one of the allowed ones."""

    def __init__(self) -> None:
        self.unnamed: list[str] = []

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2].removeprefix("Skipped: ")
            if not reason.startswith(ALLOWED_SKIPS):
                self.unnamed.append(f"{report.nodeid}: {reason}")

    pytest_runtest_logreport = note
    pytest_collectreport = note

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unnamed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.unnamed:
            terminalreporter.write_line(f"REQUIRE_ALL: skipped without a named reason: {line}", red=True)


def pytest_configure(config: pytest.Config) -> None:
    if os.environ.get("REQUIRE_ALL") == "1" and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Skips(), "require-all")


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is counted in child processes: of those that are killed nothing is left, and figures would be others."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def corpus() -> tuple[CorpusFile, ...]:
    """The 1,969 public messages: (name, raw, row of the index); skipped where the archive is not there."""
    if not ARCHIVE.exists():
        pytest.skip(REASON)
    return corpus_files()
