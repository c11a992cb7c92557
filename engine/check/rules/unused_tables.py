"""MAP006: every table is used; one that is not was renamed, or its channel forgot it."""

from collections.abc import Iterator

from engine.check.linted import Finding, Linted
from engine.steps.translate import Translate

CODE = "MAP006"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each table that no `translate` names."""
    used = {step.table for channel in linted.site.channels for step in channel.steps if isinstance(step, Translate)}
    folder = linted.site.config.mappings.as_posix()
    for name in sorted(linted.site.mappings.tables.keys() - used):
        yield Finding(f"{folder}/tables/{name}.csv", 1, 1, CODE, "no step of a channel uses this table")
