"""The step that writes the patient's story into an order: whole messages, and every reason to leave one alone."""

import tarfile
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from engine.errors import StepError, Unreadable
from engine.hl7.message import Message
from engine.order.exam import parse_exams
from engine.patient.concept import parse_concepts
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage, Span
from engine.patient.fact import Fact
from engine.relevance.policy import Policy
from engine.relevance.profiles import ProfilesFile
from engine.relevance.rules import parse_rule_files
from engine.steps.draft import Draft, KeepSynopsis, Origin
from engine.steps.enrich import Enrich
from engine.steps.mappings import Mappings

ROOT = Path(__file__).parents[2]
MAPPINGS = ROOT / "mappings"
CORPUS = ROOT.parent / "shared" / "corpus" / "hl7-dev.tar.gz"
CHICAGO = ZoneInfo("America/Chicago")


def read(text: str) -> Any:
    """A document of the site as the engine reads it: every scalar is text."""
    return yaml.load(text, yaml.BaseLoader)  # noqa: S506 # makes texts, lists and maps only


EXAMPLE = read(Enrich.example)


def at(text: str) -> int:
    """UTC microseconds of a wall clock time in Chicago, `2026-08-19 06:10`."""
    return int(datetime.fromisoformat(text).replace(tzinfo=CHICAGO).timestamp()) * 1_000_000


NOW = at("2026-08-20 09:12")

ORDER = (
    rb"MSH|^~\&|RIS|HOSP|PACS|RAD|20260820091203-0500||ORM^O01|RIS0000042|P|2.3.1|||AL|NE||UNICODE UTF-8" + b"\r"
    b"PID|1||12345^^^HOSP&1.2.3.4&ISO^MR||DOE^JANE||19600101|F\r"
    b"PV1|1|O|RADCT||||||||||||||||V1^^^HOSP\r"
    b"ORC|NW|P1^EMR|F1^RIS||SC||^^^20260820093000-0500^^R||20260820091203-0500\r"
    b"OBR|1|P1^EMR|F1^RIS|CTAPW^CT ABD PELVIS W IV CONTRAST^L||||||||||||||ACC1|RP1|SPS1||||CT|||||||R10.9^Abdominal pain^I10\r"
    b"ZDS|1.2.840.99.1.42^HOSP^Application^DICOM\r"
)

ENRICHED = (
    rb"MSH|^~\&|RIS|HOSP|PACS|RAD|20260820091203-0500||ORM^O01|RIS0000042|P|2.3.1|||AL|NE||UNICODE UTF-8" + b"\r"
    b"PID|1||12345^^^HOSP&1.2.3.4&ISO^MR||DOE^JANE||19600101|F\r"
    b"PV1|1|O|RADCT||||||||||||||||V1^^^HOSP\r"
    b"AL1|1|DA|V08A^Iodinated contrast media^ATC|SV|HIVES~HYPOTENSION|20210312\r"
    b"ORC|NW|P1^EMR|F1^RIS||SC||^^^20260820093000-0500^^R||20260820091203-0500\r"
    b"OBR|1|P1^EMR|F1^RIS|CTAPW^CT ABD PELVIS W IV CONTRAST^L|||||||||"
    b"!eGFR 24 (19Aug); !CT-contrast rxn SEVERE 2021; metformin <EMR>"
    b"|||||ACC1|RP1|SPS1||||CT|||||||R10.9^Abdominal pain^I10\r"
    b"NTE|1||EMR CONTEXT 20Aug2026 09:12. SAFETY: "
    b"eGFR 24 mL/min/1.73m2 (19Aug 06:10; final; 31 on 30Jul; falling); below 30 [lab OBX, R01]. "
    b"Iodinated contrast: severe reaction 12Mar2021 (hives, hypotension) [adt AL1, R07]. "
    b"Metformin active since 05Jun, with eGFR below 30 or AKI [pharmacy RXE, R06]. "
    b"CONTEXT: Weight 82 kg (18Aug; final) [lab OBX, R88]. 4 findings shown, 3 safety.\r"
    b"OBX|1|NM|29463-7^BODY WEIGHT^LN||82|kg|||||F|||20260818\r"
    b"OBX|2|NM|98979-8^eGFR CKD-EPI 2021^LN||24|mL/min/{1.73_m2}|>=60|LL|||F|||20260819061000\r"
    b"ZDS|1.2.840.99.1.42^HOSP^Application^DICOM\r"
)


