"""What Linux says about processes and files: CPU time, proportional memory, sizes."""

import os
from collections.abc import Iterable
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, all its threads and its ended children, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[n]) for n in (11, 12, 13, 14)) / _TICK


def pss_megabytes(pid: int) -> float:
    """Proportional set size: shared pages counted by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no Pss line for process {pid}")


def rss_megabytes(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(f"no VmRSS line for process {pid}")


def file_bytes(folder: Path, name: str) -> int:
    """Size of a database file with its -wal, in bytes."""
    return sum(path.stat().st_size for path in (folder / name, folder / f"{name}-wal") if path.exists())


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` (0..1) of the values lie; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def children_of(pid: int) -> dict[str, int]:
    """Child processes by the last part of the module they run (`network`, `worker`)."""
    found: dict[str, int] = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        module = next((a for a in arguments if a.startswith(b"engine.app.")), b"?")
        found[module.rsplit(b".", 1)[-1].decode()] = int(child)
    return found
