"""Message types and events of all versions."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.hl7.known import known_type

GENERATOR = Path(__file__).parents[2] / "tools" / "generate_known.py"


@pytest.mark.parametrize(
    ("code", "event", "known"),
    [
        ("ADT", "A01", True),
        ("ADT", "A61", True),
        ("ORM", "O01", True),
        ("OMI", "O23", True),
        ("OMG", "O19", True),
        ("ORU", "R01", True),
        ("MDM", "T11", True),
        ("RDE", "O11", True),
        ("ACK", "", True),
        ("ADT", "", True),
        ("ADT", "Q99", False),
        ("ADT", "a01", False),
        ("ZRD", "Z01", False),
        ("XXX", "A01", False),
        ("XXX", "", False),
        ("", "", False),
    ],
)
def test_types_and_events(code: str, event: str, known: bool) -> None:  # noqa: FBT001 - a table
    """A type of table 0076 and an event of table 0003, of any version; a site's own are not known here."""
    assert known_type(code, event) is known


def test_the_committed_set_is_what_the_tables_give() -> None:
    """tools/generate_known.py would write the same file again."""
    done = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "engine/hl7/known.py is up to date\n")
