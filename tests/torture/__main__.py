"""`make torture`: the long forms of what `make test` tries in short.

So far: each of the targets under a fuzzer, ten million inputs together, about a quarter of an hour on two cores. What fails
is kept, named, and can be tried again with the command that is printed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.site_copy import ROOT
from tests.torture.targets import TARGETS

EXECUTIONS = 10_000_000
_UNITS = re.compile(r"stat::number_of_executed_units: (\d+)")
_SLOWEST = re.compile(r"stat::slowest_unit_time_sec: (\d+)")
_FINDING = re.compile(r"Test unit written to (\S+)")


class Report(NamedTuple):
    """What became of a target."""

    target: str
    asked: int
    done: int
    seconds: float
    slowest: int  # seconds of the slowest input, whole ones
    trouble: str  # "" when nothing was found

    def line(self) -> str:
        words = f"{self.target:10} {self.done:>11,} inputs in {self.seconds:6.0f} s, the slowest {self.slowest} s: "
        return words + (self.trouble or "nothing found")


def fuzzed(target: str, runs: int, seed: int, folder: Path, command: Sequence[str]) -> Report:
    """Run a target to its end, with everything it says in folder/log.txt."""
    folder.mkdir(parents=True)
    began = time.monotonic()
    with (folder / "log.txt").open("wb") as log:
        status = subprocess.run(
            [*command, target, str(runs), str(seed), str(folder)], stdout=log, stderr=log, cwd=ROOT, check=False
        ).returncode
    said = (folder / "log.txt").read_text(errors="replace")
    done = sum(int(units) for units in _UNITS.findall(said))
    slowest = max((int(found) for found in _SLOWEST.findall(said)), default=0)
    return Report(target, runs, done, time.monotonic() - began, slowest, _trouble(said, status, (runs, done), folder))


def _trouble(said: str, status: int, counts: tuple[int, int], folder: Path) -> str:
    finding = _FINDING.search(said)
    if finding:
        return f"FAILED, see {folder / 'log.txt'}; the input is {finding[1]}"
    if status or counts[1] < counts[0]:
        return f"ENDED with status {status} after {counts[1]:,} of {counts[0]:,} inputs, see {folder / 'log.txt'}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Every target in turn, as many at once as there are cores; 1 when something was found."""
    parser = argparse.ArgumentParser(prog="make torture ARGS=...", description=__doc__)
    parser.add_argument("--executions", type=float, default=EXECUTIONS, help="inputs of all targets together (1e7)")
    parser.add_argument("--target", choices=TARGETS, action="append", help="only this one; may be given again")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="the same seed tries the same inputs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at once")
    parser.add_argument("--folder", type=Path, help="where findings are kept (a new one in the folder for such things)")
    options = parser.parse_args(arguments)
    names = options.target or list(TARGETS)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="backstory-torture-"))
    runs = -(-int(options.executions) // len(names))
    print(f"{len(names)} targets, {runs:,} inputs each, seed {options.seed}, findings in {folder}", flush=True)
    return _all(names, runs, options.seed, folder, options.jobs)


def _all(names: Sequence[str], runs: int, seed: int, folder: Path, jobs: int) -> int:
    command = (sys.executable, "-m", "tests.torture.fuzz")
    reports = []
    with ThreadPoolExecutor(jobs) as pool:
        for report in pool.map(lambda name: fuzzed(name, runs, seed, folder / name, command), names):
            print(report.line(), flush=True)
            reports.append(report)
    print(f"{sum(report.done for report in reports):,} inputs", flush=True)
    return 1 if any(report.trouble for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
