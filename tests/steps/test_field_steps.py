"""translate, set_field, copy_field, remove, run_python: what they write, and in which words they fail."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from engine.errors import StepError
from engine.hl7.message import Message
from engine.steps.catalog import AnyStep
from engine.steps.draft import Draft, Origin
from engine.steps.mappings import Mappings

ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyStep)
ORIGIN = Origin(1, 1, "ris", 0, "HOSP", ("MR",), strip_zeros=False, zone="UTC")
TABLES = {"codes": {"A": "AA", "B": "BB", "SUB": "ß"}, "greek": {"A": "Ω"}}
MAPPINGS: Any = Mappings(TABLES, *[None] * 5)  # type: ignore[arg-type]
LATIN = "iso8859_1"


def step(yaml: dict[str, Any]) -> Any:
    return ADAPTER.validate_python(yaml)


def draft(*lines: str, charset: str = "utf-8") -> Draft:
    head = "MSH|^~\\&|RIS|H|BST|H|20260820||ORM^O01|1|P|2.3.1"
    return Draft(Message.parse("".join(f"{line}\r" for line in (head, *lines)).encode(charset), charset), ORIGIN, None)


def lines(found: Draft) -> list[str]:
    return found.message.to_er7().decode().split("\r")[1:-1]


def error(yaml: dict[str, Any], given: Draft, mappings: Any = MAPPINGS) -> tuple[str, str, str]:
    """How the step fails: its name, the place, the words."""
    with pytest.raises(StepError) as caught:
        step(yaml).apply(given, mappings)
    return caught.value.step, caught.value.path, caught.value.problem


# translate

TRANSLATE = {"step": "translate", "path": "OBR-4.1", "table": "codes"}


def test_a_path_without_occurrence_reaches_every_segment_of_its_name() -> None:
    """An order may ask for several exams; what is absent, empty or `""` between them is left alone."""
    orders = ("OBR|1|||A^one", "OBR|2|||^two", "OBR|3", 'OBR|4|||""^four', "OBR|5|||B^five")
    found = step(TRANSLATE).apply(draft(*orders), MAPPINGS)
    assert lines(found) == ["OBR|1|||AA^one", "OBR|2|||^two", "OBR|3", 'OBR|4|||""^four', "OBR|5|||BB^five"]


def test_a_path_with_an_occurrence_reaches_that_one() -> None:
    """`OBR[2]-4.1` is the second, and nothing where there is none."""
    found = step({**TRANSLATE, "path": "OBR[2]-4.1"}).apply(draft("OBR|1|||A", "OBR|2|||A"), MAPPINGS)
    assert lines(found) == ["OBR|1|||A", "OBR|2|||AA"]
    assert lines(step({**TRANSLATE, "path": "OBR[2]-4.1"}).apply(draft("OBR|1|||A"), MAPPINGS)) == ["OBR|1|||A"]


def test_each_unknown_code_is_flagged_at_its_own_place() -> None:
    """`keep` says which of the orders; a known one beside them is translated."""
    found = step({**TRANSLATE, "unmapped": "keep"}).apply(draft("OBR|1|||X", "OBR|2|||A", "OBR|3|||Y"), MAPPINGS)
    assert lines(found) == ["OBR|1|||X", "OBR|2|||AA", "OBR|3|||Y"]
    assert found.flags == ("unmapped OBR[1]-4.1 codes", "unmapped OBR[3]-4.1 codes")


def test_one_unknown_code_under_error_fails_the_message() -> None:
    """At the place of the second order, without the code, and the first one's translation goes nowhere."""
    given = draft("OBR|1|||A", "OBR|2|||SECRET")
    assert error(TRANSLATE, given) == ("translate", "OBR[2]-4.1", "the code is not in the table codes")
    assert lines(given) == ["OBR|1|||A", "OBR|2|||SECRET"]


def test_an_unknown_code_under_empty_empties_the_place() -> None:
    """The rest of the field stays."""
    assert lines(step({**TRANSLATE, "unmapped": "empty"}).apply(draft("OBR|1|||X^one"), MAPPINGS)) == ["OBR|1|||^one"]


def test_a_value_that_the_message_cannot_spell() -> None:
    """Greek into Latin 1: the table is named, and not what it says."""
    problem = "a value of the table greek does not exist in the message's character set"
    assert error({**TRANSLATE, "table": "greek"}, draft("OBR|1|||A", charset=LATIN)) == (
        "translate",
        "OBR-4.1",
        problem,
    )
    assert step(TRANSLATE).apply(draft("OBR|1|||SUB", charset=LATIN), MAPPINGS).message.get("OBR-4.1") == "ß"


# set_field, copy_field, remove


