"""The step that keeps facts: what ADT, ORU, MDM and pharmacy orders say, exactly as they say it."""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import StepError
from engine.hl7.message import Message
from engine.patient.concept import parse_concepts
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage
from engine.patient.fact import Demographics, Fact
from engine.steps import draft as effects
from engine.steps.draft import Draft, Origin
from engine.steps.store_facts import StoreFacts

MAPPINGS = Path(__file__).parents[2] / "mappings"


class Mappings:
    """Only the part this step looks at."""

    concepts = parse_concepts(yaml.load((MAPPINGS / "concepts.yaml").read_text(encoding="utf-8"), yaml.BaseLoader))  # noqa: S506


SITE: Any = Mappings()
STEP = StoreFacts(step="store_facts")


def at(text: str) -> int:
    """UTC microseconds of an ISO time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


NOW = at("2026-08-20 15:00")
SENT = at("2026-08-20 14:12:03")


def origin(entry: int = 7) -> Origin:
    return Origin(entry, 1, "feed", NOW, "HOSP", ("MR", "PI"), strip_zeros=False, zone="America/Chicago")


def run(*segments: str, step: StoreFacts = STEP, entry: int = 7) -> Draft:
    message = Message.parse("\r".join(segments).encode())
    draft = step.apply(Draft(message, origin(entry), None), SITE)
    assert draft.message is message
    return draft


def rows(draft: Draft) -> list[Fact]:
    return [fact for effect in draft.effects if isinstance(effect, effects.StoreFacts) for fact in effect.facts]


def kept(draft: Draft) -> list[Fact]:
    """The rows but whom the message names."""
    return [fact for fact in rows(draft) if fact.kind != "person"]


def facts(*segments: str, kind: str = "", entry: int = 7) -> list[Fact]:
    draft = run(*segments, entry=entry)
    return [fact for fact in rows(draft) if fact.kind == kind] if kind else kept(draft)


def head(kind: str, sent: str = "20260820091203-0500") -> str:
    return f"MSH|^~\\&|A|HOSP|B|C|{sent}||{kind}|1|P|2.5.1"


PID = "PID|1||12345^^^HOSP^MR||DOE^JANE||19600101|F"
PV1 = "PV1|1|I|W1||||||||||||||||V1^^^HOSP"
ADT, ORU = head("ADT^A08"), head("ORU^R01")
OBR = "OBR|1|P1|F1|BMP^Basic^L|||20260819061000|||||||||||||||20260819090000|||F"
EGFR = "OBX|1|NM|98979-8^eGFR CKD-EPI 2021^LN||24|mL/min/{1.73_m2}|>=60|LL|||F|||20260819061500"


class TestAdt:
    """Who the patient is, allergies, diagnoses."""

    def test_demographics_are_kept_place_by_place(self) -> None:
        """As a whole set, so that a repeat is dropped; a deleted place stays deleted (T27)."""
        draft = run(ADT, 'PID|1||12345^^^HOSP^MR||DE LA&DE^JANE||""|F', PV1)
        (effect,) = draft.effects
        assert isinstance(effect, effects.StoreFacts)
        assert (effect.patient, effect.snapshots) == ("HOSP|MR|12345", (("demographics", ""),))
        person, marker = effect.facts
        assert (person.kind, person.text, person.value_text, person.code, person.flag) == (
            *("demographics", "DE LA", "JANE", '""', "F"),
        )
        assert (marker.kind, marker.text, marker.visit) == ("snapshot", "demographics", "")
        context = PatientContext.of(frozenset({"HOSP|MR|12345"}), effect.facts, Coverage({}))
        assert context.demographics == Demographics("DE LA", "JANE", "", "F")

    def test_an_allergy_keeps_all_it_says(self) -> None:
        """AL1-3 as sent, severity, reactions joined, date, class, place."""
        al1 = "AL1|1|DA|V08A^Iodinated contrast media^ATC|SV|HIVES~HYPOTENSION|20210312"
        (fact,) = facts(ADT, PID, PV1, al1, kind="allergy")
        assert fact == Fact(
            patient="HOSP|MR|12345",
            entry=7,
            run=1,
            ordinal=300,
            kind="allergy",
            concept="iodinated_contrast",
            code="V08A",
            system="ATC",
            text="Iodinated contrast media",
            value=None,
            comparator="",
            value_text="HIVES, HYPOTENSION",
            unit="",
            reference="",
            flag="SV",
            status="",
            certainty="",
            observed=at("2021-03-12 06:00"),
            ended=0,
            version=SENT,
            received=NOW,
            visit="",
            key="ATC:V08A",
            path="AL1[1]-3",
            source="feed",
            quote="Iodinated contrast media SV HIVES, HYPOTENSION",
        )

    def test_no_known_allergies_is_kept_as_that(self) -> None:
        """T30: an assertion with its date, and no allergen."""
        (fact,) = facts(ADT, PID, "AL1|1|DA|^NKDA|||20250101", kind="allergy")
        assert (fact.certainty, fact.concept, fact.text) == ("none_known", "", "NKDA")

    def test_three_states_of_a_list(self) -> None:
        """T26: no AL1 says nothing; AL1-3 `""` empties the list; rows that hold nothing replace nothing."""
        assert run(ADT, PID).effects[0].snapshots == (("demographics", ""),)  # type: ignore[union-attr]
        emptied = kept(run(ADT, PID, 'AL1|1||""'))
        assert [(fact.kind, fact.text) for fact in emptied if fact.path == "AL1"] == [("snapshot", "allergy")]
        draft = run(ADT, PID, "AL1|1|DA|")
        assert "allergy" not in {fact.text for fact in kept(draft)}
        assert draft.flags == ("allergy_list_says_nothing AL1",)

    def test_a_list_through_the_context(self) -> None:
        """A removed row is gone with the next list, and an update without AL1 keeps it."""
        first = facts(ADT, PID, "AL1|1|DA|^Latex", "AL1|2|DA|^Shellfish", entry=1)
        second = facts(ADT, PID, entry=2)
        third = facts(ADT, PID, "AL1|1|DA|^Shellfish", entry=3)
        who = frozenset({"HOSP|MR|12345"})
        assert len(PatientContext.of(who, first + second, Coverage({})).current("allergy")) == 2
        (left,) = PatientContext.of(who, first + second + third, Coverage({})).current("allergy")
        assert left.concept == "seafood"

    def test_a_row_named_twice_keeps_both(self) -> None:
        """Two rows of one allergen may differ in severity; neither hides the other."""
        found = facts(ADT, PID, "AL1|1|DA|^Omnipaque|MI", "AL1|2|DA|^Omnipaque|SV", kind="allergy")
        assert [fact.key for fact in found] == ["OMNIPAQUE", "OMNIPAQUE#2"]

    def test_two_codings_that_disagree_name_nothing(self) -> None:
        """The allergy is kept as sent."""
        (fact,) = facts(ADT, PID, "AL1|1|DA|1^Shellfish^L^V08A^Iodinated contrast^ATC", kind="allergy")
        assert (fact.concept, fact.code, fact.text) == ("", "V08A", "Iodinated contrast")

    def test_a_second_coding_speaks_where_the_first_says_nothing(self) -> None:
        """A local code first, its standard one second; "none known" in either is that."""
        (fact,) = facts(ADT, PID, "AL1|1|DA|77^Agent 77^L^88^Omnipaque^L2", kind="allergy")
        assert (fact.concept, fact.code) == ("iodinated_contrast", "77")
        (fact,) = facts(ADT, PID, "AL1|1|DA|0^No information^L^716186003^No known allergy^SCT", kind="allergy")
        assert (fact.certainty, fact.concept) == ("none_known", "")

    def test_a_merge_says_that_it_is_not_applied(self) -> None:
        """Nobody may believe that the old number's facts are shown under the new one."""
        assert run(head("ADT^A40"), PID, "MRG|9^^^HOSP^MR").flags == ("merge_not_applied MRG-1",)
        assert run(ADT, PID).flags == ()

    def test_a_pid_that_says_nothing_of_the_person_is_no_demographics(self) -> None:
        """Only the number: what is known stays known."""
        assert run(ADT, "PID|1||12345^^^HOSP^MR").effects == ()

    def test_diagnoses_belong_to_their_visit(self) -> None:
        """DG1 as the list of PV1-19, coded by DG1-3 or in words by DG1-4; DG1-21 D takes a row out."""
        draft = run(
            ADT,
            PID,
            PV1,
            "DG1|1||K74.60^Cirrhosis of liver^I10||20230501|W",
            "DG1|2|I10|N18.6|||W",
            "DG1|3|||End stage renal disease",
            "|".join(["DG1", "4", "", "N17.9^AKI^I10", *[""] * 17, "D"]),
        )
        found = [fact for fact in kept(draft) if fact.kind == "problem"]
        assert [(fact.concept, fact.system, fact.visit) for fact in found] == [
            ("cirrhosis", "I10", "V1"),
            ("dialysis", "I10", "V1"),
            ("dialysis", "", "V1"),
        ]
        assert found[0].observed == at("2023-05-01 05:00")
        assert found[1].observed == 0
        assert ("problem", "V1") in draft.effects[0].snapshots  # type: ignore[union-attr]

    def test_weight_of_an_adt(self) -> None:
        """An OBX outside any OBR is a vital sign of MSH-7's time."""
        (fact,) = facts(ADT, PID, "OBX|1|NM|29463-7^BODY WEIGHT^LN||82|kg|||||F", kind="vital")
        assert (fact.concept, fact.value, fact.unit, fact.observed) == ("weight", 82.0, "kg", SENT)

    def test_identifiers_listed_together_are_linked(self) -> None:
        """By an ADT only, and only preferred types."""
        both = PID.replace("12345^^^HOSP^MR", "99^^^ENT^PI~12345^^^HOSP^MR~7^^^SSA^SS")
        draft = run(ADT, both)
        (link,) = [effect for effect in draft.effects if isinstance(effect, effects.Identify)]
        ((event),) = link.events
        assert (event.event, event.a, event.b) == ("link", "ENT|PI|99", "HOSP|MR|12345")
        social = PID.replace("12345^^^HOSP^MR", "12345^^^HOSP^MR~7^^^SSA^SS")
        for draft in (run(ORU, both, OBR, EGFR), run(ADT, social)):
            assert not any(isinstance(effect, effects.Identify) for effect in draft.effects)

    @pytest.mark.parametrize("event", ["A11", "A13", "A23", "A29"])
    def test_what_takes_a_visit_back_is_no_news(self, event: str) -> None:
        """T29: its lists replace nothing."""
        assert run(head(f"ADT^{event}"), PID, PV1, "AL1|1|DA|^Latex").effects == ()


