"""Deferred jobs on their way to the child and back: one at a time, with a time limit, results as entries (D12b, D15)."""

import base64
import json
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from engine.app.control import call
from engine.app.events import DeferredDone, DeferredFailed, Event
from engine.channel.operator_acts import note_body
from engine.channel.ports import Deferred
from engine.errors import BackstoryError, Rejected

TIME = 20.0  # seconds for one job, the start of the child included
IDLE = 30.0  # seconds after which a child without work is sent home, with its memory
TRIES = 3
COMMAND = (sys.executable, "-m", "engine.app.deferred")
CONFORMS = "conforms to its version"


class Result(NamedTuple):
    """What became of a job: done for good, or to be tried again."""

    job: Deferred
    done: bool

    def __repr__(self) -> str:
        return f"Result({self.job.id}, done={self.done})"


class Jobs:
    """A thread that works through jobs; the worker hands them in and takes results out between its batches.

    Args:
        network: the control socket of the network process, which appends results.
        installation: makes the command ids, so that a result that was appended before a crash is not appended again.
        emit: takes events, from this thread.
        wake: called after each result.
        command: the child; tests give another.
    """

    def __init__(
        self,
        network: Path,
        installation: str,
        emit: Callable[[Event], None],
        wake: Callable[[], None],
        *,
        command: Sequence[str] = COMMAND,
        limit: float = TIME,
    ) -> None:
        self.results: SimpleQueue[Result] = SimpleQueue()
        self._network = network
        self._installation = installation
        self._emit = emit
        self._wake = wake
        self._command = list(command)
        self._limit = limit
        self._queue: SimpleQueue[Deferred | None] = SimpleQueue()
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._thread = Thread(target=self._run, name="deferred", daemon=True)
        self.put = self._queue.put  # hand in a job; never blocks

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Give up what is under way: it is in the store, and done after the next start."""
        self._stopping = True
        self._queue.put(None)
        child = self._child
        if child is not None:
            child.kill()  # its pipes are closed by the thread that reads them
        self._thread.join(5)

    def _run(self) -> None:
        while True:
            try:
                job = self._queue.get(timeout=IDLE if self._child else None)
            except Empty:
                self._kill()
                continue
            if job is None or self._stopping:
                self._kill()
                return
            self.results.put(self._work(job))
            self._wake()

    def _work(self, job: Deferred) -> Result:
        try:
            text = self._ask(job)
        except BackstoryError as error:
            return self._failed(job, str(error))
        try:
            self._append(job, text or CONFORMS)
        except BackstoryError as error:
            # the network process is away: the result is made again later
            return self._failed(job, str(error))
        self._emit(DeferredDone(job.entry, job.job, "findings" if text else "conforms"))
        return Result(job, done=True)

    def _failed(self, job: Deferred, why: str) -> Result:
        if self._stopping:
            return Result(job, done=False)  # we ended it ourselves: no try of the message
        if job.tries + 1 < TRIES:
            return Result(job._replace(tries=job.tries + 1), done=False)
        self._emit(DeferredFailed(job.entry, job.job, why))
        return Result(job, done=True)

    def _append(self, job: Deferred, text: str) -> None:
        """The result as an operator's entry; the same job again is the same command."""
        words = f"{self._installation}\0{job.job}\0{job.entry}\0{job.channel}"
        body = note_body(job.entry, job.channel, 1, job.job, text)
        args = {"body": base64.b64encode(body).decode("ascii")}
        call(
            self._network, "append", args, command_id=sha256(words.encode()).hexdigest()[:32], who="worker", timeout=30
        )

    def _ask(self, job: Deferred) -> str:
        """The child's answer; raises Rejected when there is none."""
        child = self._child = self._child or self._start()
        words = {
            "job": job.job,
            "body": base64.b64encode(job.body).decode("ascii"),
            "charset": job.charset,
            "options": json.loads(job.options),
        }
        try:
            assert child.stdin is not None  # noqa: S101 - PIPE was asked for
            child.stdin.write(json.dumps(words).encode("ascii") + b"\n")
            child.stdin.flush()
            answer = self._answer(child)
        except OSError:
            answer = b""
        if not answer.endswith(b"\n"):
            self._kill()
            raise Rejected("it took too long, or more memory than it may have")
        result = json.loads(answer)
        if "error" in result:
            raise Rejected(str(result["error"]))
        return str(result["text"])

    def _answer(self, child: subprocess.Popen[bytes]) -> bytes:
        assert child.stdout is not None  # noqa: S101 - PIPE was asked for
        ready, _, _ = select.select([child.stdout], [], [], self._limit)
        # one line, written at once: what follows its first byte is not long in coming
        return child.stdout.readline() if ready else b""

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - our own module
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        for end in (child.stdin, child.stdout):
            if end is not None:
                with suppress(OSError):
                    end.close()
        child.wait()
