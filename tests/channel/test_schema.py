"""The JSON schemas agree with the models: what ships is valid, and a mistake is one for the editor and for the engine."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from engine.channel.config import SiteConfig
from engine.channel.model import Channel
from engine.channel.schema import SCHEMAS
from engine.source import read_yaml

ROOT = Path(__file__).parents[2]
CHANNELS = sorted([*(ROOT / "channels").glob("*.yaml"), *(ROOT / "examples").glob("*/channels/*.yaml")])
MODELS = {"channel": Channel, "config": SiteConfig}
VALIDATORS = {name: Draft202012Validator(schema()) for name, schema in SCHEMAS.items()}


class Editor(yaml.SafeLoader):
    """Reads YAML 1.2 as editors do: `yes` is a text, 24 a number, 2026-08-19 a text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own form


for tag, pattern, first in (
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", "[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?", "-+0123456789."),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    Editor.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), list(first))


def mistakes(kind: str, text: str) -> list[str]:
    """Where the editor would mark something, as `steps.0.path`."""
    content = yaml.load(text, Editor)  # noqa: S506 - a SafeLoader
    return [".".join(map(str, error.absolute_path)) for error in VALIDATORS[kind].iter_errors(content)]


def accepted(kind: str, text: str) -> bool:
    """Whether the engine takes the file."""
    try:
        MODELS[kind].model_validate(read_yaml(text, "x").content)
    except ValueError:
        return False
    return True


def both(kind: str, text: str) -> tuple[bool, bool]:
    """Whether the editor is content, and whether the engine is."""
    return not mistakes(kind, text), accepted(kind, text)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_one(kind: str) -> None:
    """Of the dialect it names."""
    Draft202012Validator.check_schema(SCHEMAS[kind]())
    assert SCHEMAS[kind]()["$schema"] == Draft202012Validator.META_SCHEMA["$id"]


@pytest.mark.parametrize("path", CHANNELS, ids=lambda path: path.stem)
def test_the_channels_that_ship_are_valid(path: Path) -> None:
    """Those of the site and those of the examples."""
    assert mistakes("channel", path.read_text(encoding="utf-8")) == []


def test_the_configuration_that_ships_is_valid() -> None:
    """config.yaml at the root."""
    assert mistakes("config", (ROOT / "config.yaml").read_text(encoding="utf-8")) == []


CHANNEL: dict[str, Any] = {
    "channel": "one",
    "from": "lab",
    "accept": {"MSH-9": ["ORU"]},
    "steps": [{"step": "set_field", "path": "MSH-5", "value": "PACS"}],
    "tests": [
        {"test": "it is sent", "given": {"message_file": "a.hl7"}, "expect": {"sent": {"pacs": {"MSH-5": "PACS"}}}}
    ],
}
STEP, GIVEN, EXPECT = ("steps", 0), ("tests", 0, "given"), ("tests", 0, "expect")


def changed(base: dict[str, Any], place: tuple[str | int, ...], text: str) -> str:
    """The file with another value at a place: YAML of it, or without it for an empty text."""
    content = copy.deepcopy(base)
    *around, last = place
    part: Any = content
    for key in around:
        part = part[key]
    if text:
        part[last] = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - text only
    else:
        del part[last]
    written = yaml.safe_dump(content, sort_keys=False, default_flow_style=False, width=10_000)
    return re.sub(r"'(true|false|[0-9.]+)'", r"\1", written)  # plain, as people write them


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("accept",), "{MSH-9: ORU, PV1-2: {not: E}, any: [{OBR-24: [CT, MR]}, {not: {OBR-4.2: {matches: '^CT'}}}]}"),
        (("accept",), "{OBX-5: 24, ZDS: {exists: yes}, all: [{'OBX[2]-5': ''}]}"),
        ((*STEP, "when"), "{PID-8: F}"),
        ((*STEP, "because"), "why not"),
        ((*STEP, "value"), "24"),
        (STEP, "{step: translate, path: OBR-4.1, table: t, unmapped: default, default: 7}"),
        (STEP, "{step: validate, every: 1}"),
        (STEP, "{step: store_facts, kinds: [lab], best_effort: yes}"),
        (STEP, "{step: run_python, name: a, options: {code: 29463-7, limit: 5}}"),
        (STEP, "{step: enrich, carriers: [{carrier: OBR-13, max: 300, headline: 64}, {carrier: AL1}]}"),
        (("to",), "[pacs]"),
        ((*GIVEN, "context"), "[{concept: egfr, value: 24, observed: 2026-08-19}, {allergy: Latex}]"),
        ((*GIVEN, "heard"), "{lab: 2026-08-01}"),
        ((*EXPECT, "sent"), "{pacs: {'OBX[2]-5': {starts: a}, PID-3(2).4: {absent: yes}, OBX-5: 6.9}}"),
        ((*EXPECT, "unchanged_except"), "[MSH-5, NTE, 'OBX[2]-5']"),
        ((*EXPECT, "facts"), "[{kind: lab, value_text: 24}]"),
        ((*EXPECT, "order"), "{accession: A1, scheduled: 2026-08-20}"),
    ],
)
def test_what_is_right_is_right_for_both(place: tuple[str | int, ...], text: str) -> None:
    """A channel that the engine takes is not marked in an editor."""
    assert both("channel", changed(CHANNEL, place, text)) == (True, True)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("channel",), "Not A Name"),
        (("channel",), ""),
        (("accept",), "{}"),
        (("accept",), "{MSH9: ORU}"),
        (("accept",), "{MSH-9: []}"),
        (("accept",), "{MSH-9: {matches: a, not: b}}"),
        (("accept",), "{MSH-9: {like: a}}"),
        (("accept",), "{MSH-9: {exists: perhaps}}"),
        (("accept",), "{any: {OBR-24: CT}}"),
        (("accept",), "{any: []}"),
        (("refresh",), "{control: XO}"),
        ((*STEP, "when"), "{PID8: F}"),
        ((*STEP, "when"), "{}"),
        ((*STEP, "step"), "set_fields"),
        ((*STEP, "step"), ""),
        ((*STEP, "path"), "MSH"),
        ((*STEP, "path"), "MSH-2"),
        ((*STEP, "path"), "OBR4"),
        ((*STEP, "valeu"), "x"),
        (STEP, "{step: translate, path: OBR-4.1, table: t, unmapped: default}"),
        (STEP, "{step: translate, path: OBR-4.1, table: t, default: x}"),
        (STEP, "{step: translate, path: OBR-4.1, table: t, unmapped: drop}"),
        (STEP, "{step: validate, every: 0}"),
        (STEP, "{step: validate, every: often}"),
        (STEP, "{step: store_facts, kinds: [labs]}"),
        (STEP, "{step: enrich, carriers: []}"),
        (STEP, "{step: enrich, carriers: [{carrier: OBR-13, max: 10}]}"),
        (STEP, "{step: enrich, carriers: [{carrier: AL1, max: 100}]}"),
        (("stop_after",), "never"),
        ((*GIVEN, "message"), "MSH|"),
        ((*GIVEN, "context"), "[{konzept: egfr, value: 24}]"),
        ((*GIVEN, "enrichment"), "maybe"),
        ((*GIVEN, "heard"), "{labs: 2026-08-01}"),
        ((*EXPECT, "status"), "SENT"),
        ((*EXPECT, "sent"), "{pacs: {MSH5: PACS}}"),
        ((*EXPECT, "sent"), "{pacs: {MSH-5: {begins: P}}}"),
        ((*EXPECT, "sent"), "{pacs: {MSH-5: {absent: no}}}"),
        ((*EXPECT, "unchanged_except"), "[msh]"),
        ((*EXPECT, "facts"), "[{kinds: lab}]"),
        ((*EXPECT, "order"), "{number_of: 1}"),
    ],
)
def test_a_wrong_channel_is_wrong_for_both(place: tuple[str | int, ...], text: str) -> None:
    """Each of these is marked while one types, and refused by the engine."""
    assert both("channel", changed(CHANNEL, place, text)) == (False, False)


