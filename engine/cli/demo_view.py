"""The demonstration on a screen: a live view for a terminal, plain lines for everything else."""

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING

import typer

from engine.cli.console import printable
from engine.cli.demo_watch import Counters, OrderSeen

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text

EMPTY = "(empty)"
_LINES = 2.0  # seconds between two lines of counters
_SHOWN = 6  # orders on the screen; each takes three lines
_HEIGHT = 12  # lines of the screen that are no orders


class View(ABC):
    """Shows counters and orders as they come."""

    @abstractmethod
    def start(self) -> None:
        """Take the screen."""

    @abstractmethod
    def stop(self) -> None:
        """Leave the screen as it was."""

    @abstractmethod
    def show(self, counters: Counters, news: list[OrderSeen], seconds: float) -> None:
        """Show the state after so many seconds."""


class Lines(View):
    """Plain lines: each order in three, and the counters every two seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def start(self) -> None:
        """Nothing to take."""

    def stop(self) -> None:
        """Nothing to leave."""

    def show(self, counters: Counters, news: list[OrderSeen], seconds: float) -> None:
        for order in news:
            typer.echo("\n".join(order_lines(order)))
        if seconds >= self._next:
            self._next = seconds + _LINES
            typer.echo(f"{seconds:5.1f} s  {counter_words(counters)}")


class Screen(View):
    """A live view that stays in place."""

    def __init__(self, folder: str) -> None:
        from rich.live import Live  # noqa: PLC0415 - only where a person watches

        from engine.cli.console import console  # noqa: PLC0415

        self._folder = folder
        self._console = console()
        self._orders: deque[OrderSeen] = deque(maxlen=50)
        self._live: Live = Live(console=self._console, auto_refresh=False, transient=True)

    def start(self) -> None:
        self._live.start()

    def stop(self) -> None:
        self._live.stop()

    def show(self, counters: Counters, news: list[OrderSeen], seconds: float) -> None:
        self._orders.extend(news)
        self._live.update(self._page(counters, seconds), refresh=True)

    def _page(self, counters: Counters, seconds: float) -> "Group":
        from rich.console import Group  # noqa: PLC0415
        from rich.rule import Rule  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        room = max(min((self._console.height - _HEIGHT) // 3, _SHOWN), 1)
        parts: list[Text | Rule] = [
            Text(f"Backstory demonstration   {seconds:.0f} s   data in {self._folder}   Ctrl-C stops", style="bold"),
            Rule(style="dim"),
            _counters(counters),
            Rule("orders on their way to the PACS: OBR-13 before and after", style="dim", align="left"),
        ]
        parts += [_order(order, self._console.width) for order in list(self._orders)[-room:]]
        if not self._orders:
            parts.append(Text("the first order comes when its patient's messages have been told", style="dim"))
        return Group(*parts)


def _counters(counters: Counters) -> "Text":
    from rich.text import Text  # noqa: PLC0415 - at run time, where it is needed

    text = Text()
    feeds = "  ".join(f"{name} {count}" for name, count in sorted(counters.sent.items())) or "-"
    rows = (
        ("the hospital sent", f"{counters.said}", feeds),
        ("received", f"{counters.received}", "durable in the journal before they were acknowledged"),
        ("processed", f"{counters.processed}", f"{counters.facts} facts and {counters.orders} orders in the context"),
        ("enriched", f"{counters.enriched}", "orders that gained what matters for their exam"),
        ("delivered", f"{counters.delivered}", f"to the stand-in PACS; {counters.queued} wait"),
    )
    for name, count, words in rows:
        text.append(f"{name:<18}")
        text.append(f"{count:>7}", style="bold cyan")
        text.append(f"   {words}\n", style="dim")
    text.right_crop(1)
    return text


def _order(order: OrderSeen, width: int) -> "Text":
    from rich.text import Text  # noqa: PLC0415

    text = Text(no_wrap=True, overflow="crop")
    text.append(f"{order.accession}  {order.exam}", style="bold")
    text.append(f"  {order.took * 1000:.0f} ms\n", style="dim")
    text.append(_fitted(f"   before  {printable(order.before) or EMPTY}", width) + "\n", style="dim")
    style = "green" if order.enriched else "dim"
    text.append(_fitted(f"   after   {after_words(order)}", width), style=style)
    return text


def _fitted(text: str, width: int) -> str:
    """Cut at a word, with a mark: OBR-13 may have 300 characters."""
    if len(text) <= width:
        return text
    return text[: width - 2].rsplit(" ", 1)[0] + " …"


def order_lines(order: OrderSeen) -> list[str]:
    """An order as three lines of text."""
    return [
        f"order {order.accession}  {order.exam}  ({order.took * 1000:.0f} ms)",
        f"    before  {printable(order.before) or EMPTY}",
        f"    after   {after_words(order)}",
    ]


def after_words(order: OrderSeen) -> str:
    """OBR-13 as it arrived, or that nothing was added to it."""
    return printable(order.after or "") if order.enriched else "as it came: nothing known matters for this exam"


def counter_words(counters: Counters) -> str:
    """The counters as one line."""
    return (
        f"sent {counters.said}, received {counters.received}, processed {counters.processed}, "
        f"{counters.facts} facts, {counters.orders} orders, {counters.enriched} enriched, "
        f"{counters.delivered} delivered, {counters.queued} waiting"
    )
