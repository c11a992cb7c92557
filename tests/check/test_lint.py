"""Findings stand where the mistake is, and say what was meant."""

import pytest

from engine.app import network, supervisor, worker
from engine.channel.site import load_site
from engine.check.channel_tests import run_tests
from engine.check.lint import lint
from tests.site_copy import copied, edit


@pytest.fixture
def site(tmp_path):
    return copied(tmp_path)


def test_the_shipped_site_has_no_finding(site):
    """The negative control of every other test here."""
    assert lint(site) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "wanted"),
    [
        ("channels/adt.yaml", "from: adt", "from: adtt", "channels/adt.yaml:4:7 REF001"),
        ("channels/orders_to_pacs.yaml", "to: [pacs]", "to: [packs]", "channels/orders_to_pacs.yaml:27:6 REF002"),
        (
            "channels/adt.yaml",
            "owner:",
            "ovner:",
            "channels/adt.yaml:3:1 CFG011 'ovner' is not known here; did you mean owner?",
        ),
        ("channels/adt.yaml", "from: adt", "from: adt\nfrom: lab", "CFG002 the key 'from' stands here twice"),
        ("channels/adt.yaml", "from: adt", "from: [adt", "CFG001"),
        ("channels/orders_to_pacs.yaml", "path: OBR-4.1", "path: OBR4", "CFG010"),
        (
            "channels/adt.yaml",
            "step: store_facts",
            "step: store_fact",
            "CFG013 there is no step 'store_fact'; did you mean store_facts?",
        ),
        ("channels/adt.yaml", "tests:", "refresh: {control: XO}\ntests:", "CFG020 'refresh' is not built yet"),
        ("channels/adt.yaml", "MSH-9: [ADT]", "MSH-9: [ADTT]", "TYP001"),
        ("channels/orders_to_pacs.yaml", "path: OBR-4.1", "path: OBR-444", "PTH001 no version of HL7 has OBR-444"),
        ("channels/orders_to_pacs.yaml", "table: procedure_codes", "table: procedure_code", "REF003"),
        ("channels/adt.yaml", "samples/adt_a01_doe", "samples/adt_a01_dow", "TST002"),
        ("channels/adt.yaml", "channel: adt", "channel: adt2", "CHN001"),
        ("config.yaml", "port: 2576", "port: 2575", "the listener adt has this port already"),
        ("config.yaml", "port: 2575", "port: 257500", "config.yaml:6:11 CFG010"),
        ("config.yaml", "zone: America/Chicago", "zone: America/Chicag", "CFG010 this is no IANA time zone"),
        ("channels/adt.yaml", "tests:", "tests: []\nx_tests:", "CFG011"),
        ("channels/documents.yaml", "expect:", "expekt:", "CFG011"),
    ],
)
def test_a_mistake_is_found_where_it_stands(site, file, old, new, wanted):
    """File, line, column, code, and what was meant."""
    edit(site / file, old, new)
    assert any(wanted in str(finding) for finding in lint(site)), [str(f) for f in lint(site)]


def test_a_meant_name_is_offered(site):
    """Did you mean."""
    edit(site / "channels/adt.yaml", "from: adt", "from: adtt")
    assert str(lint(site)[0]).endswith("did you mean adt?")


@pytest.mark.parametrize("name", ["supervisor", "network", "worker"])
def test_a_channel_is_not_called_like_a_process(site, name):
    """They would write into one log; the names are those under which the processes log."""
    assert name in {module.NAME for module in (supervisor, network, worker)}
    edit(site / "channels/adt.yaml", "channel: adt", f"channel: {name}")
    (site / "channels/adt.yaml").rename(site / "channels" / f"{name}.yaml")
    (found,) = [finding for finding in lint(site) if "CHN001" in str(finding)]
    assert f"{name} is a process" in str(found)


def test_advice_in_a_rule_is_refused(site):
    """Rendered text states facts and never what to do (C21)."""
    edit(site / "mappings/relevance/contrast.yaml", 'h64: "', 'h64: "hold ')
    assert lint(site) != []


def test_a_channel_test_that_is_wrong_fails_and_says_what_it_got(site):
    """The tests inside channels can fail."""
    edit(site / "channels/orders_to_pacs.yaml", 'starts: "!eGFR 24 (19Aug)"', 'starts: "!eGFR 25"')
    loaded = load_site(site)
    assert loaded.site is not None
    failed = [result for result in run_tests(loaded.site) if result.failures]
    assert [result.channel for result in failed] == ["orders_to_pacs"]
    assert "!eGFR 24 (19Aug)" in failed[0].failures[0]


def test_unchanged_except_names_every_other_place(site):
    """A field that moved without being named fails the test."""
    edit(site / "channels/orders_to_pacs.yaml", "unchanged_except: [MSH-5, OBR-4, OBR-13", "unchanged_except: [OBR-13")
    loaded = load_site(site)
    assert loaded.site is not None
    failures = [line for result in run_tests(loaded.site) for line in result.failures]
    assert [line.partition(" changed from ")[0] for line in failures] == [
        "unchanged_except: MSH-5",
        "unchanged_except: OBR-4",
    ]
    assert failures[0] == "unchanged_except: MSH-5 changed from 'BACKSTORY' to 'PACS'"


def test_the_context_of_a_test_may_be_given_in_shorthand(site):
    """The facts of the shorthand reach the order as those of a feed would."""
    before = (
        "before: [samples/adt_a01_doe.hl7, samples/oru_egfr_31.hl7, samples/oru_egfr_24.hl7, samples/oru_weight.hl7,"
    )
    context = 'context: [{concept: egfr, value: 24, unit: "mL/min/{1.73_m2}", observed: 2026-08-19}]'
    path = site / "channels/orders_to_pacs.yaml"
    text = path.read_text()
    start = text.index(before)
    path.write_text(text[:start] + context + text[text.index("]", start) + 1 :])
    loaded = load_site(site)
    assert loaded.site is not None, loaded.findings
    assert [result.failures for result in run_tests(loaded.site, ["orders_to_pacs"]) if result.failures] == []