def test_set_field_says_what_it_cannot_write() -> None:
    """No such segment, and a character that the message does not have."""
    assert error({"step": "set_field", "path": "PV1-2", "value": "I"}, draft()) == (
        *("set_field", "PV1-2"),
        "the message has no such segment to write to",
    )
    assert error({"step": "set_field", "path": "MSH-5", "value": "Ω"}, draft(charset=LATIN)) == (
        *("set_field", "MSH-5"),
        "the value does not exist in the message's character set",
    )


def test_set_field_writes_data_nothing_and_the_order_to_delete() -> None:
    """Delimiters are escaped, a blank value empties, two quotes delete."""
    given = draft("PID|1||a")
    values = {"x^y": "x\\S\\y", None: "", '""': '""'}
    for value, raw in values.items():
        found = step({"step": "set_field", "path": "PID-3", "value": value}).apply(given, MAPPINGS)
        assert lines(found) == [f"PID|1||{raw}"]


COPY = {"step": "copy_field", "path": "PID-3", "to": "PID-4"}


def test_copy_field_leaves_the_message_alone_without_a_source() -> None:
    """Absent and empty are the same to it; under `error` the message fails at the source."""
    for given in (draft("PID|1"), draft("PID|1||")):
        assert lines(step(COPY).apply(given, MAPPINGS)) == lines(given)
        assert error({**COPY, "missing": "error"}, given) == ("copy_field", "PID-3", "there is no value to copy")


def test_copy_field_copies_a_repetition_or_a_component_as_it_stands() -> None:
    """`""` too; a repetition that is not there is no source."""
    given = draft('PID|1||a^b~c&d^""|old')
    for path, raw in {"PID-3(2)": 'c&d^""', "PID-3(2).1": "c&d", "PID-3(2).2": '""', "PID-3.2": "b"}.items():
        found = step({**COPY, "path": path}).apply(given, MAPPINGS)
        assert lines(found) == [f'PID|1||a^b~c&d^""|{raw}']
    assert lines(step({**COPY, "path": "PID-3(3)"}).apply(given, MAPPINGS)) == lines(given)


def test_copy_field_cannot_put_components_into_one() -> None:
    """The place is the target, the source is said in words."""
    assert error({**COPY, "to": "PID-5.1"}, draft("PID|1||a^b")) == (
        *("copy_field", "PID-5.1"),
        "the value at PID-3 has separators that this place cannot hold",
    )


@pytest.mark.parametrize("path", ["MSH", "MSH-1", "MSH-2", "MSH[1]-2"])
def test_the_header_cannot_be_removed(path: str) -> None:
    """A message without its MSH, or its delimiters, is none."""
    with pytest.raises(ValidationError, match="is none"):
        step({"step": "remove", "path": path})


# run_python


class _Returns:
    """A class of a site that returns this."""

    def __init__(self, written: dict[str, Any]) -> None:
        self._written = written

    def __call__(self, _message: Any) -> dict[str, Any]:
        return self._written


PYTHON = {"step": "run_python", "name": "mine"}


def returning(written: dict[str, Any]) -> Any:
    return MAPPINGS._replace(plugins={("mine", ()): _Returns(written)})


def test_what_a_class_returns_is_written_in_its_order() -> None:
    """None empties a place, a text is data; what is not named stays."""
    found = step(PYTHON).apply(draft("PID|1||a|b|c"), returning({"PID-3": "x|y", "PID-4": None, "PID-9.2": "z"}))
    assert lines(found) == ["PID|1||x\\F\\y||c||||^z"]


@pytest.mark.parametrize(
    ("written", "path", "problem"),
    [
        ({"PID3": "x"}, "", "mine returned a path that is none"),
        ({"SECRET": None}, "", "mine returned a path that is none"),
        ({"PV1-2": "I"}, "PV1-2", "mine returned what cannot be written there"),
        ({"MSH-2": "I"}, "MSH-2", "mine returned what cannot be written there"),
        ({"PID": "I"}, "PID", "mine returned what cannot be written there"),
        ({"PID-3": "Ω"}, "PID-3", "mine returned what cannot be written there"),
    ],
)
def test_what_cannot_be_written_fails_the_message(written: dict[str, Any], path: str, problem: str) -> None:
    """At its place; a path that is none may hold anything, and is not repeated."""
    assert error(PYTHON, draft("PID|1||a", charset=LATIN), returning(written)) == ("run_python", path, problem)


def test_bytes_of_no_character_set_cannot_be_handed_out() -> None:
    """Nothing is replaced on the way to the class."""
    broken = Draft(Message.parse(draft("PID|1||").message.to_er7() + b"ZZZ|\xff\r"), ORIGIN, None)
    assert error(PYTHON, broken, returning({})) == ("run_python", "", "python-hl7 cannot read the message")


def test_a_step_is_made_of_paths_as_well_as_of_texts() -> None:
    """A step that was made once can be made again of itself."""
    first = step(TRANSLATE)
    assert type(first).model_validate(dict(first)) == first
