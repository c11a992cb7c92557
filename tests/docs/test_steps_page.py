"""docs/steps.md is what the code says about its steps."""

from pathlib import Path

import pytest

from engine.cli.steps_page import steps_page
from engine.steps.catalog import STEPS

PAGE = Path(__file__).parents[2] / "docs" / "steps.md"


def test_the_page_is_the_code_s() -> None:
    """Written anew by `backstory steps --markdown > docs/steps.md` whenever a step changes."""
    assert PAGE.read_text(encoding="utf-8") == steps_page()


def test_a_changed_step_makes_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a sentence, a key and an example of the code all stand on the page."""
    before = steps_page()
    monkeypatch.setattr(STEPS["remove"], "__doc__", "Take away.\n\nMore.")
    assert "| [`remove`](#remove) | Take away. |" in steps_page()
    monkeypatch.setattr(STEPS["remove"], "example", "step: remove\npath: NK1")
    assert "path: NK1\n```" in steps_page()
    assert steps_page() != before


@pytest.mark.parametrize("name", STEPS)
def test_every_key_of_a_step_says_what_it_is(name: str) -> None:
    """In the schema that editors show, and so on the page."""
    schema = STEPS[name].model_json_schema()
    silent = [key for key, value in schema["properties"].items() if key != "step" and "description" not in value]
    assert silent == []


@pytest.mark.parametrize(
    "row",
    [
        "| `unmapped` | `keep` \\| `error` \\| `empty` \\| `default` | for a code the table lacks; else `error` |",
        "| `path` | a place, such as `OBR-4.1` | where the code stands; required |",
        "| `default` | a text | what is written under `unmapped: default`, and only then |",
        "| `best_effort` | yes \\| no | whether a message that cannot be kept goes on all the same; else no |",
        "| `carriers` | a list, by `carrier`: `AL1`, `NTE`, `OBR-13`, `OBX` | where the findings travel; required |",
        "| `carrier: OBR-13`, `max` | a whole number, at least 64 | characters of the field; else `300` |",
        "| `carrier: OBX`, `kinds` | a list of `lab` \\| `vital` | of which kinds; else all |",
        "| `options` | a map of texts | keyword arguments of the class, as texts |",
    ],
)
def test_a_row_says_what_may_be_written_and_what_holds_else(row: str) -> None:
    """Choices, places, numbers, lists of maps that tell themselves apart."""
    assert row in steps_page().splitlines()