def fact(kind: str, concept: str, **more: Any) -> Fact:
    """A fact with the few values that a test is about."""
    base = dict.fromkeys(Fact._fields, "") | {"value": None}
    numbers = ("entry", "run", "ordinal", "observed", "ended", "version", "received")
    base |= dict.fromkeys(numbers, 0) | {"run": 1, "source": "lab", "patient": "HOSP|MR|12345"}
    fact.entries += 1  # type: ignore[attr-defined] # every fact of its own entry
    base |= {"kind": kind, "concept": concept, "entry": fact.entries}  # type: ignore[attr-defined]
    base |= {"key": f"{concept}:{fact.entries}", "received": at("2026-08-19 06:20")} | more  # type: ignore[attr-defined]
    return Fact(**base)


fact.entries = 0  # type: ignore[attr-defined]


def egfr(value: str, observed: str, **more: Any) -> Fact:
    return fact(
        "lab",
        "egfr",
        code="98979-8",
        system="LN",
        text="eGFR CKD-EPI 2021",
        **{
            "value": float(value),
            "value_text": value,
            "unit": "mL/min/{1.73_m2}",
            "reference": ">=60",
            "flag": "LL",
            "status": "F",
            "observed": at(observed),
            "path": "OBX[3]-5",
        }
        | more,
    )


def allergy(**more: Any) -> Fact:
    base = {
        "code": "V08A",
        "system": "ATC",
        "text": "Iodinated contrast media",
        "flag": "SV",
        "value_text": "HIVES, HYPOTENSION",
        "observed": at("2021-03-12"),
        "path": "AL1[1]-3",
        "source": "adt",
    }
    return fact("allergy", "iodinated_contrast", **(base | more))


def metformin(**more: Any) -> Fact:
    base = {
        "code": "6809",
        "system": "RXN",
        "text": "Metformin 500 mg",
        "status": "A",
        "observed": at("2026-06-05"),
        "path": "RXE-2",
        "source": "pharmacy",
    }
    return fact("medication", "metformin", **(base | more))


def weight(**more: Any) -> Fact:
    base = {
        "code": "29463-7",
        "system": "LN",
        "text": "Body weight",
        "value": 82.0,
        "value_text": "82",
        "unit": "kg",
        "status": "F",
        "observed": at("2026-08-18"),
        "path": "OBX[1]-5",
    }
    return fact("vital", "weight", **(base | more))


def story() -> list[Fact]:
    """The patient of the sample: falling eGFR, a severe contrast reaction, metformin, a weight."""
    return [egfr("31", "2026-07-30 08:00"), egfr("24", "2026-08-19 06:10"), allergy(), metformin(), weight()]


@pytest.fixture(scope="module")
def mappings() -> Mappings:
    """The mappings that are shipped, as far as the step reads them."""
    rules = sorted((MAPPINGS / "relevance").glob("*.yaml"))
    profiles = ProfilesFile.model_validate(read((MAPPINGS / "profiles.yaml").read_text("utf-8"))).profiles
    return Mappings(
        tables={},
        concepts=parse_concepts(read((MAPPINGS / "concepts.yaml").read_text("utf-8"))),
        exams=parse_exams(read((MAPPINGS / "exams.yaml").read_text("utf-8"))),
        rules=parse_rule_files([read(file.read_text("utf-8")) for file in rules]),
        policy=Policy.model_validate(read((MAPPINGS / "policy.yaml").read_text("utf-8"))),
        profiles=profiles,
    )


def draft(message: bytes = ORDER, facts: list[Fact] | None = None, charset: str = "utf-8", **more: Any) -> Draft:
    origin = Origin(9, 1, "ris", NOW, "HOSP", ("MR", "PI"), False, "America/Chicago")
    coverage = Coverage({"lab": Span(at("2026-01-01 00:00"), NOW)})
    context = PatientContext.of(frozenset({"HOSP|MR|12345"}), story() if facts is None else facts, coverage)
    return Draft(Message.parse(message, charset), origin, context, **more)


