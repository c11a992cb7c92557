"""`backstory schema`: the JSON schemas that editors complete a site's files from."""

import json
from typing import Annotated

import typer

from engine.channel.schema import SCHEMAS
from engine.errors import ConfigError
from engine.source import meant


def schema(of: Annotated[str, typer.Argument(help="channel or config.")] = "channel") -> int:
    """Write the JSON schema of a channel, or of config.yaml.

    Examples:
      backstory schema > channel.schema.json
      backstory schema config > config.schema.json
    """
    if of not in SCHEMAS:
        raise ConfigError(f"there is no schema of {of!r}{meant(of, SCHEMAS) or '; there are ' + ' and '.join(SCHEMAS)}")
    typer.echo(json.dumps(SCHEMAS[of](), indent=2))
    return 0
