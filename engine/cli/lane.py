"""`backstory lane`: what waits for a destination and why, and what a person can do about it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.channel.answer_words import told
from engine.cli import new_application, teaching
from engine.cli.aside import parked_rows
from engine.cli.console import columns, moment, printable
from engine.cli.site import Readers, SiteOption, load_config, open_readers, socket_of
from engine.cli.waiting import lane_rows, places_of
from engine.errors import ConfigError, Retryable

app = new_application(alone=True)

_LANE = """Say what waits for each destination and why; hold, release or skip it.

A lane is one connection to a destination: its messages go in order, one after the other. `held` and `stopped` lanes wait for a
person, `retrying` ones go on by themselves. A message that was refused under `on_reject: park` is parked with all later ones of
its patient, while the lane goes on. Nothing is ever dropped but what you skip.

Examples:
  backstory lane                                what waits, why, and when it goes again
  backstory lane parked pacs                    what is parked, patient by patient
  backstory lane release pacs --entry 4711      send the parked messages of that patient, in order
  backstory lane release pacs --all-parked      of all patients, when the receiver is mended
  backstory lane hold pacs --because "upgrade"  send nothing; survives a restart
  backstory lane release pacs                   go on, at once
  backstory lane retry-now pacs                 do not wait for the next try
  backstory lane skip pacs --entry 4711 --because "entered by hand"