class TestNames:
    """Whom a message that registers nobody names (D13b)."""

    def test_it_is_kept_beside_the_facts_until_it_changes(self) -> None:
        """Family name, given name, birth date and sex, as a set of its listener; none without facts."""
        (effect,) = (one for one in run(ORU, PID, OBR, EGFR).effects if isinstance(one, effects.StoreFacts))
        (person,) = (fact for fact in effect.facts if fact.kind == "person")
        assert (person.text, person.value_text, person.code, person.flag) == ("DOE", "JANE", "19600101", "F")
        assert effect.snapshots == (("person", person.source),)
        assert not facts(ORU, PID, OBR, kind="person")
        (nobody,) = facts(ORU, "PID|1||12345^^^HOSP^MR", OBR, EGFR, kind="person")
        assert (nobody.text, nobody.code) == ("", "")  # what its listener named before is no word about this message
        assert len(facts(ADT, PID, PV1, EGFR, kind="person")) == 1  # results in a registration
        assert not facts(ADT, PID, PV1, "AL1|1|DA|^Latex", kind="person")


class TestContradictions:
    """What says two things at once."""

    def test_a_denied_allergy_with_a_reaction_is_possible(self) -> None:
        """`tolerated` beside hives: one of them is wrong, so it is shown as possible; alone it is refuted."""
        denied = "AL1|1|DA|^Iodinated contrast media - tolerated"
        assert facts(ADT, PID, denied, kind="allergy")[0].certainty == "refuted"
        assert facts(ADT, PID, f"{denied}|SV|HIVES", kind="allergy")[0].certainty == "possible"
        assert facts(ADT, PID, f"{denied}||HIVES", kind="allergy")[0].certainty == "possible"

    def test_an_order_the_pharmacy_cannot_accept_is_no_use(self) -> None:
        """ORC-1 UA, table 0119."""
        drug = "RXE|^^^20260801|6809^metformin^RXN|500||mg|TAB"
        rde = head("RDE^O11")
        assert facts(rde, PID, "ORC|NW|M1", drug, kind="medication")[0].status == "A"
        assert facts(rde, PID, "ORC|UA|M1", drug, kind="medication")[0].status == "D"


