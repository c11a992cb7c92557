"""The bench itself works: a run on small files gives every figure. What it measures here means nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import site
from tests.bench.__main__ import PARTS, main
from tests.bench.goals import Figure, missed
from tests.bench.peers import CONNECTIONS


@pytest.mark.usefixtures("unmeasured")
def test_a_small_run_gives_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "CACHE", tmp_path)
    monkeypatch.setattr("tests.bench.__main__.CACHE", tmp_path)
    words = "--entries 2000 --patients 500 --seconds 0.2 --rounds 1 --waiting 200 --queued 40 --slow 50 --profile never"
    monkeypatch.setattr(
        sys,
        "argv",
        ["bench", *words.split(), "--only", *(part for part in PARTS if part != "fsyncs")],
    )
    assert main() == 0
    figures = {one["name"]: one for one in json.loads((tmp_path / "bench.json").read_text())["figures"]}
    wanted = (
        "start to first ACK",
        "entries processed/s",
        "delivered/s in one strict lane",
        "delivered/s over 4 lanes",
        *(
            f"{count}: {what}"
            for count in ("1 connection", "8 connections", "64 connections")
            for what in ("durable acked/s", "python-hl7 server/s", "ACK p50", "ACK p99")
        ),
        "journal.db bytes per message",
        "message of 200 KB answered, the slowest of 5",
        "batch of 970 KB answered, the slowest of 5",
        "RSS of network with 50 slow connections",
        "8 connections, TLS, no channel: durable acked/s",
        "64 connections: TLS, times plain",
    )
    assert figures["facts shown in 100 orders after the numbers were given away (D13b)"]["value"] == 0
    beside = [one for name, one in figures.items() if name.startswith("beside ")]
    assert [one["goal"] for one in beside if one["value"] > 0] == [50.0] * len(CONNECTIONS)
    assert [name for name in wanted if not figures[name]["value"] > 0] == []


def test_help_teaches() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--help"], capture_output=True, text=True, cwd=site.ROOT, check=True
    )
    assert "--entries" in done.stdout


def test_a_missed_goal_is_named() -> None:
    slow = Figure("acked/s", 100.0, goal=150.0)
    long = Figure("p99", 60.0, "ms", 50.0, more=False)
    assert (slow.met, missed(slow)) == (False, "50 %")
    assert (long.met, missed(long)) == (False, "20 %")
    assert Figure("acked/s", 150.0, goal=150.0).met
