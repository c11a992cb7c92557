"""Lint a site: every mistake with its file, line and column, and what was meant."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from engine.channel.site import load_site
from engine.check.linted import Linted
from engine.check.rules import (
    advice,
    certificates,
    channel_names,
    given_concepts,
    message_types,
    places,
    rule_concepts,
    rule_exams,
    sample_files,
    step_order,
    unheard_listeners,
    untested_channels,
    unused_tables,
)
from engine.source import Finding

RULES: Mapping[str, Callable[[Linted], Iterator[Finding]]] = {
    rule.CODE: rule.check
    for rule in (
        advice,
        certificates,
        channel_names,
        given_concepts,
        message_types,
        places,
        rule_concepts,
        rule_exams,
        sample_files,
        step_order,
        unheard_listeners,
        untested_channels,
        unused_tables,
    )
}
"""Every rule by the code of its findings."""


def lint(folder: Path) -> list[Finding]:
    """All findings of a site, in order of file and line; a site without one can run.

    The rules look at a site that loads; one that does not has its own findings first.
    """
    loaded = load_site(folder)
    if loaded.site is None:
        return list(loaded.findings)
    linted = Linted(loaded.site, loaded.documents, loaded.files)
    return sorted(finding for check in RULES.values() for finding in check(linted))
