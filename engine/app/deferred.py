"""The worker's child for long work and foreign parsers: `python -m engine.app.deferred`, one job at a time (D15).

It reads a job as one JSON line on stdin and writes its result as one on stdout. Its memory is limited by the system, its
time by the worker, which kills it; a message that brings it down costs a note, never a feed. It ends with its stdin.
"""

import argparse
import base64
import json
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

MEMORY = 512 * 1024 * 1024  # bytes of address space


def main(arguments: Sequence[str] | None = None) -> int:
    """Work until stdin ends."""
    parser = argparse.ArgumentParser(prog="engine.app.deferred")
    parser.add_argument("--memory", type=int, default=MEMORY, help="bytes of address space")
    options = parser.parse_args(arguments)
    resource.setrlimit(resource.RLIMIT_AS, (options.memory, options.memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin.buffer, sys.stdout.buffer)
    return 0


def serve(jobs: IO[bytes], results: IO[bytes]) -> None:
    """Answer each job with `{"text": ...}`, or `{"error": ...}` with the type of what was raised."""
    for line in jobs:
        results.write(json.dumps(_result(json.loads(line))).encode("ascii") + b"\n")
        results.flush()


def _result(job: Mapping[str, Any]) -> dict[str, str]:
    work = _JOBS.get(job["job"])
    if work is None:
        return {"error": "there is no such job"}
    try:
        return {"text": work(base64.b64decode(job["body"]), job["charset"], job["options"])}
    except Exception as error:  # noqa: BLE001 - a foreign parser may raise anything, and its text may quote the message
        return {"error": type(error).__name__}


def _validate(body: bytes, charset: str, _options: Mapping[str, Any]) -> str:
    """What the message's structure lacks against its version, one finding a line; "" where it conforms."""
    from engine.hl7.conformance import structure_findings  # noqa: PLC0415 - hl7apy, loaded for the first job
    from engine.hl7.message import Message  # noqa: PLC0415 - as above

    return "\n".join(str(finding) for finding in structure_findings(Message.parse(body, charset)))


_JOBS: Mapping[str, Callable[[bytes, str, Mapping[str, Any]], str]] = {"validate": _validate}


if __name__ == "__main__":
    sys.exit(main())
