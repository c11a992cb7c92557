"""What an outcome is against what a channel test expects of it, one plain sentence for each difference."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from engine.channel.expectations import Expected, Wanted
from engine.channel.outcome import Outcome
from engine.check.unchanged import moved
from engine.hl7.message import Message
from engine.hl7.path import Path
from engine.order.order import Order
from engine.patient.fact import BESIDE, Fact
from engine.steps.draft import KeepOrder, StoreFacts

_TIMES = frozenset({"observed", "ended", "scheduled"})


def differences(expect: Expected, before: Message, outcome: Outcome, zone: str) -> Iterator[str]:
    """Every difference; none: the test passed. Times of facts and orders are read in `zone`."""
    if outcome.status.name != expect.status:
        ended = " ".join(filter(None, (outcome.step, outcome.path, outcome.reason)))
        yield f"status: wanted {expect.status}, got {outcome.status.name}{f' ({ended})' if ended else ''}"
    if expect.reason is not None and not expect.reason.holds(outcome.reason):
        yield f"reason: wanted {expect.reason}, got {outcome.reason!r}"
    if expect.enrichment is not None and expect.enrichment != outcome.enrichment:
        why = "; ".join(alert.text for alert in outcome.alerts)
        yield f"enrichment: wanted {expect.enrichment!r}, got {outcome.enrichment!r}{f' ({why})' if why else ''}"
    if expect.sent is not None:
        yield from _sent(expect.sent, outcome)
    if expect.unchanged_except is not None and outcome.message is not None:
        yield from moved(before, outcome.message, expect.unchanged_except)
    if expect.facts is not None:
        yield from _facts(expect.facts, outcome, zone)
    if expect.order is not None:
        yield from _order(expect.order, outcome, zone)


def _sent(sent: dict[str, dict[Path, Wanted]], outcome: Outcome) -> Iterator[str]:
    leaves = outcome.destinations if outcome.message is not None else ()
    for name in leaves:
        if name not in sent:
            yield f"sent: the message left for {name} as well"
    for name, places in sent.items():
        if outcome.message is None or name not in leaves:
            yield f"sent: nothing left for {name}"
            continue
        for path, wanted in places.items():
            found = outcome.message.get(path)
            if not wanted.holds(found):
                yield f"sent: {name} {path}: wanted {wanted}, got {'nothing' if found is None else repr(found)}"


def _facts(wanted: Sequence[dict[str, Wanted]], outcome: Outcome, zone: str) -> Iterator[str]:
    facts = [fact for effect in outcome.effects if isinstance(effect, StoreFacts) for fact in effect.facts]
    kept = [fact for fact in facts if fact.kind not in BESIDE]
    listed = "; ".join(f"{fact.kind} {fact.concept or fact.text or '-'} {fact.value_text}".strip() for fact in kept)
    if not wanted and kept:
        yield f"facts: wanted none, got {listed}"
    for one in wanted:
        if not any(_holds(fact, one, zone) for fact in kept):
            yield f"facts: none has {_spelled(one)}; kept: {listed or 'none'}"


def _order(wanted: dict[str, Wanted], outcome: Outcome, zone: str) -> Iterator[str]:
    orders = [effect.order for effect in outcome.effects if isinstance(effect, KeepOrder)]
    if not orders:
        yield "order: none was kept"
    elif not any(_holds(order, wanted, zone) for order in orders):
        got = {name: _said(orders[0], name, zone) for name in wanted}
        yield f"order: none has {_spelled(wanted)}; the first has {', '.join(f'{k} {v!r}' for k, v in got.items())}"


def _holds(row: Fact | Order, wanted: dict[str, Wanted], zone: str) -> bool:
    return all(_like(one, name).holds(_said(row, name, zone)) for name, one in wanted.items())


def _like(wanted: Wanted, name: str) -> Wanted:
    """A time is compared as it starts: a day stands for all its minutes."""
    return Wanted("starts", wanted.text) if name in _TIMES and wanted.how == "is" and wanted.text else wanted


def _said(row: Fact | Order, name: str, zone: str) -> str:
    value = getattr(row, name)
    if value is None:
        return ""
    if name in _TIMES:
        return (
            datetime.fromtimestamp(value / 1e6, UTC).astimezone(ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")
            if value
            else ""
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def _spelled(wanted: dict[str, Wanted]) -> str:
    return ", ".join(f"{name} {one}" for name, one in wanted.items())