STEP = Enrich.model_validate(EXAMPLE)


def line(message: Message, name: str, number: int = 1) -> str:
    return message.all(name)[number - 1].raw.decode()


def test_the_sample_comes_out_whole(mappings: Mappings) -> None:
    """A CT with contrast gains the falling eGFR, the contrast reaction, metformin and the weight, and nothing else moves."""
    after = STEP.apply(draft(), mappings)
    assert after.message.to_er7() == ENRICHED
    assert after.enrichment == "done"
    assert after.owned == ("OBR-13", "AL1[1]", "NTE[1]", "OBX[1]", "OBX[2]")
    assert after.alerts == after.flags == ()


def test_the_synopsis_says_rule_threshold_source_and_origin(mappings: Mappings) -> None:
    """What `explain` prints: each line with its rule, its limit, the literature, and where the fact stood."""
    after = STEP.apply(draft(), mappings)
    (kept,) = after.effects
    assert isinstance(kept, KeepSynopsis)
    assert kept.synopsis.order == "ACC1"
    assert kept.synopsis.headline == "!eGFR 24 (19Aug); !CT-contrast rxn SEVERE 2021; metformin"
    assert [shown.rule for shown in kept.synopsis.shown] == ["R01", "R07", "R06", "R88"]
    egfr_shown = kept.synopsis.shown[0]
    assert egfr_shown.severity == "S"
    assert egfr_shown.value == "24"
    assert egfr_shown.place == "OBR-13+NTE+OBX"
    assert egfr_shown.threshold == "egfr below 30, 90 d before the exam"
    assert egfr_shown.source == "ACR-NKF consensus 2020, PMC7525144"
    assert egfr_shown.origin.endswith(" OBX[3]-5, final, observed 2026-08-19 06:10")


def test_enriching_twice_changes_nothing_more(mappings: Mappings) -> None:
    """An order that comes back with our words keeps them once: they are told from the clinician's by their marks."""
    once = STEP.apply(draft(), mappings)
    twice = STEP.apply(draft(once.message.to_er7()), mappings)
    assert twice.message.to_er7() == ENRICHED


def test_the_input_draft_is_not_changed(mappings: Mappings) -> None:
    """Steps return new drafts; the one that went in is what best effort falls back on."""
    before = draft()
    STEP.apply(before, mappings)
    assert before.message.to_er7() == ORDER
    assert before.effects == ()


def test_nothing_to_say_leaves_every_byte(mappings: Mappings) -> None:
    """A patient about whom nothing is known, with no laboratory ever heard: the order is the same bytes."""
    before = draft(facts=[])._replace(context=PatientContext.of(frozenset(), (), Coverage({})))
    after = STEP.apply(before, mappings)
    assert (after.message.to_er7(), after.enrichment, after.effects) == (ORDER, "nothing", ())


def test_the_switch_leaves_the_order(mappings: Mappings) -> None:
    """`backstory enrichment off` passes orders through untouched (D25)."""
    after = STEP.apply(draft(enrich=False), mappings)
    assert (after.message.to_er7(), after.enrichment) == (ORDER, "off")


@pytest.mark.parametrize(("control", "status"), [("CA", "CA"), ("DC", "CA"), ("XO", "CM"), ("CA", ""), ("SC", "CM")])
def test_cancelled_and_finished_orders_are_left_alone(mappings: Mappings, control: str, status: str) -> None:
    """CA, DC and CM orders leave as they came (T37)."""
    order = ORDER.replace(b"ORC|NW|P1^EMR|F1^RIS||SC|", f"ORC|{control}|P1^EMR|F1^RIS||{status}|".encode())
    after = STEP.apply(draft(order), mappings)
    assert (after.message.to_er7(), after.enrichment) == (order, "nothing")


def test_orders_of_other_departments_are_left_alone(mappings: Mappings) -> None:
    """A laboratory order is no imaging order, whatever is known about the patient."""
    order = ORDER.replace(b"CTAPW^CT ABD PELVIS W IV CONTRAST^L", b"CBC^COMPLETE BLOOD COUNT^L")
    order = order.replace(b"ACC1|RP1|SPS1||||CT|", b"|||||||LAB|").replace(b"|||||||LAB", b"||||||LAB")
    after = STEP.apply(draft(order), mappings)
    assert (after.message.to_er7(), after.enrichment) == (order, "nothing")


