"""The site's mappings: tables, concepts, exams, relevance rules, policy, receivers, as the steps look them up."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from pydantic import ValidationError

from engine.channel.findings import findings_of
from engine.channel.site_files import Row, SiteFiles
from engine.order.exam import ExamTable, parse_exams
from engine.order.exam_file import ExamRow, ExamsModel, unknown_words
from engine.patient.concept import parse_concepts
from engine.patient.concept_file import ConceptsModel
from engine.relevance.compiled import RuleSet
from engine.relevance.policy import Policy
from engine.relevance.profiles import ProfilesFile
from engine.relevance.rules import RuleError, RuleFile, parse_rule_files
from engine.steps.mappings import Mappings

EXAMS = "exams"  # the one table that is no translation
_EXAM, _TABLE = tuple(ExamRow.model_fields), ("code", "value")


def read_mappings(files: SiteFiles, folder: str) -> Mappings | None:
    """All of a mappings folder; None where a part of it cannot be used, with its findings noted."""
    concepts = files.read(f"{folder}/concepts.yaml", ConceptsModel, parse_concepts)
    exams = _exams(files, folder)
    policy = files.read(f"{folder}/policy.yaml", Policy, Policy.model_validate)
    profiles = files.read(f"{folder}/profiles.yaml", ProfilesFile, ProfilesFile.model_validate)
    rules = _rules(files, folder)
    names = {PurePosixPath(name).stem: name for name in files.names(f"{folder}/tables", "*.csv")}
    tables = {stem: _table(files, name) for stem, name in names.items() if stem != EXAMS}
    if concepts is None or exams is None or policy is None or profiles is None or rules is None:
        return None
    return Mappings(tables, concepts, exams, rules, policy, profiles.profiles)


def _exams(files: SiteFiles, folder: str) -> ExamTable | None:
    name = f"{folder}/tables/{EXAMS}.csv"
    there = files.names(f"{folder}/tables", f"{EXAMS}.csv")
    rows = files.rows(name, _EXAM) if there else []
    exams = {code: {column: cells[column] for column in _EXAM} for code, cells in _by_code(files, name, rows, _EXAM)}
    table = files.read(f"{folder}/exams.yaml", ExamsModel, lambda content: parse_exams(content, exams.values()))
    if table is not None:
        for line, cells in rows:
            for problem in unknown_words(cells, table.words):
                files.note(name, "MAP003", problem, line)
    return table


def _table(files: SiteFiles, name: str) -> dict[str, str]:
    rows = files.rows(name, _TABLE)
    return {code: cells["value"] for code, cells in _by_code(files, name, rows, _TABLE)}


def _by_code(
    files: SiteFiles, name: str, rows: Iterable[Row], columns: tuple[str, ...]
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Each row under its code; one without a code, with blanks around a cell, or of a code that was there is noted."""
    seen = set()
    for line, cells in rows:
        code = cells["code"]
        if not code or any(cells[column] != cells[column].strip() for column in columns):
            files.note(name, "MAP004", "a code is empty, or blanks stand around a code or value", line)
        elif code in seen:
            files.note(name, "MAP005", f"the code {code!r} stands here twice", line)
        else:
            yield code, cells
        seen.add(code)


def _rules(files: SiteFiles, folder: str) -> RuleSet | None:
    names = files.names(f"{folder}/relevance", "*.yaml")
    found = [_rule_file(files, name) for name in names]
    parsed = [file for file in found if file is not None]
    if len(parsed) < len(found):
        return None
    try:
        return parse_rule_files(parsed)
    except RuleError as problem:
        _note_rule(files, names, problem)
    return None


def _rule_file(files: SiteFiles, name: str) -> RuleFile | None:
    document = files.document(name)
    if document is None:
        return None
    try:
        return RuleFile.model_validate(document.content or {})
    except ValidationError as problem:
        files.findings += findings_of(document, problem, RuleFile)
    return None


def _note_rule(files: SiteFiles, names: list[str], problem: RuleError) -> None:
    """A finding where the rule stands; of two with one id, at the second."""
    places = [
        (files.documents[name], n)
        for name in names
        for n, rule in enumerate((files.documents[name].content or {}).get("rules") or [])
        if rule["id"] == problem.rule
    ]
    document, n = places[-1]
    files.findings.append(document.finding(("rules", n, "id"), "REF006", str(problem)))
