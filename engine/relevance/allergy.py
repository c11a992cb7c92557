"""How severe an allergy is and what it did, from AL1-4 and AL1-5 as the feeds send them."""

import re

from engine.patient.fact import Fact

_BETWEEN_REACTIONS = re.compile(r"\s*[~;,&+/]\s*|\s+(?:and|AND)\s+")
# table 0128, and the words some feeds send instead
_SEVERITIES = {
    "SV": "severe",
    "SEVERE": "severe",
    "MO": "moderate",
    "MODERATE": "moderate",
    "MI": "mild",
    "MILD": "mild",
}


def severity(fact: Fact) -> str:
    """`severe`, `moderate`, `mild` of an allergy, or "" where it is not known."""
    return _SEVERITIES.get(fact.flag.upper(), "")


def reactions(fact: Fact) -> tuple[str, ...]:
    """The reactions of an allergy in lower case, in the order sent."""
    return tuple(word.lower() for word in reactions_as_sent(fact))


def reactions_as_sent(fact: Fact) -> tuple[str, ...]:
    """The reactions of an allergy, one by one."""
    return tuple(word for word in _BETWEEN_REACTIONS.split(fact.value_text.strip()) if word)
