"""`backstory channel`: start a channel that stopped."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli import new_application, teaching
from engine.cli.console import printable
from engine.cli.site import SiteOption, socket_of
from engine.errors import Retryable

app = new_application()

_CHANNEL = """Start a channel that stopped after failures in a row.

It goes on with the message after the one it stopped at, alone, while the others run on, and joins them when it has caught
up. What FAILED stays FAILED.

Examples:
  backstory channel start results
"""


@app.callback(help=teaching(_CHANNEL))
def channel() -> None:
    """Verbs of channels."""


@app.command("start")
def start(
    name: Annotated[str, typer.Argument(help="The channel, as `backstory status` names it.", metavar="CHANNEL")],
    site: SiteOption = Path(),
) -> None:
    """Start a stopped channel from where it stopped."""
    from engine.app.control import call  # noqa: PLC0415 - only where a process is asked

    try:
        call(socket_of(site, "supervisor"), "channel", {"name": name})
    except Retryable as error:
        raise Retryable(
            f"{error}; a channel is started in the running engine, so start that first (backstory run)"
        ) from None
    typer.echo(f"channel {printable(name)} runs; backstory status says whether it is still catching up")