def test_an_order_without_an_exam_is_left_alone_beside_one_that_has(mappings: Mappings) -> None:
    """A drug (RXO) under an ORC of its own: only the exam gains a note."""
    drug = b"ORC|NW|P2^EMR|F2^RIS||SC\rRXO|^SALINE^L|500||mL\r"
    alone = ORDER[: ORDER.index(b"ORC|")] + drug
    after = STEP.apply(draft(alone), mappings)
    assert (after.message.to_er7(), after.enrichment) == (alone, "nothing")
    both = STEP.apply(draft(ORDER + drug), mappings).message
    assert both.to_er7().endswith(drug)
    assert (both.count("NTE"), both.get("OBR-13")) == (1, Message.parse(ENRICHED).get("OBR-13"))


def identity(family: str, born: str) -> Fact:
    return fact("demographics", "", text=family, value_text="JANE", code=born, flag="F")


def test_a_reused_number_shows_nobodys_facts(mappings: Mappings) -> None:
    """Birth date and family name both differ: the order leaves as it came, with one alert (D13b)."""
    after = STEP.apply(draft(facts=[*story(), identity("ROE", "19801231")]), mappings)
    assert (after.message.to_er7(), after.enrichment, after.effects) == (ORDER, "doubt", ())
    assert [alert.kind for alert in after.alerts] == ["identity_in_doubt"]
    assert "ROE" not in repr(after.alerts)


def test_an_order_of_two_patients_shows_nobodys_facts(mappings: Mappings) -> None:
    """The context is the first one's; an order below a second PID would carry it."""
    order = ORDER + ORDER[ORDER.index(b"PID|") :].replace(b"DOE^JANE", b"ROE^MAX")
    after = STEP.apply(draft(order), mappings)
    assert (after.message.to_er7(), after.enrichment) == (order, "doubt")
    assert [alert.kind for alert in after.alerts] == ["identity_in_doubt"]


@pytest.mark.parametrize(("family", "born"), [("ROE", "19600101"), ("DOE", "19801231"), ("", "")])
def test_one_difference_alone_is_no_doubt(mappings: Mappings, family: str, born: str) -> None:
    """A marriage or a typing error does not take the facts away."""
    assert STEP.apply(draft(facts=[*story(), identity(family, born)]), mappings).enrichment == "done"


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        (b"|P|2.3.1|", b"|T|2.3.1|"),
        (b"|P|2.3.1|", b"|D|2.3.1|"),
        (b"PV1|1|O|RADCT|||||||||||||", b"PV1|1|O|RADCT|||||||||||||VIP"),
    ],
)
def test_the_policy_withholds(mappings: Mappings, there: bytes, instead: bytes) -> None:
    """Test and training messages and marked persons leave as they came, and no synopsis is kept (D23)."""
    order = ORDER.replace(there, instead)
    assert order != ORDER
    after = STEP.apply(draft(order), mappings)
    assert (after.message.to_er7(), after.enrichment, after.effects) == (order, "withheld", ())


def test_confidential_facts_are_not_shown(mappings: Mappings) -> None:
    """A hidden code hides the fact although a rule would select it."""
    hidden = [
        allergy(code="F10.20", system="I10"),
        metformin(text="HIV and Metformin 500 mg"),
        egfr("24", "2026-08-19 06:10"),
    ]
    after = STEP.apply(draft(facts=hidden), mappings)
    text = after.message.to_er7()
    assert b"eGFR 24" in text
    assert b"contrast rxn" not in text
    assert b"etformin" not in text


def test_a_rule_that_throws_stops_the_step_by_name(mappings: Mappings) -> None:
    """The order then leaves as it came (D1); the error names the rule and never the patient."""

    class Throws:
        def hits(self, *_: object) -> list[Any]:
            raise ValueError("DOE^JANE")

    rules = mappings.rules
    broken = [rule._replace(checks=(rule.checks[0]._replace(when=Throws()),)) for rule in rules.rules]
    with pytest.raises(StepError) as caught:
        STEP.apply(draft(), mappings._replace(rules=type(rules)(broken, rules.agents)))
    assert "threw ValueError" in str(caught.value)
    assert "DOE" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_value_the_charset_lacks_stops_the_step(mappings: Mappings) -> None:
    """The error names the segment and no value."""
    with pytest.raises(StepError) as caught:
        STEP.apply(
            draft(facts=[allergy(text="Jod\u2010Kontrastmittel \u9020\u5f71\u5264")], charset="iso8859-1"), mappings
        )
    assert "\u9020" not in str(caught.value)
    assert caught.value.step == "enrich"


