"""Where the time goes: the CPU of a process while it is under load, sampled from outside by py-spy.

Printed where a goal is missed, or on `--profile`. The sampled run is not one of those that are measured.
"""

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

RATE = 250  # samples a second
MOST = 18  # rows of a table
_OURS = f"{os.sep}engine{os.sep}"


class Profile(NamedTuple):
    """Samples of one process: of the innermost function, and of every function of ours on the stack."""

    own: Counter[str]
    within: Counter[str]
    samples: int


@contextmanager
def sampled(pids: dict[str, int], folder: Path, seconds: float) -> Iterator[Callable[[], dict[str, Profile]]]:
    """Sample these processes for so long; the function given waits for the end and returns what was seen."""
    tool = shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if tool is None:
        raise RuntimeError("py-spy is not there; make bench installs it")
    running = {name: _start(tool, pid, folder / f"{name}.folded", seconds) for name, pid in pids.items()}

    def result() -> dict[str, Profile]:
        return {name: _read(process, folder / f"{name}.folded") for name, process in running.items()}

    try:
        yield result
    finally:
        for process in running.values():
            process.kill()
            process.wait()


def _start(tool: str, pid: int, file: Path, seconds: float) -> "subprocess.Popen[str]":
    words = (tool, "record", "-p", str(pid), "-r", str(RATE), "-d", str(round(seconds)), "-f", "raw", "-t")
    return subprocess.Popen(
        [*words, "--nonblocking", "-o", str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _read(process: "subprocess.Popen[str]", file: Path) -> Profile:
    said, _ = process.communicate()
    if not file.exists():
        raise RuntimeError(f"py-spy may not look at the engine: {said.strip().splitlines()[-1:]}")
    own: Counter[str] = Counter()
    within: Counter[str] = Counter()
    total = 0
    for line in file.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        places = [_place(frame) for frame in stack.split(";")[1:]]
        if not places:
            continue
        total += int(count)
        own[f"{places[-1]}  [{_thread(stack)}]"] += int(count)
        for place in set(places):
            within[place] += int(count)
    return Profile(own, within, total)


def _thread(stack: str) -> str:
    """The thread's name as py-spy gives it: `thread (0x7F..): name`, or a number."""
    return stack.split(";", 1)[0].rpartition(": ")[2][:16]


def _place(frame: str) -> str:
    """`function (folder/file.py:12)` without the line."""
    function, _, rest = frame.partition(" (")
    file = rest.partition(":")[0]
    return f"{function} ({'/'.join(file.split('/')[-2:])})"


def show(name: str, profile: Profile, console: Console) -> None:
    """Print what a process did with its time."""
    table = Table(f"{name}: on the CPU in", "own", "on the CPU in what it calls", "all")
    own = profile.own.most_common(MOST)
    within = profile.within.most_common(MOST)
    rows = zip(own, within, strict=False)
    for (place, count), (outer, total) in rows:
        table.add_row(place, _share(count, profile), outer, _share(total, profile))
    console.print(table)


def _share(count: int, profile: Profile) -> str:
    return f"{count * 100 / max(1, profile.samples):.1f} %"
