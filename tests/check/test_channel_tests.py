"""The tests inside channels: what is given reaches the channel, and each unmet expectation is a plain sentence."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from engine.channel.expectations import ChannelTest
from engine.channel.site import Site, load_site
from engine.check.channel_tests import run_tests
from engine.source import read_yaml

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shipped() -> Site:
    loaded = load_site(ROOT)
    assert loaded.site is not None
    return loaded.site


def failures(site: Site, name: str, yaml: str) -> tuple[str, ...]:
    """Of one test, written as in a channel's file, put into this channel."""
    test = ChannelTest.model_validate({"test": "it", **read_yaml(yaml, "x").content})
    channels = [
        channel.model_copy(update={"tests": (test,)}) if channel.channel == name else channel
        for channel in site.channels
    ]
    (result,) = run_tests(site._replace(channels=tuple(channels)), [name])
    return result.failures


ORDER = "given: {message_file: samples/orm_ct_abdomen.hl7}\n"
EGFR = 'given: {message_file: samples/orm_ct_abdomen.hl7, context: [{concept: egfr, value: 24, unit: "mL/min/{1.73_m2}", observed: 2026-08-19}]}\n'
RESULT = "given: {message_file: samples/oru_egfr_24.hl7}\n"


@pytest.mark.parametrize(
    ("channel", "yaml", "said"),
    [
        ("orders_to_pacs", ORDER + "expect: {status: FAILED}", ["status: wanted FAILED, got TRANSFORMED"]),
        ("orders_to_pacs", RESULT + "expect: {sent: {}}", ["status: wanted TRANSFORMED, got FILTERED (the channel does not accept it)"]),
        ("orders_to_pacs", RESULT + "expect: {status: FILTERED, reason: {contains: accept}}", []),
        ("orders_to_pacs", RESULT + "expect: {status: FILTERED, reason: none}", ["reason: wanted 'none', got 'the channel does not accept it'"]),
        ("orders_to_pacs", ORDER + "expect: {enrichment: done}", ["enrichment: wanted 'done', got 'nothing'"]),
        ("orders_to_pacs", ORDER + "expect: {sent: {}}", ["sent: the message left for pacs as well"]),
        ("orders_to_pacs", ORDER + "expect: {sent: {pacs: {}, board: {}}}", ["sent: nothing left for board"]),
        ("orders_to_pacs", ORDER + "expect: {sent: {pacs: {MSH-5: EMR, OBR-77: x}}}", ["sent: pacs MSH-5: wanted 'EMR', got 'PACS'", "sent: pacs OBR-77: wanted 'x', got nothing"]),
        ("orders_to_pacs", ORDER + "expect: {sent: {pacs: {OBR-77: {starts: x}, OBR-18: {contains: CC}, OBR-13: ''}}}", ["sent: pacs OBR-77: wanted a text that starts 'x', got nothing"]),
        ("orders_to_pacs", ORDER + "expect: {sent: {pacs: {OBR-18: {absent: yes}, OBR-77: {absent: yes}}}}", ["sent: pacs OBR-18: wanted nothing, got 'ACC1'"]),
        ("orders_to_pacs", ORDER + "expect: {unchanged_except: [MSH-5]}", ["unchanged_except: OBR-4 changed from 'CTAP^CT ABD PELVIS W IV CONTRAST^L' to 'CTAPW^CT ABD PELVIS W IV CONTRAST^L'"]),
        ("orders_to_pacs", ORDER + "expect: {order: {accession: ACC1, modality: CT, scheduled: '2026-08-20 09'}}", []),
        ("orders_to_pacs", ORDER + "expect: {order: {accession: ACC2, scheduled: 2026-08-21}}", ["order: none has accession 'ACC2', scheduled '2026-08-21'; the first has accession 'ACC1', scheduled '2026-08-20 09:00'"]),
        ("results", RESULT + "expect: {order: {accession: A}}", ["order: none was kept"]),
        ("results", RESULT + "expect: {facts: []}", ["facts: wanted none, got lab egfr 24"]),
        ("results", RESULT + "expect: {facts: [{concept: egfr, value: 24, observed: 2026-08-19, ended: ''}]}", []),
        ("results", RESULT + "expect: {facts: [{concept: egfr, observed: 2026-08-18}, {kind: vital}]}", ["facts: none has concept 'egfr', observed '2026-08-18'; kept: lab egfr 24", "facts: none has kind 'vital'; kept: lab egfr 24"]),
        ("adt", "given: {message_file: samples/adt_a01_doe.hl7}\nexpect: {sent: {pacs: {MSH-5: x}}}", ["sent: nothing left for pacs"]),
    ],
)  # fmt: skip
def test_an_unmet_expectation_is_a_sentence(shipped: Site, channel: str, yaml: str, said: list[str]) -> None:
    """What was wanted and what was got; what is met, or not named, is not mentioned."""
    assert list(failures(shipped, channel, yaml)) == said