def test_without_context_the_step_says_so(mappings: Mappings) -> None:
    """A channel that forgot the context is a mistake of ours, not a patient without facts."""
    with pytest.raises(StepError, match="context"):
        STEP.apply(draft()._replace(context=None), mappings)


LATER = b"OBR|2|P2^EMR|F2^RIS|CTCW^CT CHEST W IV CONTRAST^L||||||||||||||ACC1|RP2|SPS2||||CT\r"


def test_every_obr_of_an_order_is_enriched_alike(mappings: Mappings) -> None:
    """Two procedures of one accession carry the same words, before ZDS (T38)."""
    order = ORDER.replace(b"ZDS|", LATER + b"ZDS|")
    after = STEP.apply(draft(order), mappings)
    message = after.message
    assert (
        message.get("OBR[1]-13")
        == message.get("OBR[2]-13")
        == "!eGFR 24 (19Aug); !CT-contrast rxn SEVERE 2021; metformin <EMR>"
    )
    assert [segment.name for segment in message.segments] == [
        *("MSH", "PID", "PV1", "AL1", "ORC", "OBR", "NTE", "OBX", "OBX", "OBR", "NTE", "OBX", "OBX", "ZDS"),
    ]
    assert line(message, "NTE", 1) == line(message, "NTE", 2)
    assert after.owned == ("OBR-13", "OBR[2]-13", "AL1[1]", "NTE[1]", "OBX[1]", "OBX[2]", "NTE[2]", "OBX[3]", "OBX[4]")
    assert len(after.effects) == 1


def test_set_ids_go_on_and_allergies_there_are_skipped(mappings: Mappings) -> None:
    """AL1 of the order stay and are not repeated (D11); notes and observations of the order stay before ours."""
    order = ORDER.replace(b"ORC|NW", b"AL1|1|DA|PEN^Penicillin^L\rORC|NW")
    order = order.replace(
        b"ZDS|",
        b"NTE|1||Please call\rDG1|1||R10.9^Abdominal pain^I10\rOBX|1|NM|8302-2^BODY HEIGHT^LN||1.7|m|||||F\rZDS|",
    )
    message = STEP.apply(draft(order), mappings).message
    assert [segment.name for segment in message.segments] == [
        *("MSH", "PID", "PV1", "AL1", "AL1", "ORC", "OBR", "NTE", "NTE", "DG1", "OBX", "OBX", "OBX", "ZDS"),
    ]
    assert line(message, "AL1", 2).startswith("AL1|2|DA|V08A^")
    assert line(message, "NTE", 2).startswith("NTE|2||EMR CONTEXT")
    assert line(message, "OBX", 2).startswith("OBX|2|NM|29463-7^BODY WEIGHT")
    again = ORDER.replace(b"ORC|NW", b"AL1|1|DA|X^IODINATED CONTRAST MEDIA^L\rORC|NW")
    assert STEP.apply(draft(again), mappings).message.count("AL1") == 1


def with_original(text: str) -> bytes:
    return ORDER.replace(b"^L||||||||||||||ACC1", f"^L|||||||||{text}|||||ACC1".encode())


def test_the_orders_own_text_is_kept_after_ours(mappings: Mappings) -> None:
    """Byte for byte, escapes included (T41)."""
    message = STEP.apply(draft(with_original("R/O appendicitis \\T\\ ileus")), mappings).message
    raw = message.all("OBR")[0].raw_field(13)
    assert raw == rb"!eGFR 24 (19Aug); !CT-contrast rxn SEVERE 2021; metformin <EMR> R/O appendicitis \T\ ileus"


