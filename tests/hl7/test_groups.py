"""Order groups: which ORC and which detail segment belong together."""

import pytest

from engine.hl7.groups import order_groups
from tests.hl7.build import message


def shape(*names: str) -> list[tuple[str, str, str, str, int, int]]:
    """ORC, detail, others, shared ORC, start and end of each group; segments are shown with their number."""
    parsed = message(*(name.encode("ascii") for name in names))

    def named(segment: object) -> str:
        return "" if segment is None else f"{segment.name}{segment.index}"

    return [
        (named(one.orc), named(one.detail), " ".join(map(named, one.others)), named(one.shared_orc), one.start, one.end)
        for one in order_groups(parsed)
    ]


@pytest.mark.parametrize(
    ("names", "groups"),
    [
        ("PID PV1", []),
        ("PID ORC OBR NTE OBX ZDS", [("ORC2", "OBR3", "NTE4 OBX5 ZDS6", "", 2, 7)]),
        ("PID ORC TQ1 OBR", [("ORC2", "OBR4", "TQ13", "", 2, 5)]),
        ("ORC OBR ORC OBR", [("ORC1", "OBR2", "", "", 1, 3), ("ORC3", "OBR4", "", "", 3, 5)]),
        (
            "ORC OBR NTE OBR OBR",
            [("ORC1", "OBR2", "NTE3", "", 1, 4), ("", "OBR4", "", "ORC1", 4, 5), ("", "OBR5", "", "ORC1", 5, 6)],
        ),
        ("OBR OBX OBR OBX", [("", "OBR1", "OBX2", "", 1, 3), ("", "OBR3", "OBX4", "", 3, 5)]),
        ("ORC NTE", [("ORC1", "", "NTE2", "", 1, 3)]),
        ("ORC ORC OBR", [("ORC1", "", "", "", 1, 2), ("ORC2", "OBR3", "", "", 2, 4)]),
        ("ORC RXO RXR RXE TQ1 RXR", [("ORC1", "RXE4", "RXO2 RXR3 TQ15 RXR6", "", 1, 7)]),
        ("ORC RXE RXR RXE RXR", [("ORC1", "RXE2", "RXR3", "", 1, 4), ("", "RXE4", "RXR5", "ORC1", 4, 6)]),
        ("ORC RXO RXE RXD RXA", [("ORC1", "RXD4", "RXO2 RXE3", "", 1, 5), ("", "RXA5", "", "ORC1", 5, 6)]),
        ("ORC OBR RXE", [("ORC1", "OBR2", "", "", 1, 3), ("", "RXE3", "", "ORC1", 3, 4)]),
        ("ORC OBR TXA OBX", [("ORC1", "OBR2", "", "", 1, 3)]),
        ("PID OBR OBX PID OBR OBX", [("", "OBR2", "OBX3", "", 2, 4), ("", "OBR5", "OBX6", "", 5, 7)]),
        ("ORC OBR PID OBR", [("ORC1", "OBR2", "", "", 1, 3), ("", "OBR4", "", "", 4, 5)]),
        ("ORC OBR DSC", [("ORC1", "OBR2", "", "", 1, 3)]),
    ],
)
def test_orders_of_a_message(names: str, groups: list[tuple[str, str, str, str, int, int]]) -> None:
    """A group begins at ORC, or at a detail that has none; a pharmacy chain is one order, its last segment counts."""
    assert shape(*names.split()) == groups
