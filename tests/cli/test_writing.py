"""check, test, steps, schema: what an analyst who writes a channel is told."""

import json
from pathlib import Path

import pytest

from engine.steps.catalog import STEPS
from tests.site_copy import ROOT, copied, edit


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A copy of the shipped site."""
    return copied(tmp_path)


def test_a_site_without_a_finding(site: Path, backstory) -> None:
    """Nothing on stdout, so that a list of findings can be counted; exit 0."""
    assert backstory("check", "--site", site) == (0, "", "no findings\n")


def test_findings_are_lines_on_stdout(site: Path, backstory) -> None:
    """file:line:column CODE, one each, their number on stderr, exit 1."""
    edit(site / "channels" / "adt.yaml", "MSH-9: [ADT]", "MSH-9: [ADTT]")
    edit(site / "channels" / "results.yaml", "MSH-9: [ORU]", "MSH-9: [ORUU]")
    status, out, err = backstory("check", "--site", site)
    assert (status, err) == (1, "2 findings\n")
    assert [line.split(" ")[:2] for line in out.splitlines()] == [
        ["channels/adt.yaml:6:11", "TYP001"],
        ["channels/results.yaml:6:11", "TYP001"],
    ]


def test_the_tests_of_channels_pass_or_say_what_they_got(site: Path, backstory) -> None:
    """The count alone where all pass; a failed one by channel and name, what was wanted and what was got."""
    status, out, _ = backstory("test", "--site", site)
    assert (status, out) == (0, "10 passed, 0 failed\n")
    edit(site / "channels" / "results.yaml", 'value_text: "82"', 'value_text: "83"')
    status, out, _ = backstory("test", "--site", site)
    assert status == 1
    assert out.splitlines() == [
        "FAILED results: a weight is a vital sign",
        "    facts: none has kind 'vital', concept 'weight', value_text '83'; kept: vital weight 82",
        "9 passed, 1 failed",
    ]


def test_a_site_with_a_mistake_has_no_test_result(site: Path, backstory) -> None:
    """The finding is what is told; nothing is counted."""
    edit(site / "channels" / "adt.yaml", "from: adt", "from: adtt")
    status, out, _ = backstory("test", "--site", site)
    assert (status, out) == (1, "channels/adt.yaml:4:7 REF001 there is no listener 'adtt'; did you mean adt?\n")


def test_a_site_without_tests_does_not_pass(site: Path, backstory) -> None:
    """Nothing failed because nothing was looked at: exit 1."""
    for path in (site / "channels").glob("*.yaml"):
        path.write_text(path.read_text().partition("tests:")[0])
    assert backstory("test", "--site", site)[:2] == (1, "0 passed, 0 failed\n")


def test_steps_are_listed_with_a_sentence(backstory) -> None:
    """In the order in which one learns them."""
    status, out, _ = backstory("steps")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == list(STEPS)
    assert out.splitlines()[1] == (
        "set_field     Write a fixed text at a path; the text is data, so a delimiter in it is escaped."
    )


def test_one_step_is_explained_with_its_example(backstory) -> None:
    """Its whole text without the indentation of the code, then YAML to copy."""
    assert backstory("steps", "remove")[1] == (
        "remove: Remove every segment of a name (`NK1`), one of them (`NK1[2]`), or empty a place (`PID-19`, `PID-3.4`).\n"
        "\nWhat is not there needs no removing.\n\n"
        'step: remove\npath: PID-19\nbecause: "the PACS has no use for a social security number"\n\n'
    )


def test_the_page_of_all_steps_is_written(backstory) -> None:
    """docs/steps.md, byte for byte."""
    assert backstory("steps", "--markdown")[1] == (ROOT / "docs" / "steps.md").read_text(encoding="utf-8")


def test_an_unknown_step_is_one_line(backstory) -> None:
    """With what was meant, or all there are."""
    assert backstory("steps", "translat")[2] == "backstory: there is no step 'translat'; did you mean translate?\n"
    assert backstory("steps", "xyz")[2] == f"backstory: there is no step 'xyz'; there are {', '.join(STEPS)}\n"


def test_the_schema_of_a_channel_and_of_the_configuration(backstory) -> None:
    """A channel's where nothing is said."""
    status, out, _ = backstory("schema")
    assert (status, json.loads(out)["title"]) == (0, "A channel")
    assert backstory("schema", "channel")[1] == out
    assert json.loads(backstory("schema", "config")[1])["title"] == "config.yaml of a site"
    assert backstory("schema", "confg") == (1, "", "backstory: there is no schema of 'confg'; did you mean config?\n")
    assert backstory("schema", "xyz")[2] == "backstory: there is no schema of 'xyz'; there are channel and config\n"