def test_a_long_original_is_cut_at_a_word_and_whole_in_the_note(mappings: Mappings) -> None:
    """OBR-13 stays within its length and says where the rest is (C23)."""
    original = " ".join(["abdominal pain since Monday"] * 20)
    message = STEP.apply(draft(with_original(original)), mappings).message
    text = message.get("OBR-13") or ""
    assert len(text) <= 300
    assert text.startswith("!eGFR 24 (19Aug); ")
    assert text.endswith(" (cut, see NTE)")
    assert (message.get("NTE-3") or "").startswith(f"EMR CONTEXT 20Aug2026 09:12. ORDER TEXT: {original}. SAFETY: ")


def test_the_original_may_stand_first(mappings: Mappings) -> None:
    """For a receiver that cuts late: the order's text, then `EMR>` and ours; once more is the same."""
    example = EXAMPLE | {"carriers": [{"carrier": "OBR-13", "max": "300", "headline": "64", "keep_original": "before"}]}
    step = Enrich.model_validate(example)
    once = step.apply(draft(with_original("R/O appendicitis")), mappings)
    text = "R/O appendicitis EMR> !eGFR 24 (19Aug); !CT-contrast rxn SEVERE 2021; metformin"
    assert once.message.get("OBR-13") == text
    assert once.owned == ("OBR-13",)
    assert step.apply(draft(once.message.to_er7()), mappings).message.get("OBR-13") == text


def test_other_delimiters_are_the_messages_own(mappings: Mappings) -> None:
    """A message with delimiters of its own gains segments written with them (T46)."""
    order = ORDER.translate(bytes.maketrans(b"|^~&", b"#*!@"))
    after = STEP.apply(draft(order), mappings)
    assert b"\rAL1#1#DA#V08A*Iodinated contrast media*ATC#SV#HIVES!HYPOTENSION#20210312\r" in after.message.to_er7()
    assert b"NTE#1##EMR CONTEXT 20Aug2026 09:12. SAFETY: eGFR 24" in after.message.to_er7()


def test_line_ends_are_the_messages_own(mappings: Mappings) -> None:
    """A message whose lines end in LF leaves with LF everywhere."""
    after = STEP.apply(draft(ORDER.replace(b"\r", b"\n")), mappings)
    assert after.message.to_er7() == ENRICHED.replace(b"\r", b"\n")


def test_the_example_is_the_documented_one() -> None:
    """What `backstory steps enrich` prints is a valid step."""
    assert STEP.plan.relevant == 300
    assert STEP.plan.headline == 64
    assert STEP.plan.observations == {"lab", "vital"}


def test_pregnancy_of_the_order_itself_is_shown(mappings: Mappings) -> None:
    """PV1-15 B6 is a coded statement of the order: the exam is ionising, so it stands in the headline (R40)."""
    order = ORDER.replace(b"PV1|1|O|RADCT|||||||||||||||", b"PV1|1|O|RADCT||||||||||||B6|||").replace(
        b"19600101", b"20000101"
    )
    text = STEP.apply(draft(order, facts=[]), mappings).message.get("OBR-13") or ""
    assert text.startswith("!pregnancy 20Aug")
    assert "no hCG" not in text


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.exists(), reason="needs ../shared/corpus/hl7-dev.tar.gz")
def test_public_messages_keep_all_their_own_bytes(mappings: Mappings) -> None:
    """Take away what the step says it wrote, and every segment is as it came; a second time changes nothing."""
    enriched = 0
    with tarfile.open(CORPUS) as archive:
        for member in archive:
            file = archive.extractfile(member)
            raw = file.read() if file else b""
            if b"OBR|" not in raw:
                continue
            try:
                before = draft(raw)
            except Unreadable:  # the listener quarantines these
                continue
            after = STEP.apply(before, mappings)
            if after.enrichment != "done":
                assert after.message.to_er7() == raw
                continue
            enriched += 1
            back = after.message
            for path in reversed([path for path in after.owned if "-" not in path]):
                back = back.without(path)
            own, left = before.message.segments, back.segments
            assert [segment.name for segment in own] == [segment.name for segment in left]
            assert all(one.raw == other.raw for one, other in zip(own, left, strict=True) if one.name != "OBR")
            assert STEP.apply(draft(after.message.to_er7()), mappings).message == after.message
    assert enriched > 100
