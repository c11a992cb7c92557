"""`backstory demo`: a simulated hospital, an engine and a stand-in PACS, to watch."""

import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from threading import Event
from typing import Annotated

import typer

from engine.cli.demo_engine import DemoEngine
from engine.cli.demo_feeds import Feeds
from engine.cli.demo_site import make_site, shipped_site
from engine.cli.demo_view import Lines, Screen, View, counter_words
from engine.cli.demo_watch import Counters, OrderSeen, Watch
from engine.cli.hospital.day import FEEDS, day
from engine.cli.mllp_client import Address
from engine.cli.pacs import Behaviour, PacsStandIn
from engine.cli.site import Readers, load_config, open_readers, socket_of
from engine.errors import ConfigError, Retryable

_TICK = 0.25
_SETTLE = 15.0  # seconds that what is under way may take at the end


def demo(
    data: Annotated[Path, typer.Option(help="Folder for the site and the data; cleared at each start.")] = Path(
        "demo-data"
    ),
    seconds: Annotated[float, typer.Option(help="Stop by itself after so long; 0 goes on until Ctrl-C.", min=0)] = 0.0,
    rate: Annotated[float, typer.Option(help="Messages the hospital sends a second.", min=0.1, max=2000)] = 12.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same patients.")] = 1,
    source: Annotated[Path | None, typer.Option("--from", help="A site to copy, instead of the shipped one.")] = None,
) -> None:
    """Watch a simulated hospital, an engine and a stand-in PACS at work.

    ADT, results, medications, reports and imaging orders arrive over MLLP; the orders leave enriched. The patients never
    lived. Afterwards the data can be looked at with the other verbs.

    Examples:
      backstory demo
      backstory demo --seconds 60 --rate 100
    """
    _refuse_twice(data)
    site = make_site(source or shipped_site(), data)
    config = load_config(site)
    missing = [feed for feed in FEEDS if feed not in config.listeners]
    if missing or not config.destinations:
        raise ConfigError(f"the demonstration needs listeners {', '.join(FEEDS)} and a destination; {site} lacks some")
    listeners = {name: Address(config.listeners[name].host, config.listeners[name].port) for name in FEEDS}
    destination = next(iter(config.destinations.values()))
    watch = Watch()
    pacs = PacsStandIn(destination.host, destination.port, Behaviour(), watch.arrived)
    engine = DemoEngine(site)
    said = day(seed, lambda: datetime.now(UTC), f"{int(time.time()) % 100_000:05}")
    feeds = Feeds(listeners, said, rate, watch.ordered)
    pacs.start()
    try:
        typer.echo(f"starting an engine with its data in {data}")
        engine.start()
        counters, elapsed = _run(site, engine, feeds, watch, seconds)
    finally:
        feeds.stop()
        status = engine.stop()
        pacs.close()
    typer.echo(_summary(counters, feeds.refused(), elapsed, status))
    typer.echo("\n" + "\n".join(next_steps(data, watch.example(), _command())))


def _refuse_twice(data: Path) -> None:
    """A demonstration whose engine still runs must not lose its files under it."""
    if not (data / "config.yaml").is_file():
        return
    from engine.app.control import call  # noqa: PLC0415 - only where there may be one

    try:
        call(socket_of(data, "supervisor"), "status", timeout=2)
    except Retryable:
        return
    raise ConfigError(f"an engine runs in {data}; stop it first, or name another folder with --data")


def _run(site: Path, engine: DemoEngine, feeds: Feeds, watch: Watch, seconds: float) -> tuple[Counters, float]:
    """Feed and watch until time is up or Ctrl-C, then until everything under way has arrived."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    started = time.monotonic()
    view: View = Screen(str(site)) if sys.stdout.isatty() else Lines()
    counters = Counters({})
    with open_readers(site) as readers:
        view.start()
        try:
            feeds.start()
            while not stop.wait(_TICK) and not (seconds and time.monotonic() - started >= seconds):
                engine.check()
                if feeds.failure is not None:
                    raise feeds.failure
                counters = watch.look(readers, feeds.sent(), counters)
                view.show(counters, watch.news(), time.monotonic() - started)
            elapsed = time.monotonic() - started
            feeds.stop()
            return _settle(readers, feeds, watch, view, started), elapsed
        finally:
            view.stop()


def _settle(readers: Readers, feeds: Feeds, watch: Watch, view: View, started: float) -> Counters:
    """Wait until what was taken is processed and delivered, as long as that may take."""
    deadline = time.monotonic() + _SETTLE
    counters = watch.look(readers, feeds.sent(), Counters({}))
    while not counters.settled and time.monotonic() < deadline:
        time.sleep(_TICK / 5)
        counters = watch.look(readers, feeds.sent(), counters)
    view.show(counters, watch.news(), time.monotonic() - started)
    return counters


def _summary(counters: Counters, refused: dict[str, int], elapsed: float, status: int) -> str:
    lines = [f"after {elapsed:.0f} s: {counter_words(counters)}"]
    if refused:
        lines.append("refused: " + ", ".join(f"{count} {answer}" for answer, count in refused.items()))
    lines.append("the engine stopped" if status == 0 else f"the engine stopped with exit status {status}")
    return "\n".join(lines)


def next_steps(data: Path, order: OrderSeen | None, command: str) -> list[str]:
    """What to try with the data that the demonstration leaves; `order` is an enriched one."""
    steps = [
        f"{command} messages --site {data} --channel orders_to_pacs",
        f"{command} logs orders_to_pacs --site {data}",
        f"{command} status --site {data}",
    ]
    if order is not None:
        steps[1:1] = [
            f"{command} messages --site {data} --accession {order.accession}",
            f"{command} explain --site {data} --order {order.accession}",
        ]
    return [
        f"everything is kept in {data}; look at it with",
        *(f"  {step}" for step in steps),
        f"or go on by hand: {command} run --site {data}",
    ]


def _command() -> str:
    """How the person can call us again: by name where the shell finds it, else by the path that was used."""
    return "backstory" if which("backstory") else os.path.relpath(sys.argv[0])
