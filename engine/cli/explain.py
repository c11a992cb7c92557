"""`backstory explain`: why an order shows what it shows, or why it shows nothing."""

from pathlib import Path
from typing import Annotated

import typer

from engine.channel.ports import OutcomeRow
from engine.cli.console import moment, printable
from engine.cli.deliveries import delivered_words
from engine.cli.site import Readers, SiteOption, open_readers
from engine.errors import ConfigError
from engine.order.order import Order
from engine.steps.draft import Shown, Synopsis

# the word in an outcome -> what it means to who asks
NOTHING_SHOWN = {
    "": "no channel that took the order has an enrich step",
    "nothing": "no rule found a fact that matters for this exam, or the exam could not be classified",
    "off": "enrichment was switched off",
    "withheld": "the site's policy keeps context from this order: test messages, VIP, confidential (mappings/policy.yaml)",
    "failed": "enrichment failed, and the order left as it came; the log of the channel says where",
    "doubt": "birth date and family name differ from what is known under this identifier, so nothing was shown",
    "done": "enrichment was done with an older form of the store that kept no findings",
}
_ALERTS = {
    "identity_in_doubt": "facts were left out, since they are of somebody else under this number (identity in doubt)",
    "enrichment_failed": "enrichment failed, and the order left as it came",
    "destination": "a destination cannot take the message as it is; it left all the same",
}
_SEVERITIES = {"S": "safety", "I": "important", "C": "context"}


def explain(
    order: Annotated[str, typer.Option("--order", help="Accession, filler or placer number.", metavar="ACCESSION")],
    every: Annotated[bool, typer.Option("--all", help="Every time the order left, not only the last.")] = False,
    site: SiteOption = Path(),
) -> None:
    """Say why an order shows what it shows: each finding with its rule, threshold, source and origin.

    Where nothing was shown it says why. This shows content of messages to whoever asks.

    Examples:
      backstory explain --order A1001
    """
    with open_readers(site) as readers:
        typer.echo("\n".join(explanation(readers, order, every=every)))


def explanation(readers: Readers, number: str, *, every: bool = False) -> list[str]:
    """The lines; raises ConfigError when no order of this number is known."""
    known = _find(readers, number)
    if known is None:
        raise ConfigError(
            f"no order {printable(number)!r} is known (accession, filler and placer numbers were searched)"
        )
    lines = _order_lines(known)
    synopses = readers.store.synopses(known.number)
    for entry, synopsis in synopses if every else synopses[-1:]:
        lines += ["", *_synopsis_lines(readers, entry, synopsis)]
    if not synopses or not any(synopsis.shown for _, synopsis in synopses[-1:]):
        lines += ["", *_nothing(readers, known)]
    return lines


def _find(readers: Readers, number: str) -> Order | None:
    found = readers.store.orders([number])
    if found:
        return found[number]
    for kind in ("accession", "filler", "placer"):
        entries = readers.store.find(number, kind=kind, limit=20)
        numbers = [queued.order for queued in readers.store.queued_for(entries) if queued.order]
        orders = readers.store.orders(numbers)
        if orders:
            return orders[numbers[-1]] if numbers[-1] in orders else next(iter(orders.values()))
    return None


def _order_lines(order: Order) -> list[str]:
    exam = " ".join(part for part in (order.modality, order.region, order.contrast) if part) or "not classified"
    return [
        f"order {printable(order.number)}: {printable(order.text or order.code) or '(no exam named)'}",
        f"  exam        {exam}",
        f"  state       {order.state} ({order.control or '-'}, {order.order_status or '-'})",
        f"  scheduled   {moment(order.scheduled)}",
        f"  last said   {moment(order.received)}, entry {order.entry}, listener {order.listener}",
    ]


def _synopsis_lines(readers: Readers, entry: int, synopsis: Synopsis) -> list[str]:
    lines = [f"entry {entry} left with {len(synopsis.shown)} findings (as of {moment(synopsis.as_of)})"]
    lines += [f"  to {words}" for words in delivered_words(readers, entry)]
    alerts = {alert for row in readers.store.outcomes([entry]) for alert in row.alerts.split()}
    lines += [f"  alert       {_ALERTS.get(alert, alert)}" for alert in sorted(alerts)]
    if synopsis.headline:
        lines.append(f"  headline    {printable(synopsis.headline)}")
    for number, shown in enumerate(synopsis.shown, start=1):
        lines += ["", *_shown_lines(number, shown)]
    return lines


def _shown_lines(number: int, shown: Shown) -> list[str]:
    pairs = [
        ("rule", f"{shown.rule} ({_SEVERITIES.get(shown.severity, shown.severity)})"),
        ("threshold", shown.threshold),
        ("origin", shown.origin),
        ("source", shown.source),
        ("shown in", shown.place.replace("+", ", ")),
        ("certainty", shown.certainty),
    ]
    return [
        f"  {number}. {printable(shown.line)}",
        *(f"     {name:<10}{printable(value)}" for name, value in pairs if value),
    ]


def _nothing(readers: Readers, order: Order) -> list[str]:
    rows = readers.store.outcomes([order.entry])
    why = [f"  {row.channel or 'no channel'}: {_why(row)}" for row in rows]
    return ["nothing was shown:", *(why or [f"  entry {order.entry} has not been processed yet"])]


def _why(row: OutcomeRow) -> str:
    if row.step or row.reason:
        return f"{row.step}{' ' + row.path if row.path else ''}: {row.reason}".strip(": ")
    return NOTHING_SHOWN.get(row.enrichment, row.enrichment)
