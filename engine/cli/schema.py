"""`backstory schema`: the JSON schema of a channel."""

import json

import typer

from engine.channel.model import Channel


def schema() -> int:
    """Write the JSON schema that editors complete channels from.

    Examples:
      backstory schema
    """
    typer.echo(json.dumps(Channel.model_json_schema(by_alias=True), indent=2))
    return 0
