"""TST002: the files that channel tests name are there, and begin with an MSH."""

from collections.abc import Iterator
from difflib import get_close_matches

from engine.channel.expectations import Given
from engine.check.given import read_sample
from engine.check.linted import Finding, Linted, Location
from engine.errors import BackstoryError

CODE = "TST002"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each name of a file that cannot be read as a message."""
    folder = linted.site.folder / "channels"
    there = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.hl7"))
    for document, channel in linted.channels():
        for n, test in enumerate(channel.tests):
            for location, name in _named(test.given):
                problem = _problem(linted, name, there)
                if problem:
                    yield document.finding(("tests", n, "given", *location), CODE, problem)


def _named(given: Given) -> Iterator[tuple[Location, str]]:
    if given.message_file:
        yield ("message_file",), given.message_file
    yield from ((("before", n), name) for n, name in enumerate(given.before))


def _problem(linted: Linted, name: str, there: list[str]) -> str:
    try:
        read_sample(linted.site, name)
    except OSError as problem:
        close = get_close_matches(name, there, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        return f"{name!r} beside the channels cannot be read: {problem.strerror}{hint}"
    except BackstoryError as problem:
        return f"{name!r} is no message: {problem}"
    return ""
