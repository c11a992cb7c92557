"""What holds for every step: documented, its example lints and runs, its input is not changed, its errors name no content."""

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from engine.channel.site import load_site
from engine.errors import StepError
from engine.hl7.message import Message
from engine.patient.context import PatientContext
from engine.patient.coverage import Coverage
from engine.source import read_yaml
from engine.steps.catalog import STEPS, AnyStep
from engine.steps.draft import Draft, Origin

SITE = Path(__file__).parents[2]
ADAPTER = TypeAdapter(AnyStep)
RAW = (SITE / "channels/samples/orm_ct_abdomen.hl7").read_bytes()
ORIGIN = Origin(100, 1, "ris", 1_787_234_400_000_000, "HOSP", ("MR", "PI"), strip_zeros=False, zone="America/Chicago")


@pytest.fixture(scope="module")
def mappings():
    site = load_site(SITE).site
    assert site is not None
    return site.mappings


def _draft(raw: bytes = RAW) -> Draft:
    return Draft(Message.parse(raw), ORIGIN, PatientContext.of(frozenset({"HOSP|MR|12345"}), [], Coverage({})))


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_documented_by_a_sentence_and_an_example(name):
    """The first docstring line is a sentence, the example is read into the step itself."""
    model = STEPS[name]
    assert (model.__doc__ or "").split("\n")[0].endswith((".", ";"))
    step = ADAPTER.validate_python(read_yaml(model.example, name).content)
    assert type(step) is model
    assert step.step == name


@pytest.mark.parametrize("name", sorted(STEPS.keys() - {"run_python"}))
def test_a_step_leaves_its_input_as_it_was(name, mappings):
    """Steps return a changed draft; the message that came in is the same bytes, and twice the same step the same."""
    step = ADAPTER.validate_python(read_yaml(STEPS[name].example, name).content)
    draft = _draft()
    first, second = step.apply(draft, mappings), step.apply(draft, mappings)
    assert draft.message.to_er7() == RAW
    assert first.message.to_er7() == second.message.to_er7()
    assert first.effects == second.effects


@pytest.mark.parametrize(
    "yaml",
    [
        "{step: set_field, path: ZZZ-1, value: CANARY}",
        "{step: copy_field, path: OBR-4.2, to: ZZZ-1}",
        "{step: copy_field, path: OBR-99, to: OBR-18, missing: error}",
        "{step: translate, path: OBR-4.2, table: procedure_codes}",
        "{step: translate, path: OBR-4.2, table: nowhere}",
    ],
)
def test_what_a_step_cannot_do_is_a_named_error_without_content(yaml, mappings):
    """The error says the step and the path, never what stood there."""
    step = ADAPTER.validate_python(read_yaml(yaml, "x").content)
    with pytest.raises(StepError) as caught:
        step.apply(_draft(), mappings)
    assert caught.value.step == step.step
    assert "ABD PELVIS" not in str(caught.value)


def test_translate_keeps_marks_or_replaces_unknown_codes(mappings):
    """`keep` flags the place, `default` writes the given code, an absent code is left alone."""
    keep, default, absent = (
        ADAPTER.validate_python(read_yaml(f"{{step: translate, table: procedure_codes, {rest}}}", "x").content)
        for rest in ("path: OBR-4.2, unmapped: keep", "path: OBR-4.2, unmapped: default, default: X", "path: OBR-77")
    )
    assert keep.apply(_draft(), mappings).flags == ("unmapped OBR-4.2 procedure_codes",)
    assert default.apply(_draft(), mappings).message.get("OBR-4.2") == "X"
    assert absent.apply(_draft(), mappings).message.to_er7() == RAW


def test_validate_defers_every_nth_message_and_changes_nothing(mappings):
    """Position 100 is a multiple of 50 and none of 3."""
    often, seldom = (ADAPTER.validate_python({"step": "validate", "every": n}) for n in ("50", "3"))
    assert [effect.job for effect in often.apply(_draft(), mappings).effects] == ["validate"]
    assert seldom.apply(_draft(), mappings).effects == ()


def test_run_python_reads_python_hl7_and_writes_by_path(mappings):
    """The class sees a python-hl7 message; what it returns is written as data."""

    def lower(message):
        return {"OBR-4.2": str(message.segment("OBR")[4][0][1]).lower() + "^"}

    step = ADAPTER.validate_python({"step": "run_python", "name": "x"})
    installed = mappings._replace(plugins={step.key: lower})
    assert step.apply(_draft(), installed).message.get("OBR-4.2") == "ct abd pelvis w iv contrast^"
    with pytest.raises(StepError, match="x is not installed"):
        step.apply(_draft(), mappings)


def test_copy_field_keeps_components_as_they_stand(mappings):
    """Separators travel as separators, not as escapes."""
    step = ADAPTER.validate_python({"step": "copy_field", "path": "OBR-3", "to": "OBR-20"})
    assert step.apply(_draft(), mappings).message.get("OBR-20") == "F1^RIS"
