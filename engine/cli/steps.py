"""`backstory steps`: explain the steps."""

from inspect import cleandoc
from typing import Annotated

import typer

from engine.errors import ConfigError
from engine.source import meant
from engine.steps.catalog import STEPS


def steps(
    name: Annotated[str, typer.Argument(help="One step; all where nothing is said.")] = "",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Every step with its keys, as a page (docs/steps.md).")
    ] = False,
) -> int:
    """Explain the steps a channel can be made of, each with an example.

    Examples:
      backstory steps
      backstory steps translate
    """
    if name and name not in STEPS:
        raise ConfigError(f"there is no step {name!r}{meant(name, STEPS) or '; there are ' + ', '.join(STEPS)}")
    if markdown:
        from engine.cli.steps_page import steps_page  # noqa: PLC0415 - what nobody needs for a sentence

        typer.echo(steps_page(), nl=False)
        return 0
    for word, model in STEPS.items():
        text = cleandoc(model.__doc__ or "")
        if not name:
            typer.echo(f"{word:<14}{text.partition(chr(10))[0]}")
        elif word == name:
            typer.echo(f"{word}: {text}\n")
            typer.echo(str(getattr(model, "example", "")))
    return 0
