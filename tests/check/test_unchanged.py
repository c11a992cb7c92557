"""`unchanged_except` says every place that differs and was not named, and no other."""

import pytest

from engine.check.unchanged import moved
from engine.hl7.message import Message
from engine.hl7.path import Path

HEAD = "MSH|^~\\&|A|B|C|D|20260820||ORM^O01|1|P|2.5.1\r"


def differences(before: str, after: str, *allowed: str) -> list[str]:
    """Without the words that every line begins with."""
    one, other = (Message.parse((HEAD + text).encode()) for text in (before, after))
    return [
        line.removeprefix("unchanged_except: ") for line in moved(one, other, [Path.parse(path) for path in allowed])
    ]


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("OBX|1|x", "OBX|1|x", []),
        ("OBX|1|x\rOBX|2|x", "OBX|1|y\rOBX|2|y", ["OBX-2"]),
        ("OBX|1|x\rOBX|2|x", "OBX|1|x\rOBX|2|y", ["OBX[2]-2"]),
        ("OBX|1", "OBX|1|||y", ["OBX-4"]),
        ("OBX|1\rOBX|2", "OBX|1", ["OBX"]),
        ("NTE|1|a\rNTE|2|b", "NTE|1|a\rNTE|2|c", ["NTE[2]"]),
        ("PID|1||a^b~c^d", "PID|1||a^x~c^d", ["PID-3.2"]),
        ("PID|1||a^b~c^d", "PID|1||a^b~c^x", ["PID-3(2).2"]),
        ("PID|1||a^b~c^d", "PID|1||a^b", ["PID-3(2)"]),
        ("PID|1||a&b&c^d", "PID|1||a&x&c^d", ["PID-3.1.2"]),
        ("PID|1||a", "PID|1||a^^^H", ["PID-3.4"]),
        ("PID|1||a", "PID|1||x^^^H", ["PID-3.1", "PID-3.4"]),
        ("PID|1||a", "PID|1||", ["PID-3.1"]),
    ],
)
def test_what_is_named_may_differ(before: str, after: str, allowed: list[str]) -> None:
    """Segments, one of them, fields, repetitions, components; separators up to what was written are no difference."""
    assert differences(before, after, *allowed) == []


@pytest.mark.parametrize(
    ("before", "after", "allowed", "said"),
    [
        ("OBX|1|x", "OBX|1|y", [], "OBX-2 changed from 'x' to 'y'"),
        ("OBX|1|x", "OBX|1", [], "OBX-2 changed from 'x' to nothing"),
        ("OBX|1|", "OBX|1", [], "OBX-2 changed from '' to nothing"),
        ("OBX|1|x\rOBX|2|x", "OBX|1|y\rOBX|2|y", ["OBX[2]-2"], "OBX-2 changed from 'x' to 'y'"),
        ("OBX|1|x\rOBX|2|x", "OBX|1|y\rOBX|2|y", ["OBX[1]-2"], "OBX[2]-2 changed from 'x' to 'y'"),
        ("NTE|1|a\rNTE|2|b", "NTE|1|c\rNTE|2|b", ["NTE[2]"], "NTE-2 changed from 'a' to 'c'"),
        ("NTE|1\rNTE|2", "NTE|1", ["NTE[3]"], "segments came, went or moved: MSH, NTE, NTE became MSH, NTE"),
        ("PID|1\rPV1|1", "PV1|1\rPID|1", ["PID-3"], "segments came, went or moved: MSH, PID, PV1 became MSH, PV1, PID"),
        ("PID|1||a^b~c^d", "PID|1||a^b~x^d", ["PID-3.2"], "PID-3 changed from 'a^b~c^d' to 'a^b~x^d'"),
        ("PID|1||a^b~c^d", "PID|1||x^b~c^d", ["PID-3(2)"], "PID-3 changed from 'a^b~c^d' to 'x^b~c^d'"),
        ("PID|1||a^b", "PID|1||x^b", ["PID-3.2"], "PID-3 changed from 'a^b' to 'x^b'"),
        ("PID|1||a&b^c", "PID|1||x&b^c", ["PID-3.1.2"], "PID-3 changed from 'a&b^c' to 'x&b^c'"),
        ("PID|1||a", "PID|1||a|b", ["PID-3"], "PID-4 changed from nothing to 'b'"),
    ],
)
def test_what_is_not_named_is_said(before: str, after: str, allowed: list[str], said: str) -> None:
    """With what stood there and what stands there, and which segment of a name it is."""
    assert differences(before, after, *allowed) == [said]


def test_line_ends_count() -> None:
    """A message whose segments end otherwise is another message."""
    assert differences("PID|1\r", "PID|1\r\n") == ["the line ends differ"]


def test_bytes_of_no_character_set_are_shown() -> None:
    """A difference is said also where it cannot be decoded."""
    one, other = (Message.parse(HEAD.encode() + b"PID|" + end) for end in (b"\xff", b"1"))
    assert list(moved(one, other, [])) == [r"unchanged_except: PID-1 changed from '\\xff' to '1'"]
