"""`backstory enrichment`: the switch that lets orders through as they came (D25)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.site import SiteOption, open_readers, socket_of
from engine.errors import Retryable


class Switch(StrEnum):
    """Where the switch can stand."""

    ON = "on"
    OFF = "off"


def enrichment(
    state: Annotated[
        Switch | None, typer.Argument(help="on, off; nothing: say where it stands.", metavar="[on|off]")
    ] = None,
    site: SiteOption = Path(),
) -> None:
    """Turn enrichment on or off, at once and across restarts; say where it stands.

    Off, every order leaves as it came: facts and orders are kept, nothing is added to a message.

    Examples:
      backstory enrichment off
      backstory enrichment
    """
    if state is None:
        with open_readers(site) as readers:
            typer.echo(f"enrichment is {readers.store.switches().get('enrichment', Switch.ON)}")
        return
    from engine.app.control import call  # noqa: PLC0415 - only where a process is asked

    try:
        call(socket_of(site, "supervisor"), "enrichment", {"state": state.value})
    except Retryable as error:
        raise Retryable(
            f"{error}; enrichment is switched by the running engine, so start it first (backstory run)"
        ) from None
    typer.echo(f"enrichment is {state.value}" + ("; orders leave as they came" if state is Switch.OFF else ""))
