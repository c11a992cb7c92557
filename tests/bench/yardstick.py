"""python-hl7's own server as a process: it parses and answers each message and stores nothing."""

import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]


class Yardstick:
    """Serves while the block runs; idle between turns, it costs nothing."""

    def __enter__(self) -> Self:
        words = [sys.executable, "-m", "tests.bench.python_hl7_server"]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self._process.stdout is not None
        self.address = "127.0.0.1", int(self._process.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # its executor waits for standard input
        self._process.communicate()