def test_a_fact_that_has_no_value_is_empty(shipped: Site) -> None:
    """`value: ""` of an allergy, which has none."""
    given = "given: {message_file: samples/adt_a01_doe.hl7}\n"
    assert failures(shipped, "adt", given + "expect: {facts: [{kind: allergy, value: '', ended: ''}]}") == ()
    (said,) = failures(shipped, "adt", given + "expect: {facts: [{kind: allergy, value: 1}]}")
    assert said.startswith("facts: none has kind 'allergy', value '1'; kept: ")


def test_a_failed_message_says_where(shipped: Site) -> None:
    """Step, place and reason of the outcome that was not wanted."""
    said = failures(
        shipped,
        "results",
        "given:\n  message: |\n    MSH|^~\\&|LAB|HOSP|B|H|20260819||ORU^R01|1|P|2.5.1\n    OBX|1|NM|1^X||1\nexpect: {facts: []}",
    )
    assert said == ("status: wanted TRANSFORMED, got FAILED (store_facts PID no PID; a patient is wanted)",)


@pytest.mark.parametrize(
    ("given", "headline"),
    [
        ('{concept: egfr, value: 24, unit: "mL/min/{1.73_m2}", observed: 2026-08-19}', "!eGFR 24 (19Aug)"),
        ('{concept: egfr, value: "<15", unit: "mL/min/{1.73_m2}", observed: 2026-08-19}', "!eGFR <15 (19Aug)"),
        ("{allergy: Iodinated contrast media, severity: SV, reaction: HIVES, observed: 2021-03-12}", "!CT-contrast rxn SEVERE 2021"),
        ("{problem: Dialysis, code: Z99.2, system: I10, observed: 2024-05}", "!dialysis"),
    ],
)  # fmt: skip
def test_what_is_given_in_shorthand_is_shown_as_a_feeds_would_be(shipped: Site, given: str, headline: str) -> None:
    """Results, allergies and diagnoses: read by the site's own concepts."""
    yaml = f"given: {{message_file: samples/orm_ct_abdomen.hl7, context: [{given}]}}\n"
    assert (
        failures(
            shipped, "orders_to_pacs", yaml + f"expect: {{sent: {{pacs: {{OBR-13: {{contains: '{headline}'}}}}}}}}"
        )
        == ()
    )


def test_a_medication_is_given_since_and_until(shipped: Site) -> None:
    """Metformin with an eGFR below 30 is shown while it is taken, and not after it ended."""
    egfr = '{concept: egfr, value: 24, unit: "mL/min/{1.73_m2}", observed: 2026-08-19}'
    for until, shown in (("", True), (", until: 2026-02-01", False)):
        drug = f"{{medication: metformin, since: 2026-01-01{until}}}"
        yaml = f"given: {{message_file: samples/orm_ct_abdomen.hl7, context: [{egfr}, {drug}]}}\n"
        expect = "expect: {sent: {pacs: {OBR-13: {contains: metformin}}}}"
        assert (failures(shipped, "orders_to_pacs", yaml + expect) == ()) is shown


