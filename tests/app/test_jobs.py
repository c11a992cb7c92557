"""Deferred jobs: done in a child with limits, results as entries, given up after three tries (D15)."""

import base64
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any

import pytest

from engine.app import deferred
from engine.app.control import Command, ControlServer
from engine.app.events import DeferredDone, DeferredFailed
from engine.app.events import Event as LogEvent
from engine.app.installation import installation_id
from engine.app.jobs import CONFORMS, Jobs, Result
from engine.channel.ports import Deferred
from engine.errors import ConfigError, Retryable

ROOT = Path(__file__).parents[2]
BODY = (ROOT / "channels" / "samples" / "oru_egfr_24.hl7").read_bytes().replace(b"\n", b"\r")
JOB = Deferred(4, 17, "results", "validate", BODY, "utf-8", "{}")


def child(code: str) -> tuple[str, ...]:
    """A child that does this for each line it reads."""
    return sys.executable, "-c", f"import sys\nfor line in sys.stdin:\n    {code}\n    sys.stdout.flush()"


class Network:
    """The network process as jobs see it."""

    def __init__(self, path: Path) -> None:
        self.appended: list[Command] = []
        self.away = False
        self._server = ControlServer(path, self)
        self._server.start()

    def __call__(self, command: Command) -> Mapping[str, Any]:
        if self.away:
            raise Retryable("the journal cannot commit")
        self.appended.append(command)
        return {"position": 18, "duplicate": False}

    def close(self) -> None:
        self._server.close()

    def note(self, number: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(base64.b64decode(self.appended[number].args["body"]))
        return found


class Office:
    """Jobs with their network process and what they say."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "network.sock"
        self.network = Network(self.path)
        self.events: list[LogEvent] = []
        self.woken: SimpleQueue[None] = SimpleQueue()
        self.jobs: list[Jobs] = []

    def start(self, command: tuple[str, ...] | None = None, limit: float = 20.0) -> Jobs:
        extra: dict[str, Any] = {"command": command} if command else {}
        jobs = Jobs(self.path, "0" * 32, self.events.append, lambda: self.woken.put(None), limit=limit, **extra)
        jobs.start()
        self.jobs.append(jobs)
        return jobs

    def result(self, jobs: Jobs, job: Deferred = JOB) -> tuple[Deferred, bool]:
        jobs.put(job)
        self.woken.get(timeout=30)
        found = jobs.results.get(timeout=1)
        return found.job, found.done


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    for jobs in office.jobs:
        jobs.stop()
    office.network.close()


def test_a_message_is_validated_in_the_real_child(office: Office) -> None:
    """The note names the outcome and says that it conforms; the next job uses the same child."""
    jobs = office.start()
    assert office.result(jobs) == (JOB, True)
    note = office.network.note()
    assert (note["entry"], note["channel"], note["run"], note["kind"]) == (17, "results", 1, "validate")
    assert note["text"] == CONFORMS
    bad = JOB._replace(id=5, entry=18, body=BODY.replace(b"PID|", b"PIX|"))
    assert office.result(jobs, bad) == (bad, True)
    assert office.network.note(1)["text"] != CONFORMS
    assert "DOE" not in office.network.note(1)["text"]
    assert office.events == [DeferredDone(17, "validate", "conforms"), DeferredDone(18, "validate", "findings")]


def test_the_same_job_is_the_same_command(office: Office) -> None:
    """A crash between the result and its commit appends nothing twice: the id comes from the job alone."""
    jobs = office.start(child('print(\'{"text": ""}\')'))
    office.result(jobs)
    office.result(jobs)
    office.result(jobs, JOB._replace(entry=18))
    first, again, other = (command.id for command in office.network.appended)
    assert first == again != other


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import time; time.sleep(60)", "it took too long, or more memory than it may have"),
        ("sys.exit(1)", "it took too long, or more memory than it may have"),
        ('print(\'{"error": "MemoryError"}\')', "MemoryError"),
    ],
)
def test_what_brings_the_child_down_is_given_up_after_three_tries(office: Office, code: str, why: str) -> None:
    """Each try counts in the job itself, so that it survives a restart; then an event, and the job is gone."""
    jobs = office.start(child(code), limit=0.3)
    job, done = office.result(jobs)
    assert (job.tries, done) == (1, False)
    job, done = office.result(jobs, job)
    assert (job.tries, done) == (2, False)
    assert office.result(jobs, job)[1] is True
    assert office.events == [DeferredFailed(17, "validate", why)]
    assert office.network.appended == []


def test_a_network_process_that_is_away_is_no_failure_of_the_message(office: Office) -> None:
    """The job is tried again; nothing is told yet."""
    office.network.away = True
    jobs = office.start(child('print(\'{"text": ""}\')'))
    job, done = office.result(jobs)
    assert (job.tries, done) == (1, False)
    assert office.events == []


def test_stopping_does_not_wait_for_a_long_job(office: Office) -> None:
    """What is under way is in the store, and done after the next start."""
    jobs = office.start(child("import time; time.sleep(600)"), limit=600)
    jobs.put(JOB)
    jobs.stop()
    assert not jobs._thread.is_alive()
    assert office.events == []


def served(*jobs: dict[str, Any]) -> list[dict[str, str]]:
    results = io.BytesIO()
    deferred.serve(io.BytesIO(b"".join(json.dumps(job).encode() + b"\n" for job in jobs)), results)
    return [json.loads(line) for line in results.getvalue().splitlines()]


def test_the_child_answers_every_job() -> None:
    """A result, a type of exception, never its text."""
    words = {"job": "validate", "charset": "utf-8", "options": {}}
    good = {**words, "body": base64.b64encode(BODY).decode()}
    broken = {**words, "body": base64.b64encode(b"SECRET").decode()}
    assert served(good, broken, {**good, "job": "dance"}) == [
        {"text": ""},
        {"error": "Unreadable"},
        {"error": "there is no such job"},
    ]


def test_the_child_lives_under_limits_and_ends_with_its_work() -> None:
    """Its memory is bounded by the system, it leaves no core with a message in it, and its stdin is its life."""
    words = [sys.executable, "-m", "engine.app.deferred"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        job = {"job": "validate", "charset": "utf-8", "options": {}, "body": base64.b64encode(BODY).decode()}
        child.stdin.write(json.dumps(job).encode() + b"\n")
        child.stdin.flush()
        assert json.loads(child.stdout.readline()) == {"text": ""}
        limits = Path(f"/proc/{child.pid}/limits").read_text().splitlines()
        found = {line[:25].strip(): line[26:].split()[0] for line in limits}
        assert (found["Max address space"], found["Max core file size"]) == (str(deferred.MEMORY), "0")
        child.stdin.close()
        assert child.wait(30) == 0


def test_a_child_without_work_is_sent_home(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its memory; the next job gets a new one."""
    monkeypatch.setattr("engine.app.jobs.IDLE", 0.05)
    work = office.start(child('print(\'{"text": ""}\')'))
    assert office.result(work)[1] is True
    deadline = time.monotonic() + 30
    while work._child is not None and time.monotonic() < deadline:
        Event().wait(0.01)
    assert work._child is None
    assert office.result(work, JOB._replace(id=5))[1] is True


def test_a_result_shows_no_content() -> None:
    """Its job holds the message."""
    assert repr(Result(JOB, done=True)) == "Result(4, done=True)"


def test_an_installation_keeps_its_name(tmp_path: Path) -> None:
    """Made once, the same afterwards, another for another folder; a damaged one is not replaced in silence."""
    first = installation_id(tmp_path / "a")
    assert installation_id(tmp_path / "a") == first
    assert installation_id(tmp_path / "b") != first
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["installation"]
    (tmp_path / "a" / "installation").write_text("half")
    with pytest.raises(ConfigError, match="damaged"):
        installation_id(tmp_path / "a")
