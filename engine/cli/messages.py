"""`backstory messages`: find messages, and show one with everything that became of it."""

import base64
import json
from pathlib import Path
from typing import Annotated

import typer

from engine.channel.operator_acts import DISMISSED, text_of
from engine.channel.ports import Entry
from engine.channel.release import dismissal, releases
from engine.cli import new_application, teaching
from engine.cli.console import columns
from engine.cli.quarantine import known_as, released_before
from engine.cli.search import Criteria, search
from engine.cli.site import Readers, SiteOption, open_readers, socket_of
from engine.errors import ConfigError, Retryable

app = new_application(alone=True)
Json = Annotated[bool, typer.Option("--json", help="For programs: the same as one JSON object.")]

_FIND = """Find messages by what is in them or what became of them, newest first.

Also messages that the worker has not reached yet are found. What is shown is content, to whoever asks.

Examples:
  backstory messages --patient 100123
  backstory messages --accession A1001 --status FAILED
  backstory messages --status PARKED
  backstory messages --status QUARANTINED
  backstory messages --channel orders_to_pacs --limit 50 --before 4711
  backstory messages show 4711
  backstory messages release 4711
"""

_RELEASE = """Let a quarantined message through: its listener's channels run over it as if it came now.

Of a batch, every message. The same entry is released once, however often it is asked for.

What was processed in the last 7 days is not processed again: its sender sent it once more and it was accepted, or it was
part of something else that was released. The command says as which entry; --again processes it all the same.

Examples:
  backstory messages release 4711
  backstory messages release 4711 --charset 8859/1
  backstory messages release 4711 --again
"""

Position = Annotated[
    int, typer.Argument(help="Position of the entry, as `backstory messages` lists it.", min=1, max=2**63 - 1)
]


@app.callback(help=teaching(_FIND))
def messages(
    context: typer.Context,
    patient: Annotated[str, typer.Option(help="An identifier of the patient (PID-3.1).")] = "",
    accession: Annotated[str, typer.Option(help="Accession, filler or placer number of the order.")] = "",
    control_id: Annotated[str, typer.Option(help="MSH-10, as received or as sent.")] = "",
    status: Annotated[
        str,
        typer.Option(
            help="RECEIVED, FILTERED, TRANSFORMED or FAILED; QUARANTINED, refused when it came; "
            "or of what was to be delivered QUEUED, HELD, PARKED, SENT, SKIPPED or FAILED."
        ),
    ] = "",
    channel: Annotated[str, typer.Option(help="Only what this channel did.")] = "",
    limit: Annotated[int, typer.Option(help="How many to show.", min=1, max=1000)] = 20,
    before: Annotated[int, typer.Option(help="Go on below this position (the next page).", min=0)] = 0,
    as_json: Json = False,
    site: SiteOption = Path(),
) -> None:
    """Find messages; the help text is above, where examples keep their lines."""
    if context.invoked_subcommand:
        return
    criteria = Criteria(patient, accession, control_id, status.upper(), channel, before, limit)
    with open_readers(site) as readers:
        page = search(readers, criteria)
    if as_json:
        names = ("position", "received", "listener", "type", "control_id", "outcome")
        found = [
            {**dict(zip(names, row, strict=False)), "position": int(row[0]), "deliveries": sent}
            for row, sent in zip(page.rows, page.deliveries, strict=True)
        ]
        typer.echo(json.dumps({"messages": found, "more": page.more, "before": page.reached}, indent=2))
        return
    if not page.rows:
        typer.echo("no message matches" + (f" at or above position {page.reached}" if page.more else ""))
    else:
        head = ("POSITION", "RECEIVED", "LISTENER", "TYPE", "CONTROL ID", "OUTCOME", "DELIVERIES")
        typer.echo(columns(page.rows, head))
    if page.more:
        typer.echo(f"more: --before {page.reached}")


@app.command("show")
def show(
    position: Position,
    raw: Annotated[bool, typer.Option("--raw", help="Also the message as it came, one segment a line.")] = False,
    as_json: Json = False,
    site: SiteOption = Path(),
) -> None:
    """Show one message: outcome, deliveries with their attempts, and what changed between in and out.

    Of a quarantined one: what was wrong, where, what its sender was told, and what can be done.
    """
    from engine.cli.message_page import message_page, message_words  # noqa: PLC0415 - the field names, which a search does not need

    with open_readers(site) as readers:
        entry = _entry(readers, position)
        if as_json:
            typer.echo(json.dumps(message_words(readers, entry), indent=2))
            return
        typer.echo("\n".join(message_page(readers, entry, raw=raw)))


@app.command("release", help=teaching(_RELEASE))
def release(
    position: Position,
    charset: Annotated[
        str, typer.Option("--charset", help="What it is written in: 8859/1, UTF-8, ... Needed where that was wrong.")
    ] = "",
    again: Annotated[
        bool, typer.Option("--again", help="Also what was processed before; once more, and only once.")
    ] = False,
    site: SiteOption = Path(),
) -> None:
    """Let a quarantined message through; the help text is above, where examples keep their lines."""
    from engine.app.control import user  # noqa: PLC0415 - only where a process is asked
    from engine.app.network_site import plan_of  # noqa: PLC0415 - as above

    with open_readers(site) as readers:
        entry = _entry(readers, position)
        rules = next((plan.rules for plan in plan_of(site).listeners if plan.rules.name == entry.listener), None)
        bodies = releases(entry, charset, user(), rules, again=again)
        notes = readers.store.notes([position])
        for number, body in enumerate(bodies, 1):
            which = f", {text_of(number, len(bodies))}," if len(bodies) > 1 else ""
            done = released_before(notes, number, len(bodies), again=again)
            if not done:
                place, duplicate = _append(site, body, f"release:{position}:{number}{':again' * again}")
                done = f"is released as entry {place}"
                if duplicate:
                    done = known_as(place, readers.journal.entry(place), position, number)
            typer.echo(f"entry {position}{which} {done}")


@app.command("dismiss")
def dismiss(
    position: Position,
    because: Annotated[str, typer.Option("--because", help="Why nobody needs it; kept, with your name.")],
    site: SiteOption = Path(),
) -> None:
    """Say that a quarantined message needs nobody any more; `backstory status` no longer names it.

    Examples:
      backstory messages dismiss 4711 --because "a test of the laboratory"
    """
    from engine.app.control import user  # noqa: PLC0415 - only where a process is asked

    with open_readers(site) as readers:
        entry = _entry(readers, position)
        body = dismissal(entry, because, user())
        if any(note.kind == DISMISSED for note in readers.store.notes([position])):
            typer.echo(f"entry {position} was dismissed before")
            return
    _append(site, body, f"dismiss:{position}")
    typer.echo(f"entry {position} is dismissed")


def _entry(readers: Readers, position: int) -> Entry:
    entry = readers.journal.entry(position)
    if entry is None:
        raise ConfigError(f"the journal has no entry {position}; it was trimmed, or never was")
    return entry


def _append(site: Path, body: bytes, command_id: str) -> tuple[int, bool]:
    """Hand an operator's entry to the running engine; returns its position, and whether it was there already."""
    from engine.app.control import call  # noqa: PLC0415 - only where a process is asked

    words = {"body": base64.b64encode(body).decode("ascii")}
    try:
        answer = call(socket_of(site, "supervisor"), "append", words, command_id=command_id, timeout=60)
    except Retryable as error:
        raise Retryable(f"{error}; the running engine does it, so start it first (backstory run)") from None
    return int(answer["position"]), bool(answer["duplicate"])