class TestResults:
    """OBX of an ORU."""

    def test_a_result_keeps_all_it_says(self) -> None:
        """Value, comparator, unit, range, flag, status, times, version, key, quote."""
        (fact,) = facts(ORU, PID, PV1, OBR, EGFR, "NTE|1||called to Dr. X")
        assert fact == Fact(
            patient="HOSP|MR|12345",
            entry=7,
            run=1,
            ordinal=400,
            kind="lab",
            concept="egfr",
            code="98979-8",
            system="LN",
            text="eGFR CKD-EPI 2021",
            value=24.0,
            comparator="",
            value_text="24",
            unit="mL/min/{1.73_m2}",
            reference=">=60",
            flag="LL",
            status="F",
            certainty="",
            observed=at("2026-08-19 11:15"),
            ended=0,
            version=at("2026-08-19 14:00"),
            received=NOW,
            visit="V1",
            key="F1|98979-8||20260819",
            path="OBX[1]-5",
            source="feed",
            quote="eGFR CKD-EPI 2021 24 mL/min/{1.73_m2} (called to Dr. X)",
        )

    @pytest.mark.parametrize(
        ("kind", "sent", "words", "value", "comparator"),
        [
            ("NM", "24", "24", 24.0, ""),
            ("NM", ">60", ">60", 60.0, ">"),
            ("ST", ">=90", ">=90", 90.0, ">="),
            ("SN", ">^60", ">60", 60.0, ">"),
            ("SN", "^24", "24", 24.0, ""),
            ("SN", "^1^:^128", "1:128", None, ""),
            ("ST", "HEMOLYZED", "HEMOLYZED", None, ""),
            ("NM", "60+", "60+", None, ""),
            ("NM", "2,4", "2,4", None, ""),
            ("NM", "\u0661\u0662", "\u0661\u0662", None, ""),
            ("CE", "260373001^Detected^SCT", "Detected", None, ""),
            ("CWE", "LA1", "LA1", None, ""),
            ("CWE", "^^^^^^^^Phoenix", "Phoenix", None, ""),
            ("ST", "a~b", "a, b", None, ""),
        ],
    )
    def test_values_are_kept_as_sent(
        self, kind: str, sent: str, words: str, value: float | None, comparator: str
    ) -> None:
        """T2, T10: a comparator is kept, a text is no number, other scripts' digits neither."""
        (fact,) = facts(ORU, PID, OBR, f"OBX|1|{kind}|X^Some Test^L||{sent}||||||F")
        assert (fact.value_text, fact.value, fact.comparator) == (words, value, comparator)

    def test_an_unescaped_caret_of_a_unit_belongs_to_it(self) -> None:
        """10^3/uL, as many laboratories send it."""
        (fact,) = facts(ORU, PID, OBR, "OBX|1|NM|777-3^Platelets^LN||150|10^3/uL|150-400||||F")
        assert (fact.unit, fact.concept) == ("10^3/uL", "platelets")
        (fact,) = facts(ORU, PID, OBR, "OBX|1|NM|718-7^HGB^LN||9|g/dL^gram per deciliter^UCUM|||||F")
        assert (fact.unit, fact.concept) == ("g/dL", "hgb")

    @pytest.mark.parametrize(
        ("value", "reference", "concept", "unit"),
        [
            ("88", "50-110", "creatinine", "umol/L"),
            ("0.9", "0.6-1.3", "creatinine", "mg/dL"),
            ("88", "", "", ""),
            ("88", "0.6-1.3", "", ""),
        ],
    )
    def test_a_creatinine_without_unit(self, value: str, reference: str, concept: str, unit: str) -> None:
        """T1, C25: told by value and range together, and the quote says so; else raw."""
        (fact,) = facts(ORU, PID, OBR, f"OBX|1|NM|2160-0^Creatinine^LN||{value}||{reference}||||F")
        assert (fact.concept, fact.unit, "unit not sent" in fact.quote) == (concept, unit, bool(unit))

    def test_a_loinc_code_in_second_place_counts(self) -> None:
        """The standard code is kept as the code, the key goes by what the sender put first."""
        (fact,) = facts(ORU, PID, OBR, "OBX|1|NM|CREA^Creatinine^L^2160-0^Creatinine^LN||2.4|mg/dL|||||F")
        assert (fact.code, fact.system, fact.concept, fact.key) == (
            *("2160-0", "LN", "creatinine", "F1|CREA||20260819"),
        )
        (fact,) = facts(ORU, PID, OBR, "OBX|1|NM|K^Potassium^L^2160-0^Creatinine^LN||2.4|mmol/L|||||F")
        assert fact.concept == ""

    def test_a_urine_specimen_is_no_blood_value(self) -> None:
        """OBR-15 and SPM-4."""
        obr = "|".join(["OBR", "1", "P1", "F1", "U^Chem^L", *[""] * 10, "UR^Urine"])
        obx = "OBX|1|NM|CREA^Creatinine^L||90|mg/dL|||||F"
        assert facts(ORU, PID, obr, obx)[0].concept == ""
        assert facts(ORU, PID, OBR, obx, "SPM|1|||UR^Urine")[0].concept == ""
        assert facts(ORU, PID, OBR, obx, "SPM|1|||SER^Serum")[0].concept == "creatinine"

    @pytest.mark.parametrize(
        ("report", "observation", "status"),
        [
            ("F", "F", "F"),
            ("F", "", "F"),
            ("", "P", "P"),
            ("C", "F", "C"),
            ("F", "P", "F"),
            ("F", "W", "W"),
            ("X", "F", "X"),
            ("A", "P", "P"),
            ("", "", ""),
            ("P", "C", "C"),
        ],
    )
    def test_the_stricter_status_wins(self, report: str, observation: str, status: str) -> None:
        """OBR-25 against OBX-11 (T14, rules.md 3.0.25)."""
        obr = OBR.removesuffix("F") + report
        (fact,) = facts(ORU, PID, obr, EGFR.replace("|||F|||", f"|||{observation}|||"))
        assert fact.status == status

    def test_a_correction_and_a_withdrawal_through_the_context(self) -> None:
        """T13: C replaces F, W leaves nothing; a preliminary value that arrives late changes nothing (T16)."""
        first = facts(ORU, PID, OBR, EGFR, entry=1)
        corrected = facts(
            ORU,
            PID,
            OBR.replace("20260819090000", "20260819110000"),
            EGFR.replace("||24|", "||42|").replace("|||F|||", "|||C|||"),
            entry=2,
        )
        late = facts(ORU, PID, OBR.replace("20260819090000", "20260819080000"), EGFR.replace("||24|", "||9|"), entry=3)
        withdrawn = facts(
            ORU,
            PID,
            OBR.replace("20260819090000", "20260819120000"),
            "OBX|1|NM|98979-8^eGFR CKD-EPI 2021^LN|||mL/min/{1.73_m2}|||||W|||20260819061500",
            entry=4,
        )
        who = frozenset({"HOSP|MR|12345"})
        (held,) = PatientContext.of(who, first + corrected + late, Coverage({})).current()
        assert held.value == 42.0
        assert PatientContext.of(who, first + corrected + late + withdrawn, Coverage({})).current() == ()

    def test_times_fall_back(self) -> None:
        """OBX-14, OBR-7, MSH-7 (T17); OBR-22, MSH-7 for the version (C44)."""
        obx = "OBX|1|NM|98979-8^eGFR^LN||24|mL/min|||||F"
        assert facts(ORU, PID, OBR, obx)[0].observed == at("2026-08-19 11:10")
        bare = facts(ORU, PID, "OBR|1|P1|F1|X", obx)[0]
        assert (bare.observed, bare.version) == (SENT, SENT)
        nothing = facts(head("ORU^R01", ""), PID, "OBR|1|P1|F1|X", obx)[0]
        assert (nothing.observed, nothing.version) == (NOW, NOW)

    def test_times_in_the_future_are_flagged_and_never_a_version(self) -> None:
        """T50: a clock a year ahead would stand above every correction for a year."""
        draft = run(head("ORU^R01", "20270820"), PID, "OBR|1|P1|F1|X||||||||||||||||||20270820", EGFR)
        assert kept(draft)[0].version == NOW
        assert "time_in_future MSH-7" in draft.flags
        draft = run(ORU, PID, OBR, EGFR.replace("20260819061500", "20270819"))
        assert draft.flags == ("time_in_future OBX[1]-5",)

    def test_nothing_is_no_result(self) -> None:
        """An empty OBX-5 says nothing; a deleted one takes the result back."""
        assert facts(ORU, PID, OBR, EGFR.replace("||24|", "|||")) == []
        (fact,) = facts(ORU, PID, OBR, EGFR.replace("||24|", '||""|'))
        assert (fact.status, fact.value, fact.value_text) == ("D", None, "")

    def test_repeated_observations_are_told_apart(self) -> None:
        """By OBX-4, else by their number; without an order number by the whole time."""
        two = facts(ORU, PID, OBR, "OBX|1|ST|ORG^Organism^L|1|a||||||F", "OBX|2|ST|ORG^Organism^L|2|b||||||F")
        assert [fact.key for fact in two] == ["F1|ORG|1|20260819", "F1|ORG|2|20260819"]
        same = facts(ORU, PID, OBR, "OBX|1|ST|ORG^Organism^L||a||||||F", "OBX|2|ST|ORG^Organism^L||b||||||F")
        assert [fact.key for fact in same] == ["F1|ORG||20260819", "F1|ORG||20260819#2"]
        (vital,) = facts(ORU, PID, "OBX|1|NM|8867-4^Heart rate^LN||80|/min|||||F|||20260819061500")
        assert (vital.kind, vital.key) == ("vital", "|8867-4||20260819061500")

    def test_a_pregnancy_status_is_a_fact_of_pregnancy(self) -> None:
        """82810-3: pregnant, not pregnant (refuted), and a withdrawal of either."""
        obx = "OBX|1|CWE|82810-3^Pregnancy status^LN||{}||||||{}"
        (yes,) = facts(ORU, PID, OBR, obx.format("77386006^Pregnant^SCT", "F"))
        (no,) = facts(ORU, PID, OBR, obx.format("60001007^Not pregnant^SCT", "F"))
        (gone,) = facts(ORU, PID, OBR, obx.format("", "W"))
        (unsure,) = facts(ORU, PID, OBR, obx.format("261665006^Unknown^SCT", "F"))
        assert (yes.kind, yes.concept, yes.certainty) == ("pregnancy", "pregnancy", "")
        assert (no.kind, no.certainty) == ("pregnancy", "refuted")
        assert (gone.kind, gone.status) == ("pregnancy", "W")
        assert (unsure.kind, unsure.concept) == ("lab", "preg_status")

    def test_each_patient_of_a_message_keeps_their_own(self) -> None:
        """Wrong-patient facts: none. A segment belongs to the PID before it."""
        other = PID.replace("12345", "67890")
        draft = run(ORU, PID, OBR, EGFR, other, OBR, EGFR.replace("||24|", "||90|"))
        assert [(fact.patient, fact.value, fact.path) for fact in kept(draft)] == [
            ("HOSP|MR|12345", 24.0, "OBX[1]-5"),
            ("HOSP|MR|67890", 90.0, "OBX[2]-5"),
        ]


