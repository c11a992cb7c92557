"""`backstory messages`: find messages, and show one with everything that became of it."""

import json
from pathlib import Path
from typing import Annotated

import typer

from engine.cli import new_application, teaching
from engine.cli.console import columns
from engine.cli.search import Criteria, search
from engine.cli.site import SiteOption, open_readers
from engine.errors import ConfigError

app = new_application(alone=True)
Json = Annotated[bool, typer.Option("--json", help="For programs: the same as one JSON object.")]

_FIND = """Find messages by what is in them or what became of them, newest first.

Also messages that the worker has not reached yet are found. What is shown is content, to whoever asks.

Examples:
  backstory messages --patient 100123
  backstory messages --accession A1001 --status FAILED
  backstory messages --status PARKED
  backstory messages --channel orders_to_pacs --limit 50 --before 4711
  backstory messages show 4711
"""


@app.callback(help=teaching(_FIND))
def messages(
    context: typer.Context,
    patient: Annotated[str, typer.Option(help="An identifier of the patient (PID-3.1).")] = "",
    accession: Annotated[str, typer.Option(help="Accession, filler or placer number of the order.")] = "",
    control_id: Annotated[str, typer.Option(help="MSH-10, as received or as sent.")] = "",
    status: Annotated[
        str,
        typer.Option(
            help="RECEIVED, FILTERED, TRANSFORMED or FAILED; or of what was to be delivered QUEUED, HELD or PARKED."
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
    position: Annotated[
        int, typer.Argument(help="Position of the entry, as `backstory messages` lists it.", min=1, max=2**63 - 1)
    ],
    raw: Annotated[bool, typer.Option("--raw", help="Also the message as it came, one segment a line.")] = False,
    as_json: Json = False,
    site: SiteOption = Path(),
) -> None:
    """Show one message: outcome, deliveries with their attempts, and what changed between in and out."""
    from engine.cli.message_page import message_page, message_words  # noqa: PLC0415 - the field names, which a search does not need

    with open_readers(site) as readers:
        entry = readers.journal.entry(position)
        if entry is None:
            raise ConfigError(f"the journal has no entry {position}; it was trimmed, or never was")
        if as_json:
            typer.echo(json.dumps(message_words(readers, entry), indent=2))
            return
        typer.echo("\n".join(message_page(readers, entry, raw=raw)))
