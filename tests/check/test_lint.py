"""Findings stand where the mistake is, and say what was meant."""

import shutil
from pathlib import Path

import pytest

from engine.channel.site import load_site
from engine.check.channel_tests import run_tests
from engine.check.lint import lint

SITE = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path):
    for name in ("channels", "mappings"):
        shutil.copytree(SITE / name, tmp_path / name)
    shutil.copy(SITE / "config.yaml", tmp_path)
    return tmp_path


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_shipped_site_has_no_finding(site):
    """The negative control of every other test here."""
    assert lint(site) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "wanted"),
    [
        ("channels/adt.yaml", "from: adt", "from: adtt", "channels/adt.yaml:4:7 REF001"),
        ("channels/orders_to_pacs.yaml", "to: [pacs]", "to: [packs]", "REF001"),
        ("channels/adt.yaml", "owner:", "ovner:", "channels/adt.yaml:3:8 CFG010 'ovner' is not known here"),
        ("channels/adt.yaml", "from: adt", "from: adt\nfrom: lab", "CFG002 the key 'from' stands here twice"),
        ("channels/adt.yaml", "from: adt", "from: [adt", "CFG001"),
        ("channels/orders_to_pacs.yaml", "path: OBR-4.1", "path: OBR4", "CFG010"),
        ("channels/adt.yaml", "step: store_facts", "step: store_fact", "CFG010"),
        ("config.yaml", "port: 2575", "port: 257500", "config.yaml:6:11 CFG010"),
        ("config.yaml", "zone: America/Chicago", "zone: America/Chicag", "CFG010 this is no IANA time zone"),
        ("channels/adt.yaml", "tests:", "tests: []\nx_tests:", "CFG010"),
        ("channels/documents.yaml", "expect:", "expekt:", "TEST002"),
    ],
)
def test_a_mistake_is_found_where_it_stands(site, file, old, new, wanted):
    """File, line, column, code, and what was meant."""
    _edit(site / file, old, new)
    assert any(wanted in str(finding) for finding in lint(site)), [str(f) for f in lint(site)]


def test_a_meant_name_is_offered(site):
    """Did you mean."""
    _edit(site / "channels/adt.yaml", "from: adt", "from: adtt")
    assert str(lint(site)[0]).endswith("did you mean 'adt'?")


def test_advice_in_a_rule_is_refused(site):
    """Rendered text states facts and never what to do (C21)."""
    _edit(site / "mappings/relevance/contrast.yaml", 'h64: "', 'h64: "hold ')
    assert lint(site) != []


def test_a_channel_test_that_is_wrong_fails_and_says_what_it_got(site):
    """The tests inside channels can fail."""
    _edit(site / "channels/orders_to_pacs.yaml", 'starts: "!eGFR 24 (19Aug)"', 'starts: "!eGFR 25"')
    loaded = load_site(site)
    assert loaded.site is not None
    failed = [result for result in run_tests(loaded.site) if result.failures]
    assert [result.channel for result in failed] == ["orders_to_pacs"]
    assert "!eGFR 24 (19Aug)" in failed[0].failures[0]


def test_unchanged_except_names_every_other_place(site):
    """A field that moved without being named fails the test."""
    _edit(site / "channels/orders_to_pacs.yaml", "unchanged_except: [MSH-5, OBR-4, OBR-13", "unchanged_except: [OBR-13")
    loaded = load_site(site)
    assert loaded.site is not None
    failures = [line for result in run_tests(loaded.site) for line in result.failures]
    assert failures == ["unchanged_except: MSH-5 differs", "unchanged_except: OBR-4 differs"]
