"""The closed matching language of `accept:`."""

import pytest

from engine.channel.match import compile_matcher
from engine.errors import ConfigError
from engine.hl7.message import Message
from engine.source import read_yaml

MESSAGE = Message.parse(b'MSH|^~\\&|RIS|H|||||ORM^O01^ORM_O01|1|P|2.5\rOBR|1|||X^CT HEAD^L||||||""\r')


def _matches(yaml: str) -> bool:
    return compile_matcher(read_yaml(yaml, "x").content)(MESSAGE)


@pytest.mark.parametrize(
    ("yaml", "wanted"),
    [
        ("MSH-9: [ORM^O01, OMG^O19]", True),
        ("MSH-9: ORM", True),
        ("MSH-9: OR", False),
        ("MSH-9: ADT", False),
        ("{MSH-9: ORM, MSH-3: LAB}", False),
        ("MSH-3: {not: LAB}", True),
        ("OBR-4.2: {matches: '^CT '}", True),
        ("OBR-4.2: {matches: '^MR '}", False),
        ("OBR-10: {exists: yes}", False),
        ("OBR-77: {exists: no}", True),
        ("any: [{MSH-3: LAB}, {MSH-3: RIS}]", True),
        ("all: [{MSH-3: LAB}, {MSH-3: RIS}]", False),
        ("not: {MSH-3: LAB}", True),
    ],
)
def test_a_matcher_says(yaml, wanted):
    """MSH-9 compares leading components, everything else the whole text; `""` does not exist."""
    assert _matches(yaml) is wanted


@pytest.mark.parametrize(
    "yaml",
    ["PID3: X", "OBR-4: {matches: '(a'}", "OBR-4: {like: x}", "any: {MSH-3: X}", "not: [x]", "OBR-4: []",
     "OBR-4: {exists: maybe}", "OBR-4: {matches: a, not: b}"],
)  # fmt: skip
def test_what_is_no_match_is_refused_in_words(yaml):
    """One sentence that says what is wanted."""
    with pytest.raises(ConfigError):
        _matches(yaml)


def test_the_type_is_compared_in_the_senders_own_delimiters():
    """`ORM^O01` takes ORM!O01 where the sender's component separator is an exclamation mark, and an absent type is none."""
    matcher = compile_matcher({"MSH-9": ["ORM^O01"]})
    assert matcher(Message.parse(b"MSH|!~\\&|RIS|H|||||ORM!O01!ORM_O01|1|P|2.5\r"))
    assert not matcher(Message.parse(b"MSH|!~\\&|RIS|H|||||ORM!O02|1|P|2.5\r"))
    assert not matcher(Message.parse(b"MSH|!~\\&|RIS\r"))


def test_a_feed_of_nonsense_types_is_judged_without_being_remembered():
    """More spellings than are kept: each is still judged for itself."""
    matcher = compile_matcher({"MSH-9": {"matches": "7$"}})
    raw = "MSH|^~\\&|RIS|H|||||X^%d|1|P|2.5\r"
    said = [matcher(Message.parse((raw % number).encode())) for number in range(1500)]
    assert said == [str(number).endswith("7") for number in range(1500)]
    assert matcher(Message.parse((raw % 1497).encode()))
