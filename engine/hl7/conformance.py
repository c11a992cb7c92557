"""Whether a message is built as its version of HL7 says: hl7apy's report, cleaned, and a walk over the structure (C29).

Slow (5 to 70 ms) and by a foreign parser: it runs in a child, off the path of the bytes (D15, C30). Findings name
segments, fields, groups and tables and never hold content of the message.
"""

import contextlib
import importlib
import os
import re
from collections import Counter
from typing import Any

from engine.errors import Unreadable
from engine.hl7.grammar import grammar_of
from engine.hl7.message import Message, Segment
from engine.hl7.structures import candidates
from engine.hl7.versions import library, library_version, segment_names

_CHILD = r"(?P<parent>[A-Z][A-Z0-9_]*)\.(?P<child>[A-Z][A-Z0-9_]*)"
# the shapes of its errors (hl7apy/validation.py); a line of another shape is never repeated, since it may quote a value
_SHAPES = (
    (re.compile(rf"Missing required child {_CHILD}"), "is required and missing"),
    (re.compile(rf"Child limit exceeded {_CHILD}"), "occurs more often than the version allows"),
    (
        re.compile(rf"Datatype \S* is not correct for {_CHILD} \(it must be .*\)"),
        "has parts that its data type has not",
    ),
    (
        re.compile(r"Invalid children detected for <\w+ (?P<parent>)(?P<child>[A-Z][A-Z0-9_]*)\b.*"),
        "has too many parts",
    ),
)
_ERROR = (
    "Error: "  # lines with `Warning: ` are about values outside of tables, which sites extend: no matter of structure
)
# its tables ask in 2.3.1 for what only the waveform form of OBX must have (7.18.3); elsewhere OBX-4 is conditional (7.3.2.4)
_NOT_REQUIRED = frozenset({("2.3.1", "OBX_4")})
_OTHER = "hl7apy reports another mistake"
_UNREADABLE = "hl7apy cannot read the message"
_NUMBERED = re.compile(r"[A-Z][A-Z0-9]{1,2}_[0-9]{1,3}")
_LISTED = 5  # expected segments that a finding names


def structure_findings(message: Message) -> list[str]:
    """What is not as the version in MSH-12 says, one sentence each; empty for a message that conforms.

    Z segments are left out on both sides. A version between two that hl7apy knows is read as the earlier one. Raises
    Unreadable where the bytes are not of the message's character set.
    """
    version = library_version(message.get("MSH-12.1") or "")
    if version is None:
        return ["MSH-12: no version of HL7"]
    kept = [segment for segment in message.segments if not segment.name.startswith("Z")]
    known = [segment for segment in kept if segment.name in segment_names(version)]
    others = [f"{_label(segment)} is no segment of {version}" for segment in kept if segment not in known]
    names = candidates(*(message.get(f"MSH-9.{number}") or "" for number in (1, 2, 3)))
    structure = next((name for name in names if name in library(version).MESSAGES), None)
    if structure is None:
        return [*others, f"MSH-9: no message structure of {version}"]
    return [*others, *_order(known, structure, version), *_report(message, known, structure, version)]


def _label(segment: Segment) -> str:
    """A name that some version has, else the number of the line: it may be no segment but a line of text."""
    known = segment.name in segment_names() | segment_names("2.8.2") | segment_names("2.3")
    return segment.name if known else f"line {segment.index + 1}"


def _order(segments: list[Segment], structure: str, version: str) -> list[str]:
    """The walk: where a segment stands that belongs elsewhere, and what the end lacks."""
    names = [segment.name for segment in segments]
    seen: Counter[str] = Counter()
    places = [f"{name}[{seen[name]}]" for name in names if not seen.update([name])]
    found = []
    for at, expected in grammar_of(library(version).MESSAGES[structure]).walk(names):
        wanted = ", ".join(expected[:_LISTED]) + (", ..." if len(expected) > _LISTED else "")
        if at < len(names):
            what = f"stands where {structure} of {version} has {wanted}" if expected else f"is no part of {structure}"
            found.append(f"{places[at]} {what}")
        elif not found:  # else what is missing at the end was found in the wrong place
            found.append(f"the message ends where {structure} of {version} has {wanted}")
    return found


