"""The network process: `python -m engine.app.network --site DIR --parent-fd N`, a child of the supervisor.

It opens journal.db for writing, then the ports; says `ready {"listeners": {name: port}}` on the line to its parent and
`beat` every second while it makes progress; and ends when that line closes (D18).
"""

import argparse
import gc
import sys
import time
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from os import getpid
from pathlib import Path
from typing import Any

from twisted.internet.error import CannotListenError
from twisted.internet.task import LoopingCall
from twisted.logger import globalLogBeginner

from engine.app.clock import Drift, SystemClock
from engine.app.control import ControlServer
from engine.app.descriptors import with_descriptors
from engine.app.events import ClockJumped, FewDescriptors, ProcessStarted, ProcessStopping, surprise
from engine.app.exchange import Exchange, Files
from engine.app.log_files import Logs
from engine.app.network_commands import NetworkCommands
from engine.app.network_plan import NetworkPlan
from engine.app.network_site import plan_apart
from engine.app.parent import ParentPipe
from engine.app.plain_reactor import epoll_reactor
from engine.errors import BackstoryError

BEAT = 1.0  # seconds between beats
# seconds after which a busy thread lets another run: reactor and journal hand over to each other all the time
SWITCH = 0.0005
NAME = "network"
GARBAGE = 20_000  # objects made before the youngest are looked through: a batch makes many and keeps few


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until the parent is gone, a signal comes, or a file breaks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="engine.app.network")
    parser.add_argument("--site", type=Path, required=True, help="folder with config.yaml and channels/")
    parser.add_argument("--parent-fd", type=int, required=True, help="this end of the line to the supervisor")
    options = parser.parse_args(arguments)
    try:
        return run(plan_apart(options.site), options.parent_fd)
    except BackstoryError as error:
        return _failed(str(error))


def run(plan: NetworkPlan, parent_fd: int) -> int:
    """Build the process, run its reactor, and take it down in order."""
    plan.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    reactor = _reactor()
    clock = SystemClock()
    logs = Logs(plan.data / "logs", NAME, clock)
    observer: Any = partial(_observe, logs=logs)
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False, discardBuffer=True)
    sys.setswitchinterval(SWITCH)
    plan, too_few = with_descriptors(plan)
    if too_few:
        logs.emit(FewDescriptors(too_few))
        print(f"backstory network: {too_few}", file=sys.stderr)  # noqa: T201 - whoever starts it must see it
    exchange = Exchange(plan, reactor, logs.emit, Files(), clock)
    control = ControlServer(plan.data / "run" / f"{NAME}.sock", NetworkCommands(exchange, logs.emit, clock.wall))
    try:
        listeners = exchange.open(logs.flush)
        logs.emit(ProcessStarted(NAME, getpid(), version("backstory")))
        parent = ParentPipe(parent_fd, reactor.stop, reactor)
        parent.startReading()  # type: ignore[no-untyped-call] # Twisted leaves it untyped
        _beat(reactor, exchange, parent, logs, Drift(clock))
        reactor.addSystemEventTrigger("before", "shutdown", exchange.drain)
        control.start()
        reactor.callWhenRunning(parent.line, "ready", {"listeners": dict(listeners)})
        gc.collect()
        gc.freeze()  # what the start made lives as long as the process
        gc.set_threshold(GARBAGE, 20, 20)
        reactor.run()
        logs.emit(ProcessStopping(NAME, exchange.failure or "asked to stop"))
    except CannotListenError as error:
        exchange.failure = f"cannot listen on {error.interface}:{error.port}: {error.socketError}"
    except BackstoryError as error:
        exchange.failure = str(error)
    finally:
        control.close()
        exchange.finish()
        logs.close()
    return _failed(exchange.failure) if exchange.failure else 0


def _reactor() -> Any:
    """Twisted's epoll reactor, on the monotonic clock: no timer fires early or late when somebody sets the time (D19)."""
    chosen = epoll_reactor()
    chosen.seconds = time.monotonic
    return chosen


def _beat(reactor: Any, exchange: Exchange, parent: ParentPipe, logs: Logs, drift: Drift) -> None:
    def beat() -> None:
        if exchange.progressing():
            parent.line("beat")
        jump = drift.jumped()
        if jump:
            logs.emit(ClockJumped(jump / 1_000_000))

    beating = LoopingCall(beat)
    beating.clock = reactor
    beating.start(BEAT)


def _observe(event: dict[str, Any], logs: Logs) -> None:
    """What Twisted would log: failures only, by their type and place."""
    failure = event.get("log_failure")
    if failure is not None:
        logs.emit(surprise(failure.value))


def _failed(line: str) -> int:
    print(f"backstory network: {line}", file=sys.stderr)  # noqa: T201 - the one line a person reads
    return 1


if __name__ == "__main__":
    sys.exit(main())
