"""`backstory steps`: explain the steps."""

from typing import Annotated

import typer

from engine.errors import ConfigError
from engine.steps.catalog import STEPS


def steps(name: Annotated[str, typer.Argument(help="One step; all where nothing is said.")] = "") -> int:
    """Explain the steps a channel can be made of, each with an example.

    Examples:
      backstory steps
      backstory steps translate
    """
    if name and name not in STEPS:
        raise ConfigError(f"there is no step {name!r}; there are {', '.join(STEPS)}")
    for word, model in STEPS.items():
        sentence, _, rest = (model.__doc__ or "").strip().partition("\n")
        if not name:
            typer.echo(f"{word:<14}{sentence}")
        elif word == name:
            typer.echo(f"{word}: {sentence}{rest}\n")
            typer.echo(str(getattr(model, "example", "")))
    return 0