class TestDocuments:
    """Reports in an ORU, and MDM."""

    REPORT = "OBR|1|P1|F9|CTHEAD^CT HEAD^L|||20260819061000|||||||||||||||20260819090000||CT|F"

    def test_lines_are_joined_in_order(self) -> None:
        """One TX per line, and repetitions inside one (T19)."""
        (fact,) = facts(
            ORU,
            PID,
            self.REPORT,
            "OBX|1|TX|CTHEAD&GDT^CT HEAD^L||No bleed.||||||F",
            "OBX|2|TX|CTHEAD&GDT^CT HEAD^L||~Second line.~Third \\T\\ last.||||||F",
        )
        assert fact.value_text == "No bleed.\n\nSecond line.\nThird & last."
        assert (fact.kind, fact.code, fact.text, fact.status) == ("document", "CTHEAD", "CT HEAD", "F")
        assert (fact.key, fact.path, fact.observed) == ("F9|CTHEAD", "OBX[1]-5", at("2026-08-19 11:10"))

    def test_short_texts_beside_values_are_values(self) -> None:
        """A TX of a panel is a result; so is one whose name is known, whatever its type."""
        found = facts(ORU, PID, OBR, EGFR, "OBX|2|TX|APP^Appearance^L||CLEAR||||||F")
        assert [fact.kind for fact in found] == ["lab", "lab"]
        (fact,) = facts(ORU, PID, OBR, "OBX|1|TX|2160-0^Creatinine^LN||HEMOLYZED|mg/dL|||||F")
        assert (fact.kind, fact.concept, fact.value) == ("lab", "creatinine", None)

    def test_lines_taken_back_are_left_out(self) -> None:
        """A report of which every line was withdrawn is withdrawn."""
        line = "OBX|{0}|TX|A^A^L||line {0}||||||{1}"
        (fact,) = facts(ORU, PID, self.REPORT, line.format(1, "F"), line.format(2, "D"))
        assert (fact.value_text, fact.status) == ("line 1", "F")
        (fact,) = facts(ORU, PID, self.REPORT, line.format(1, "W"), line.format(2, "W"))
        assert (fact.value_text, fact.status) == ("", "W")

    def test_text_in_base64_is_read_and_a_pdf_is_flagged(self) -> None:
        """What a foreign parser would have to read is a document without text (D15)."""
        data = base64.b64encode(b"Impression: normal.").decode()
        (fact,) = facts(ORU, PID, self.REPORT, f"OBX|1|ED|R^Report^L||^TEXT^PLAIN^Base64^{data}||||||F")
        assert fact.value_text == "Impression: normal."
        draft = run(ORU, PID, self.REPORT, f"OBX|1|ED|R^Report^L||^AP^PDF^Base64^{data}||||||F")
        assert [fact.value_text for fact in kept(draft)] == [""]
        assert draft.flags == ("document_not_read OBX[1]-5",)
        assert run(ORU, PID, self.REPORT, "OBX|1|ED|R^R^L||^TEXT^^Base64^!!!||||||F").flags == draft.flags

    def test_a_pointer_is_missed_only_where_it_is_all_there_is(self) -> None:
        """A RIS points to the images of every report (RP): that is no text that was not read."""
        pointer = "OBX||RP|R^R^L|4|620943128^UK^ZB||||||F"
        draft = run(ORU, PID, self.REPORT, "OBX|1|TX|R^R^L||Normal.||||||F", pointer)
        assert [fact.value_text for fact in kept(draft)] == ["Normal."]
        assert draft.flags == ()
        assert run(ORU, PID, self.REPORT, pointer).flags == ("document_not_read OBX[1]-5",)
        pdf = "OBX|2|ED|R^R^L||^AP^PDF^Base64^QUJD||||||F"
        assert run(ORU, PID, self.REPORT, "OBX|1|TX|R^R^L||Normal.||||||F", pdf).flags == (
            "document_not_read OBX[2]-5",
        )

    def test_documents_have_limits(self) -> None:
        """Plain text as it is; long base64 is left to others (D15), a long report is cut and flagged."""
        (fact,) = facts(ORU, PID, self.REPORT, "OBX|1|ED|R^R^L||^TEXT^PLAIN^A^Normal.||||||F")
        assert fact.value_text == "Normal."
        draft = run(ORU, PID, self.REPORT, f"OBX|1|ED|R^R^L||^TEXT^PLAIN^Base64^{'QUJD' * 70_000}||||||F")
        assert draft.flags == ("document_not_read OBX[1]-5",)
        draft = run(ORU, PID, self.REPORT, f"OBX|1|TX|R^R^L||{'word ' * 50_000}||||||F")
        assert draft.flags == ("document_cut OBX[1]-5",)
        assert len(kept(draft)[0].value_text) == 200_000

    def test_a_document_message_without_its_header_is_read_as_results(self) -> None:
        """MDM without TXA: what its OBX say is kept all the same."""
        (fact,) = facts(head("MDM^T02"), PID, "EVN||2026", OBR, EGFR)
        assert (fact.kind, fact.concept, fact.value) == ("lab", "egfr", 24.0)

    def test_a_report_without_text_is_none(self) -> None:
        """Empty lines say nothing; a preliminary and a final line make it final."""
        assert facts(ORU, PID, self.REPORT, "OBX|1|TX|A^A^L||||||||F") == []
        obr = self.REPORT.removesuffix("F")
        (fact,) = facts(ORU, PID, obr, "OBX|1|TX|A^A^L||a||||||P", "OBX|2|TX|A^A^L||b||||||F")
        assert fact.status == "F"

    def test_our_own_words_are_no_evidence(self) -> None:
        """D13c: a report that quotes the order's clinical information quotes us."""
        (fact,) = facts(
            ORU,
            PID,
            self.REPORT,
            "OBX|1|TX|A^A^L||HISTORY: !eGFR 24 (19Aug) <EMR> pain~Normal.||||||F",
            "OBX|2|TX|A^A^L||EMR CONTEXT 2026-08-20 09:12. SAFETY: eGFR 24||||||F",
        )
        assert fact.value_text == "Normal."

    def mdm(self, event: str, txa: str, *lines: str) -> list[Fact]:
        return facts(head(f"MDM^{event}"), PID, "EVN||2026", PV1, txa, *lines)

    TXA = "TXA|1|DS|TX|20260818120000||20260818110000||||||D1|||||LA||AV"
    LINE = "OBX|1|TX|18842-5^Discharge summary^LN||Sent home.||||||F"

    def test_a_document_of_an_mdm(self) -> None:
        """TXA-12 is its key, TXA-17 its status, TXA-4 its time, OBX-3 or TXA-2 its kind."""
        (fact,) = self.mdm("T02", self.TXA, self.LINE)
        assert (fact.kind, fact.concept, fact.value_text) == ("document", "discharge_summary", "Sent home.")
        assert (fact.key, fact.status, fact.visit) == ("D1", "F", "V1")
        assert fact.observed == at("2026-08-18 17:00")
        (fact,) = self.mdm("T02", self.TXA.replace("|LA|", "|DI|"), self.LINE)
        assert fact.status == "P"

    def test_the_chain_of_an_mdm(self) -> None:
        """T20: T10 replaces its parent, T11 and an obsolete document withdraw, a status alone changes no text."""
        replaced = self.mdm("T10", self.TXA.replace("D1||", "D2|D1|"), self.LINE)
        assert [(fact.key, fact.status) for fact in replaced] == [("D2", "F"), ("D1", "D")]
        (gone,) = self.mdm("T11", self.TXA)
        assert (gone.key, gone.status, gone.path) == ("D1", "D", "TXA-12")
        (gone,) = self.mdm("T08", self.TXA.replace("||AV", "||OB"), self.LINE)
        assert gone.status == "D"
        assert self.mdm("T03", self.TXA) == []