def _report(message: Message, segments: list[Segment], structure: str, version: str) -> list[str]:
    """hl7apy's findings on a copy of these segments in groups, each once with how often."""
    lines = _validated(_copy(message, segments, structure, version))
    if lines is None:
        return [_UNREADABLE]
    present = {segment.name for segment in segments}
    errors = [line.removeprefix(_ERROR) for line in lines if line.startswith(_ERROR)]
    found = Counter(_sentence(error) for error in errors if not _is_wrong(error, present, version))
    return [f"{text} ({times} times)" if times > 1 else text for text, times in found.items()]


def _copy(message: Message, segments: list[Segment], structure: str, version: str) -> str:
    """The segments as hl7apy wants them: CR behind each, the version it knows, the structure where it looks for it.

    Before 2.3.1 there is no MSH-9.3, and before 2.7 it refuses a fifth encoding character. Escape sequences stay.
    """
    copy = Message.parse(b"\r".join(segment.raw for segment in segments), message.charset)
    code, _, event = structure.partition("_")
    declared = copy.get("MSH-9.3")
    if structure == (f"{copy.get('MSH-9.1')}_{copy.get('MSH-9.2')}" if declared is None else declared):
        named = copy
    elif version < "2.3.1":
        named = copy.with_value("MSH-9", code).with_value("MSH-9.2", event)
    else:
        named = copy.with_value("MSH-9.3", structure)
    try:
        text = named.with_value("MSH-12.1", version).raw.decode(message.charset)
    except UnicodeDecodeError:
        raise Unreadable(f"the bytes are no {message.charset}") from None
    encoding = message.delimiters.encoding.decode("ascii")
    return text.replace(copy.get("MSH-2") or "", encoding[:4] if version < "2.7" else encoding, 1)


def _validated(text: str) -> list[str] | None:
    """The lines of hl7apy's report; None where it cannot read the message.

    The report is a file in memory: it quotes values, which must not reach a disk.
    """
    parser, validation = importlib.import_module("hl7apy.parser"), importlib.import_module("hl7apy.validation")
    failures = importlib.import_module("hl7apy.exceptions")
    descriptor = os.memfd_create("hl7apy-report")
    try:
        parsed = parser.parse_message(text, find_groups=True)
        with contextlib.suppress(failures.ValidationError):  # the first error of the report, once more
            validation.Validator.validate(parsed, report_file=f"/proc/self/fd/{descriptor}")
        with os.fdopen(os.dup(descriptor), encoding="utf-8", errors="backslashreplace") as report:
            return report.read().splitlines()
    except failures.HL7apyException:
        return None
    finally:
        os.close(descriptor)


def _is_wrong(error: str, present: set[str], version: str) -> bool:
    """Whether a line asks for what the standard does not.

    That is every member of a choice although one is there (`ORM_O01_..._SUPPGRP.RQD`), and a slip of hl7apy's tables.
    """
    match = _SHAPES[0][0].fullmatch(error)
    if match is None:
        return False
    group = library(version).GROUPS.get(match["parent"])
    chosen = group is not None and group[0] == "choice" and not present.isdisjoint(_members(group))
    return chosen or (version, match["child"]) in _NOT_REQUIRED


def _members(group: Any) -> set[str]:
    """Every segment below a group."""
    return {name for child in group[1] for name in (_members(child[1]) if child[3] == "GRP" else {child[0]})}


def _sentence(error: str) -> str:
    for pattern, text in _SHAPES:
        match = pattern.fullmatch(error)
        if match:
            return f"{_place(match['parent'], match['child'])} {text}"
    return _OTHER


def _place(parent: str, child: str) -> str:
    """`PID` and `PID_5` as PID-5, a component `CX_5` of the field `PID_3` as PID-3.5, a segment as `PID of ADT_A01`."""
    if not _NUMBERED.fullmatch(child):
        return f"{child} of {parent}" if parent else child
    number = child.rpartition("_")[2]
    if _NUMBERED.fullmatch(parent):
        return f"{parent.replace('_', '-')}.{number}"
    return child.replace("_", "-")