"""

Destination = Annotated[str, typer.Argument(help="As config.yaml names it.", metavar="DESTINATION")]
LaneOption = Annotated[
    int | None, typer.Option("--lane", help="Only this lane, as `backstory lane` lists it.", min=0, max=2**31 - 1)
]
EntryOption = Annotated[
    int | None,
    typer.Option("--entry", help="Position of the entry, as `backstory messages` lists it.", min=1, max=2**63 - 1),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: the same as JSON.")]


@app.callback(help=teaching(_LANE))
def lane(context: typer.Context, as_json: Json = False, site: SiteOption = Path()) -> None:
    """List the lanes; the help text is above, where examples keep their lines."""
    context.obj = as_json
    if as_json and context.invoked_subcommand not in {None, "parked"}:
        raise ConfigError("--json is for the lists: backstory lane --json, backstory lane parked --json")
    if context.invoked_subcommand:
        return
    with open_readers(site) as readers:
        rows = lane_rows(readers)
    if as_json:
        typer.echo(json.dumps([row.as_words() for row in rows], indent=2))
    elif not rows:
        typer.echo("nothing was ever queued for a destination")
    else:
        head = ("LANE", "STATE", "WAITING", "PARKED", "TRIES", "NEXT TRY", "SINCE", "REASON")
        typer.echo(columns((row.cells() for row in rows), head))


@app.command("parked")
def parked(
    context: typer.Context,
    destination: Annotated[str, typer.Argument(help="Only this one.", metavar="[DESTINATION]")] = "",
    as_json: Json = False,
    site: SiteOption = Path(),
) -> None:
    """List what is parked by destination and patient: content, to whoever may read the files."""
    with open_readers(site) as readers:
        rows = parked_rows(readers, destination)
        if destination and not rows:
            _refuse_unknown(readers, site, destination)
    if as_json or context.obj:
        typer.echo(json.dumps([row._asdict() for row in rows], indent=2))
    elif not rows:
        typer.echo("nothing is parked")
    else:
        head = ("DESTINATION", "PATIENT", "ENTRY", "LANE", "NUMBER", "SINCE", "STATE", "WHY")
        cells = (
            (
                *(row.destination, printable(row.patient) or "-", str(row.entry), str(row.lane), str(row.number)),
                *(moment(row.since)[:19], "released" if row.released else "parked", printable(told(row.why))),
            )
            for row in rows
        )
        typer.echo(columns(cells, head))


@app.command("hold")
def hold(
    destination: Destination,
    lane: LaneOption = None,
    because: Annotated[str, typer.Option("--because", help="Why: shown by `backstory status`.")] = "",
    site: SiteOption = Path(),
) -> None:
    """Send nothing more to a destination until it is released; what is on its way is still answered."""
    _ask(site, {"act": "hold", "destination": destination, "lane": lane, "because": because})
    typer.echo(f"{_where(destination, lane)} is held; messages queue up, none is lost (backstory lane release)")


@app.command("release")
def release(
    destination: Destination,
    lane: LaneOption = None,
    entry: EntryOption = None,
    key: Annotated[
        str | None,
        typer.Option("--key", help="Parked messages of this patient, as `backstory lane parked` names it (HOSP|MR|1)."),
    ] = None,
    all_parked: Annotated[bool, typer.Option("--all-parked", help="Everything that is parked.")] = False,
    site: SiteOption = Path(),
) -> None:
    """Let a held destination go on; or with --entry, --key, --all-parked send what is parked, in order.

    With --entry all parked messages of that entry's patient go, since order is kept. They go one by one before newer ones of
    the patient. If one is refused again, it stays parked with those behind it; so does one that a person must look at first,
    until it is named with --entry.
    """
    if key is not None and not key.strip():
        raise ConfigError("release: --key names a patient, as `backstory lane parked` lists it; this one is empty")
    if (entry is not None) + (key is not None) + all_parked + (lane is not None) > 1:
        raise ConfigError("release: one of --lane, --entry, --key and --all-parked")
    asked: dict[str, Any] = {"act": "release", "destination": destination, "lane": lane, "parked": all_parked}
    if key is not None:
        asked["keys"] = [key]
    if entry is not None:
        asked["rows"] = _rows(site, destination, entry)
    answer = _ask(site, asked)
    if entry is not None or key is not None or all_parked:
        typer.echo(_released(destination, answer))
    else:
        typer.echo(f"{_where(destination, lane)} goes on")


@app.command("skip")
def skip(
    destination: Destination,
    number: Annotated[
        int | None, typer.Argument(help="Its number in the lane.", metavar="[NUMBER]", min=1, max=2**40 - 1)
    ] = None,
    lane: Annotated[int, typer.Option("--lane", help="The lane of NUMBER.", min=0, max=2**31 - 1)] = 0,
    entry: EntryOption = None,
    because: Annotated[str, typer.Option("--because", help="Why: kept with the message.")] = "",
    site: SiteOption = Path(),
) -> None:
    """Never send a waiting, held or parked message: it becomes SKIPPED, and the next one goes."""
    if (number is None) == (entry is None):
        raise ConfigError("skip: name the message by NUMBER or by --entry")
    if not because.strip():
        raise ConfigError("skip: say why, with --because TEXT; it is kept with the message")
    rows = [(lane, number)] if entry is None else _rows(site, destination, entry)
    _ask(site, {"act": "skip", "destination": destination, "rows": rows, "because": because})
    typer.echo(f"{destination}: {'message' if len(rows) == 1 else f'{len(rows)} messages'} skipped")


@app.command("retry-now")
def retry_now(destination: Destination, lane: LaneOption = None, site: SiteOption = Path()) -> None:
    """Try again at once where a lane waits for its next try."""
    _ask(site, {"act": "retry", "destination": destination, "lane": lane})
    typer.echo(f"{_where(destination, lane)} is tried now")


def _rows(site: Path, destination: str, entry: int) -> Sequence[tuple[int, int]]:
    with open_readers(site) as readers:
        rows = places_of(readers, destination, entry)
    if not rows:
        raise ConfigError(f"entry {entry} has no delivery to {destination} that could still change")
    return rows


def _ask(site: Path, args: dict[str, Any]) -> dict[str, Any]:
    from engine.app.control import NotAnswered, call  # noqa: PLC0415 - only where a process is asked

    try:
        return call(socket_of(site, "supervisor"), "lane", args, timeout=40)
    except NotAnswered:
        raise
    except Retryable as error:
        raise Retryable(
            f"{error}; lanes are changed in the running engine, so start that first (backstory run)"
        ) from None


def _released(destination: str, answer: dict[str, Any]) -> str:
    """What follows a release: parked rows go in their turn, and not out of a lane that stands or waits."""
    what = f"{destination}: {answer.get('rows', 0)} parked messages of {answer.get('patients', 0)} patients"
    if answer.get("held"):
        return f"{what} are released; their lane is held, and nothing goes before that is released as well (backstory lane release {destination})"
    if answer.get("retrying"):
        return f"{what} are released, and go in order at the lane's next try (backstory lane retry-now {destination})"
    return f"{what} go now, in order"


def _refuse_unknown(readers: Readers, site: Path, destination: str) -> None:
    """Raise ConfigError for a destination that neither config.yaml nor the journal knows."""
    known = {*load_config(site).destinations, *(lane.destination for lane in readers.journal.lanes())}
    if destination not in known:
        raise ConfigError(f"there is no destination {destination!r}; there are {', '.join(sorted(known)) or 'none'}")


def _where(destination: str, lane: int | None) -> str:
    return destination if lane is None else f"lane {destination}/{lane}"
