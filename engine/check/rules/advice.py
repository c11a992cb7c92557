"""ADV001: what a rule writes into an order states fact, limit and source, and never advises (C21).

Templates with advice are refused when the rule is loaded; this looks at the other words that reach an order: the names a
rule gives to concepts, and of what is missing.
"""

from collections.abc import Iterator
from typing import Any

from engine.check.linted import Finding, Linted, Location
from engine.relevance.rules import refused_words

CODE = "ADV001"


def check(linted: Linted) -> Iterator[Finding]:
    """A finding for each word of advice."""
    for document in linted.relevance():
        for location, text in _shown(document.content):
            for word in refused_words(text):
                message = f"{word!r} is advice: a rendered text states fact, limit and source"
                yield document.finding(location, CODE, message)


def _shown(content: Any) -> Iterator[tuple[Location, str]]:
    for n, rule in enumerate((content or {}).get("rules") or []):
        for m, check_ in enumerate(rule.get("checks") or []):
            here: Location = ("rules", n, "checks", m)
            for concept, name in (check_.get("facts", {}).get("names") or {}).items():
                yield (*here, "facts", "names", concept), name
            missing = check_.get("missing") or {}
            if "name" in missing:
                yield (*here, "missing", "name"), missing["name"]