class TestMedications:
    """Pharmacy orders."""

    RDE = head("RDE^O11")
    RXE = "RXE|^^^20260101|6809^metformin 500 MG^RXNORM|500||MG"

    def test_a_drug_in_use(self) -> None:
        """RXE stands above the RXO of its order; start by TQ1, RXE-1.4, ORC-7.4, ORC-15, ORC-9."""
        (fact,) = facts(self.RDE, PID, "ORC|NW|P1|F1", "RXO|X^glucophage^L", self.RXE)
        assert (fact.kind, fact.concept, fact.code, fact.status) == ("medication", "metformin", "6809", "A")
        assert (fact.value, fact.unit, fact.value_text) == (500.0, "MG", "500 MG")
        assert (fact.observed, fact.ended, fact.key, fact.path) == (at("2026-01-01 06:00"), 0, "P1", "RXE[1]-2")
        (fact,) = facts(self.RDE, PID, "ORC|NW|P1", "TQ1|1||||||20260301|20260401", self.RXE)
        assert (fact.observed, fact.ended) == (at("2026-03-01 06:00"), at("2026-04-01 05:00"))

    @pytest.mark.parametrize(
        ("orc", "status", "ended"),
        [
            ("ORC|DC|P1|||||||20260819", "D", at("2026-08-19 05:00")),
            ("ORC|OD|P1", "D", SENT),
            ("ORC|XO|P1||DC", "A", 0),
            ("ORC|SC|P1|||CM", "I", SENT),
            ("ORC|HD|P1", "I", SENT),
            ("ORC|XO|P1", "A", 0),
        ],
    )
    def test_a_drug_that_is_stopped_says_when(self, orc: str, status: str, ended: int) -> None:
        """Discontinued, completed, held; under the same key as its order."""
        (fact,) = facts(self.RDE, PID, orc, self.RXE)
        assert (fact.status, fact.ended, fact.key) == (status, ended, "P1")

    def test_several_drugs_and_orders(self) -> None:
        """ORM with RXO; each ORC its own drug."""
        found = facts(
            head("ORM^O01"), PID, "ORC|NW|P1", "RXO|^Warfarin 5 mg|5||mg", "ORC|NW|P2", "RXO|^Enoxaparin 40 mg"
        )
        assert [(fact.concept, fact.key, fact.path) for fact in found] == [
            ("vka", "P1", "RXO[1]-1"),
            ("heparins", "P2", "RXO[2]-1"),
        ]

    def test_a_drug_without_name_is_none(self) -> None:
        """Nothing could be shown of it; two codings of two drugs name none."""
        assert facts(self.RDE, PID, "ORC|NW|P1", "RXE|^^^20260101||500||MG") == []
        (fact,) = facts(self.RDE, PID, "ORC|NW", "RXE||1^Warfarin^L^6809^Metformin^RXNORM")
        assert (fact.concept, fact.key) == ("", "6809")

    def test_an_imaging_order_holds_no_drug(self) -> None:
        """Nothing is kept of it, its OBX and AL1 neither: they may be ours."""
        obr = "OBR|1|P1|F1|X^CT HEAD^L"
        assert run(head("ORM^O01"), PID, "AL1|1|DA|^Latex", "ORC|NW|P1", obr, EGFR).effects == ()


