"""Names of the standard."""

import subprocess
import sys

import pytest

from engine.hl7.dictionary import field_name, known_segment, segment_names
from engine.hl7.path import Path
from engine.hl7.versions import VERSIONS, library_version


@pytest.mark.parametrize(
    ("path", "version", "name"),
    [
        ("OBR-13", "2.5.1", "Relevant Clinical Information"),
        ("OBR-13", "2.3.1", "Relevant Clinical Info"),
        ("MSH-7", "2.5.1", "Date Time of Message"),
        ("PID-1", "2.5.1", "Set ID PID"),
        ("PID-3", "2.5.1", "Patient Identifier List"),
        ("PID-3(2).4", "2.5.1", "Patient Identifier List, Assigning Authority"),
        ("PID-3.4.2", "2.5.1", "Patient Identifier List, Assigning Authority, Universal ID"),
        (Path("OBX", 7, 5), "2.5.1", "Observation Value"),
        ("OBR-13", "2.9", "Relevant Clinical Information"),
        ("OBR-13", "what", "Relevant Clinical Information"),
    ],
)
def test_places_have_the_names_of_the_standard(path: str, version: str, name: str) -> None:
    """Field, component and subcomponent; a version that is unknown is read as 2.5.1."""
    assert field_name(path, version) == name


@pytest.mark.parametrize("path", ["ZDS-1", "OBR-99", "PID", "OBX-5.1", "PID-3.99", "PID-1.1", "PID-3.1.7", "PID.3", ""])
def test_a_place_without_a_name_is_empty(path: str) -> None:
    """Segments of the site, places that the version does not have, and what is no path."""
    assert field_name(path) == ""


def test_segments_of_a_version() -> None:
    """TQ1 came with 2.5; Z segments are in none."""
    assert known_segment("PID")
    assert not known_segment("TQ1", "2.4")
    assert known_segment("TQ1", "2.5")
    assert not known_segment("ZDS")
    assert {"MSH", "OBR"} <= segment_names("2.3")


@pytest.mark.parametrize(
    ("declared", "version"),
    [
        *zip(VERSIONS, VERSIONS, strict=True),
        ("2.7.1", "2.7"),
        ("2.9", "2.8.2"),
        ("2.0", None),
        ("3.0", None),
        ("", None),
        ("2", None),
        ("P", None),
    ],
)
def test_the_tables_that_read_a_version(declared: str, version: str | None) -> None:
    """Its own, else those of the latest version before it."""
    assert library_version(declared) == version


def test_hl7apy_is_loaded_only_where_it_is_asked() -> None:
    """Reading, changing and answering messages, and importing the dictionary, do not load it."""
    program = (
        "import sys\n"
        "from engine.hl7 import acknowledge, batch, conformance, datatypes, dictionary, groups, known, message, msh\n"
        "known.known_type('ADT', 'A01')\n"
        "assert not [name for name in sys.modules if name.startswith('hl7apy')]\n"
        "dictionary.field_name('PID-3')\n"
        "assert 'hl7apy' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
