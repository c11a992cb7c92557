"""A storm: kill -9 of the engine's processes, one after the other, while eight connections send and a PACS receives."""

import os
import random
import signal
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Event

from engine_process import Engine, alive, wait_for
from evidence import Evidence
from sink import Sink, accept
from witness import PATIENTS, Witnesses

from engine.channel.ports import Kind

NETWORK, WORKER, SUPERVISOR = "network", "worker", "supervisor"
VICTIMS: Mapping[str, tuple[str, ...]] = {
    NETWORK: (NETWORK,),
    WORKER: (WORKER,),
    SUPERVISOR: (SUPERVISOR,),
    "all": (SUPERVISOR, NETWORK, WORKER),  # in this order: it must not start again what is killed next
}
MOST = 400  # acknowledgements between two kills
AT_ONCE = 0.2  # the share of kills that come without any, while what died before is still starting
ANSWER = 0.003  # seconds the PACS takes, so that a kill finds a message on its way to it
DRAINED = 120.0  # seconds that the rest may take; a bound, not an expectation
EVERYTHING = 10**9


def drawn(seed: int, rounds: int) -> list[str]:
    """The victims of the rounds: each kind as often as the others, in a random order."""
    victims = [victim for _ in range(rounds) for victim in VICTIMS][:rounds]
    random.Random(seed).shuffle(victims)
    return victims


def storm(
    folder: Path,
    seed: int,
    victims: Sequence[str],
    *,
    at_once: float = AT_ONCE,
    environment: Mapping[str, str] | None = None,
) -> Evidence:
    """Run an engine in the folder, kill one victim after the other, wait until all has drained, and gather what is left."""
    draw = random.Random(seed)
    with Sink(_accept) as sink, Engine(folder, pacs=sink.port, environment=environment) as engine:
        witnesses = Witnesses(engine.ports)
        with witnesses.sending():
            for victim in victims:
                _acknowledged(witnesses, 0 if draw.random() < at_once else draw.randint(1, MOST))
                kill(engine, VICTIMS[victim])
            _acknowledged(witnesses, MOST)
        with engine.journal() as journal, engine.store() as store:
            wait_for(lambda: _drained(journal, store), "everything is processed and delivered", DRAINED)
        assert engine.stop() == 0
        kills = sum(victim != WORKER for victim in victims)
        return _gathered(engine, witnesses, sink, kills)


def kill(engine: Engine, victims: Iterable[str]) -> None:
    """Kill processes and see them die; see new ones come: the supervisor's work, ours where it is among the killed."""
    before = wait_for(partial(_running, engine), "all processes run")
    dying = {name: before[name] for name in victims}
    assert all(alive(pid) for pid in dying.values())
    for pid in dying.values():
        os.kill(pid, signal.SIGKILL)
    if SUPERVISOR in dying:
        engine.kill()
        engine.start(wait=False)
    wait_for(lambda: not any(alive(pid) for pid in dying.values()), f"{', '.join(dying)} die")
    after = wait_for(lambda: _running(engine, without=dying.values()), f"{', '.join(dying)} are started again")
    assert all(before[name] != after[name] for name in dying)


def _running(engine: Engine, without: Iterable[int] = ()) -> dict[str, int]:
    """Process ids by name when all run, and none of them is one of these; else nothing."""
    engine.is_ready()  # raises when the supervisor has ended
    pids = engine.pids()
    whole = set(pids) == {NETWORK, WORKER, SUPERVISOR} and not set(without) & set(pids.values())
    return pids if whole else {}


def _accept(message: bytes) -> bytes:
    Event().wait(ANSWER)
    return accept(message)


def _acknowledged(witnesses: Witnesses, more: int) -> None:
    wanted = witnesses.acked + more
    wait_for(lambda: witnesses.acked >= wanted, f"{more} more messages are acknowledged")


def _drained(journal, store) -> bool:
    processed = [cursor.position for cursor in store.cursors() if cursor.name == "live"]
    decided = {(lane.destination, lane.lane): lane.done for lane in journal.lanes()}
    return processed == list(journal.tails().values()) and decided == store.outbox_tails()


def _gathered(engine: Engine, witnesses: Witnesses, sink: Sink, kills: int) -> Evidence:
    with engine.journal() as journal, engine.store() as store:
        entries = [one for one in journal.read(0, 0, EVERYTHING, EVERYTHING) if one.kind is not Kind.OPERATOR]
        facts = store.facts([f"HOSP|MR|{number:04}" for number in range(PATIENTS)])
        return Evidence(
            sent=[witness.sent for witness in witnesses.each],
            acked=[witness.acked for witness in witnesses.each],
            refused=[said for witness in witnesses.each for said in witness.refused],
            entries=entries,
            outcomes=store.outcomes([entry.position for entry in entries]),
            facts=[fact for found in facts.values() for fact in found],
            queued=store.outbox("pacs", 0, 0, EVERYTHING),
            attempts=[attempt for _, attempt in journal.attempts_after(0, EVERYTHING)],
            received=list(sink.received),
            counts=store.counts(),
            resent=sum(witness.resent for witness in witnesses.each),
            known=engine.logs().count('"event":"DuplicateReceived"'),
            kills=kills,
        )