def test_kinds_that_the_channel_does_not_want_are_left_out() -> None:
    """With their markers: a list that is not kept must not end one that was."""
    step = StoreFacts(step="store_facts", kinds=("allergy",))
    (effect,) = run(ADT, PID, PV1, "AL1|1|DA|^Latex", "DG1|1||N18.6^ESRD^I10", step=step).effects
    assert isinstance(effect, effects.StoreFacts)
    assert {fact.kind for fact in effect.facts} == {"allergy", "snapshot"}
    assert effect.snapshots == (("allergy", ""),)


@pytest.mark.parametrize("pid", [(), ("PID|1||^^^HOSP^MR||DOE",), ('PID|1||""||DOE',)])
def test_nobodys_facts_are_an_error(pid: tuple[str, ...]) -> None:
    """A message that names no patient fails, visibly, and the text holds no content."""
    with pytest.raises(StepError) as error:
        run(ORU, *pid, OBR, EGFR)
    assert error.value.path.startswith("PID")
    assert "DOE" not in str(error.value)


def test_an_order_of_ours_that_comes_back_is_no_evidence() -> None:
    """D13c: the marker in OBR-13 or our note makes the whole order our own words."""
    obr = "|".join(["OBR", "1", "P1", "F1", "X^CT^L", *[""] * 8, "!eGFR 24 (19Aug) <EMR>"])
    draft = run(head("ORM^O01"), PID, "ORC|NW|P1", "RXO|^Warfarin", "ORC|XO|P2", obr)
    assert (draft.effects, draft.flags) == ((), ("own_words OBR-13",))
    draft = run(head("ORM^O01"), PID, "ORC|NW|P1", "RXO|^Warfarin", "NTE|1||EMR CONTEXT 2026-08-20")
    assert draft.effects == ()