def test_a_mistake_is_marked_where_it_stands() -> None:
    """The schema's errors lead to the step, the condition and the key."""
    assert mistakes("channel", changed(CHANNEL, ("accept",), "{MSH-9: {exists: perhaps}}")) == ["accept.MSH-9"]
    assert mistakes("channel", changed(CHANNEL, ("refresh",), "{control: XO}")) == [""]


CONFIG: dict[str, Any] = {
    "listeners": {"lab": {"port": "2576"}},
    "destinations": {"pacs": {"host": "127.0.0.1", "port": "2580"}},
}
LAB, PACS = ("listeners", "lab"), ("destinations", "pacs")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("data",), "/var/lib/backstory"),
        ((*LAB, "identity"), "{authority: HOSP, prefer: [MR], strip_zeros: yes, zone: Europe/Berlin, charset: 8859/1}"),
        ((*LAB, "processing_ids"), "[P, T]"),
        ((*LAB, "max_bytes"), "1MiB"),
        ((*LAB, "idle"), "5min"),
        ((*LAB, "frame_time"), "1.5"),
        ((*LAB, "backfill"), "true"),
        ((*LAB, "history_from"), "2026-08-01"),
        ((*PACS, "lanes"), "4"),
        ((*PACS, "on_reject"), "hold"),
        ((*PACS, "ack_timeout"), "500 ms"),
        (("destinations",), "{}"),
    ],
)
def test_a_right_configuration_is_right_for_both(place: tuple[str | int, ...], text: str) -> None:
    """Amounts with and without a unit, yes as people write it, a day for a moment."""
    assert both("config", changed(CONFIG, place, text)) == (True, True)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (("listeners",), ""),
        (("listeners",), "{}"),
        (("listeners",), "{Lab: {port: 1}}"),
        (("web",), "{port: 8080}"),
        ((*LAB, "port"), ""),
        ((*LAB, "port"), "257500"),
        ((*LAB, "port"), "abc"),
        ((*LAB, "prot"), "1"),
        ((*LAB, "identity"), "{authorities: HOSP}"),
        ((*LAB, "backfill"), "perhaps"),
        ((*LAB, "max_bytes"), "1 elephant"),
        ((*LAB, "idle"), "-1"),
        ((*LAB, "log_control_id"), "none"),
        ((*PACS, "lanes"), "0"),
        ((*PACS, "on_reject"), "ignore"),
        ((*PACS, "ack_timeout"), "1 fortnight"),
        ((*PACS, "host"), ""),
    ],
)
def test_a_wrong_configuration_is_wrong_for_both(place: tuple[str | int, ...], text: str) -> None:
    """Each of these is marked while one types, and refused by the engine."""
    assert both("config", changed(CONFIG, place, text)) == (False, False)