def test_what_came_before_links_identifiers(shipped: Site, tmp_path: Path) -> None:
    """A result under the enterprise number is known to the order under the hospital's, once an ADT has named both."""
    samples = tmp_path / "channels" / "samples"
    shutil.copytree(ROOT / "channels" / "samples", samples)
    own, both = "12345^^^HOSP^MR", "12345^^^HOSP^MR~E77^^^ENT^PI"
    adt, result = samples / "adt_a01_doe.hl7", samples / "oru_egfr_24.hl7"
    adt.write_text(adt.read_text().replace(own, both))
    result.write_text(result.read_text().replace(own, "E77^^^ENT^PI"))
    site = shipped._replace(folder=tmp_path)
    given = "given: {message_file: samples/orm_ct_abdomen.hl7, before: [%ssamples/oru_egfr_24.hl7]}\n"
    expect = "expect: {sent: {pacs: {OBR-13: {contains: eGFR 24}}}}"
    assert failures(site, "orders_to_pacs", given % "samples/adt_a01_doe.hl7, " + expect) == ()
    assert failures(site, "orders_to_pacs", given % "" + expect) != ()


def test_what_is_given_and_cannot_be_read_fails_the_test(shipped: Site, tmp_path: Path) -> None:
    """A file that is gone, and one that is no message: the test says so, and the others go on."""
    (said,) = failures(shipped, "results", "given: {message_file: samples/gone.hl7}\nexpect: {}")
    assert said.endswith("channels/samples/gone.hl7 cannot be read: No such file or directory")
    (said,) = failures(shipped, "results", "given: {message: hello}\nexpect: {}")
    assert said.startswith("given: ")
    (said,) = failures(
        shipped, "orders_to_pacs", "given: {message_file: samples/orm_ct_abdomen.hl7, before: [x.hl7]}\nexpect: {}"
    )
    assert said.endswith("channels/x.hl7 cannot be read: No such file or directory")


def test_enrichment_and_the_time_of_arrival_are_given(shipped: Site) -> None:
    """`enrichment: off` passes the order through; `received` decides what is too old."""
    expect = "expect: {enrichment: %s}"
    assert failures(shipped, "orders_to_pacs", EGFR + expect % "done") == ()
    off = EGFR.replace("context:", "enrichment: 'off', context:")
    assert failures(shipped, "orders_to_pacs", off + expect % "'off'") == ()
    late = EGFR.replace("context:", "received: 2026-12-20, context:").replace(
        "orm_ct_abdomen.hl7", "orm_ct_abdomen.hl7"
    )
    assert failures(shipped, "orders_to_pacs", late + expect % "nothing") == ()


def test_a_feed_that_was_heard_makes_what_is_missing_missing(shipped: Site) -> None:
    """`heard: {lab: ...}`: only then may the order say that no eGFR is known (D13)."""
    heard = "given: {message_file: samples/orm_ct_abdomen.hl7, heard: {lab: 2026-01-01}}\n"
    expect = "expect: {sent: {pacs: {NTE-3: {contains: no eGFR}}}}"
    assert failures(shipped, "orders_to_pacs", heard + expect) == ()
    assert failures(shipped, "orders_to_pacs", ORDER + expect) != ()


def test_paths_and_texts_may_be_made_before(shipped: Site) -> None:
    """A test that was read once can be read again of itself."""
    yaml = "given: {message_file: a.hl7, received: 20260820}\nexpect: {sent: {pacs: {MSH-5: {starts: P}}}, facts: [{kind: lab}]}"
    content: dict[str, Any] = {"test": "it", **read_yaml(yaml, "x").content}
    test = ChannelTest.model_validate(content)
    assert ChannelTest.model_validate({"test": "it", "given": test.given, "expect": dict(test.expect)}) == test