def test_best_effort_is_a_setting() -> None:
    """Needed by default; `best_effort: yes` inside an order channel (D1)."""
    assert not STEP.best_effort
    assert StoreFacts.model_validate({"step": "store_facts", "best_effort": "yes"}).best_effort


def test_the_example_of_the_step_is_valid() -> None:
    """What `backstory steps store_facts` prints is what the model reads."""
    assert StoreFacts.model_validate(yaml.safe_load(StoreFacts.example)).kinds == ("allergy", "problem")


def test_fact_identities_are_unique() -> None:
    """(entry, run, ordinal, kind) is the identity: storing a message again changes nothing."""
    for found in (
        facts(ADT, PID, PV1, "AL1|1|DA|^A", "AL1|2|DA|^B", "DG1|1||N18.6", "OBX|1|NM|X^Y^L||1||||||F"),
        facts(ORU, PID, OBR, EGFR, "OBX|2|TX|A^A^L||" + "x" * 100 + "||||||F", "OBX|3|TX|A^A^L||y||||||F"),
    ):
        identities = [(fact.entry, fact.run, fact.ordinal, fact.kind) for fact in found]
        assert len(set(identities)) == len(identities) > 1


FIELD = st.text(st.sampled_from('09.<>^~&\\|"-A\u00e9 '), max_size=12)


@settings(max_examples=200)
@given(
    st.sampled_from(["ADT^A08", "ORU^R01", "MDM^T02", "RDE^O11", "ORM^O01", "XXX"]),
    st.lists(
        st.tuples(
            st.sampled_from(["AL1", "DG1", "OBR", "OBX", "NTE", "TXA", "ORC", "RXE", "RXO", "SPM"]), st.lists(FIELD)
        ),
        max_size=6,
    ),
)
def test_odd_content_never_throws(kind: str, rows: list[tuple[str, list[str]]]) -> None:
    """Whatever stands in the fields, the step keeps what it can read, and every fact is the patient's."""
    draft = run(head(kind), PID, *("|".join([name, *fields]) for name, fields in rows))
    assert {fact.patient for fact in kept(draft)} <= {"HOSP|MR|12345"}
