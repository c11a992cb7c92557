"""Render templates: what a rule may write about a fact, with a closed set of names in braces, and never advice.

A template is checked when the rule is loaded: unknown names, advice and characters that a carrier cannot hold are
refused, so that rendering only joins texts.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from string import Formatter
from typing import NamedTuple

# the words a rendered text never holds, since it states facts (settled question C21, rules.md 3.0.21); stems
REFUSED_WORDS = (
    *("hold", "give", "premed", "transfus", "correct", "avoid", "switch", "hydrat", "reduc", "consider"),
    *("recommend", "should", "must", "withhold", "prefer", "stop", "administ"),
)
_REFUSED = re.compile(rf"\b(?:{'|'.join(REFUSED_WORDS)})[a-z]*", re.IGNORECASE)
_BARE = "|^~\\&"  # would travel as escapes, which worklists show as letters (carriers.md 2.5)

# every name a template may use, with what it says; an optional text brings its own punctuation
NAMES: Mapping[str, str] = {
    "value": "the value as sent, `24` or `>60`",
    "unit": "its unit in readable form",
    "date": "`19Aug`, with the year when it is not the exam's",
    "when": "`19Aug 06:10`, the date alone where no time was sent",
    "year": "`2021`",
    "status": "`; final`, `; preliminary`, `; corrected`",
    "trend": "`; 31 on 30Jul; falling`, or nothing",
    "stale": "`; older than 48 h`, or nothing (rules.md 3.0.5)",
    "formula": "`, MDRD non-Black formula` where only that value exists (rules.md 3.0.8), or nothing",
    "limit": "the rule's limit in words, `below 30`",
    "values": "the last three values, oldest first: `1.0 (17Aug), 1.2 (18Aug), 1.7 (19Aug) mg/dL`",
    "name": "the rule's word for the concept",
    "agent": "the text as sent",
    "code": "` K74.60`, the code as sent, or nothing",
    "severity": "`severe`, `moderate`, `mild`, or nothing",
    "SEVERITY": "the same in capitals",
    "reactions": "` (hives, hypotension)`, or nothing",
    "use": "`active since 05Jun`, `until 18Aug`",
    "certainty": "`possible `, or nothing",
    "others": "`; also listed: Omnipaque`, or nothing",
    "conflict": "`; the list also says no known allergies`, or nothing",
    "reason": "the fact that makes another limit apply: `cirrhosis K74.60 (2023)`",
    "window": "`90 d`",
}


class Template(NamedTuple):
    """A template split once: texts and names in turn."""

    text: str
    parts: tuple[tuple[str, str], ...]  # (literal, name or "")

    def render(self, words: Callable[[str], str]) -> str:
        """The text with every name replaced by what `words` says, runs of blanks made one."""
        written = "".join(literal + (words(name) if name else "") for literal, name in self.parts)
        return " ".join(written.split())


def refused_words(text: str) -> tuple[str, ...]:
    """The words of advice in a text, for `backstory check`; none means it may be shown."""
    return tuple(found.group() for found in _REFUSED.finditer(text))


def parse_template(text: str) -> Template:
    """Split a template; raises ValueError that names the first thing wrong with it."""
    words = refused_words(text)
    if words:
        raise ValueError(f"`{words[0]}` is advice: a rendered text states fact, limit and source")
    if not text.isascii() or any(mark in text for mark in _BARE):
        raise ValueError(r"a template is plain ASCII without | ^ ~ \ and &")
    parts = []
    for literal, name, form, conversion in _fields(text):
        if name is None:
            parts.append((literal, ""))
            continue
        if form or conversion or name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, 1)
            raise ValueError(f"unknown name {{{name}}}{f'; did you mean {{{near[0]}}}?' if near else ''}")
        parts.append((literal, name))
    return Template(text, tuple(parts))


def _fields(text: str) -> list[tuple[str, str | None, str | None, str | None]]:
    try:
        return list(Formatter().parse(text))
    except ValueError:
        raise ValueError("a brace is opened and not closed, or closed and not opened") from None
