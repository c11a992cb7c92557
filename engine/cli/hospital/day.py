"""A day of the hospital: which system says what, in which order."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import count
from random import Random
from typing import NamedTuple

from engine.cli.hospital import systems
from engine.cli.hospital.people import Patient, Story, patients

FEEDS = ("adt", "lab", "pharmacy", "documents", "ris")  # listeners of the shipped config.yaml
_COHORT = 3  # patients whose messages come at the same time


class Said(NamedTuple):
    """A message on its way from a system to its listener; `accession` is "" but for imaging orders."""

    feed: str
    body: bytes
    accession: str = ""
    exam: str = ""
    question: str = ""

    def __repr__(self) -> str:
        return f"Said({self.feed}, {len(self.body)} bytes)"


def day(seed: int, now: Callable[[], datetime], run: str) -> Iterator[Said]:
    """Messages without end: what is known about a patient first, in any order, and then the imaging order.

    Args:
        seed: the same seed gives the same people and the same order of messages.
        now: the time of a message.
        run: goes into control ids and accessions, so that two days do not repeat them.
    """
    random = Random(seed)  # noqa: S311 - people of a demonstration, no secrets
    numbers = count(1)
    people = patients(random)
    while True:
        stories = [list(_told(*next(people), random, numbers, run)) for _ in range(_COHORT)]
        while any(stories):
            waiting = random.choice([story for story in stories if story])
            yield waiting.pop(0)(now())


def _told(
    patient: Patient, story: Story, random: Random, numbers: Iterator[int], run: str
) -> Iterator[Callable[[datetime], Said]]:
    """One patient's messages, each made when its time has come."""

    def control_id() -> str:
        return f"{run}{next(numbers):06}"

    admitted = random.choice(("A01", "A04"))
    yield lambda now: Said("adt", systems.admission(patient, story, admitted, control_id(), now))
    told: list[tuple[str, Callable[[str, datetime], bytes]]] = [
        *(("lab", partial(systems.laboratory, patient, lab, random.randrange(3))) for lab in story.labs),
        *(("pharmacy", partial(systems.pharmacy, patient, drug)) for drug in story.drugs),
        *([("documents", partial(systems.report, patient, story.report))] if story.report else []),
        ("lab", partial(systems.vitals, patient)),
        ("adt", partial(systems.admission, patient, story, "A08")),
    ]
    random.shuffle(told)
    for feed, write in told:
        yield partial(_said, feed, write, control_id)
    yield partial(_ordered, patient, story, lambda: f"{run[-4:]}{next(numbers):05}", control_id)


def _ordered(
    patient: Patient, story: Story, accession: Callable[[], str], control_id: Callable[[], str], now: datetime
) -> Said:
    number = accession()
    body = systems.imaging_order(patient, story, number, control_id(), now)
    return Said("ris", body, number, story.exam[1], story.question)


def _said(feed: str, write: Callable[[str, datetime], bytes], control_id: Callable[[], str], now: datetime) -> Said:
    return Said(feed, write(control_id(), now))
