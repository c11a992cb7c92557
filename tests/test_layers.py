"""Who may import whom: read from the source, so that an import inside a function counts as well."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = {
    "hl7": 0,
    "tls": 0,
    "mllp": 1,
    "patient": 1,
    "order": 1,
    "relevance": 2,
    "notes": 2,
    "steps": 3,
    "channel": 4,
    "store": 5,
    "check": 5,
    "web": 6,
    "dicom": 6,
    "app": 7,
    "cli": 8,  # the command starts the app; nothing imports the command
}
FOR_ALL = {"errors": 0, "source": 0}  # modules of engine/ itself that every layer may use

# third parties that stay where they belong
HOMES = {
    "twisted": {"mllp", "app"},
    "zope": {"mllp", "app"},
    "cryptography": {"tls"},
    "OpenSSL": {"tls", "mllp"},
    "service_identity": {"tls"},
    "sqlalchemy": {"store"},
    "alembic": {"store"},
    "pysqlite3": {"store"},
    "sqlite3": set(),
    "typer": {"cli"},
    "rich": {"cli"},
}

# runs in the worker's child only: hl7apy writes its findings to a file, and an anonymous one is handed to it
BESIDE_THE_PATH = {"hl7/conformance.py"}
PURE = {"hl7", "patient", "order", "relevance", "notes", "steps"}
IMPURE_MODULES = {
    *("asyncio", "concurrent", "ctypes", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
    *("secrets", "select", "selectors", "shutil", "signal", "socket", "subprocess", "sys", "tempfile", "threading"),
    *("time", "urllib", "uuid"),
}
IMPURE_CALLS = {"open", "input", "print", "exec", "eval"}
IMPURE_ATTRIBUTES = {"now", "utcnow", "today", "read_text", "read_bytes", "write_text", "write_bytes"}
# what makes objects out of site files knows their paths, not their contents
MAY_NAME_PATHS = {"pathlib"}


class Import(NamedTuple):
    """One imported module, absolute, and where it stands."""

    module: str
    line: int


def _imports(tree: ast.AST, package: list[str]) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "engine":
                yield from (Import(f"engine.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield Import(module, node.lineno)


def _layer_problem(own: str, module: str) -> str:
    parts = module.split(".")
    if parts[0] in HOMES and own not in HOMES[parts[0]]:
        return f"{parts[0]} stays in {sorted(HOMES[parts[0]]) or 'no package'}"
    if parts[0] != "engine" or len(parts) == 1 or parts[1].startswith("__"):
        return ""
    other = parts[1]
    if other != own and other in LAYERS and own in FOR_ALL:
        return f"{own} is for all layers and imports none"
    if other != own and other in LAYERS and LAYERS[other] >= LAYERS[own]:
        return f"{own} (L{LAYERS[own]}) may not import {other} (L{LAYERS[other]})"
    return "" if other in {*LAYERS, *FOR_ALL} else f"{module} has no layer"


def _impurities(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for found in _imports(tree, []):
        top = found.module.split(".")[0]
        if top in IMPURE_MODULES - MAY_NAME_PATHS:
            yield found.line, f"imports {top}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Name) and name.id in IMPURE_CALLS:
                yield node.lineno, f"calls {name.id}()"
            if isinstance(name, ast.Attribute) and name.attr in IMPURE_ATTRIBUTES:
                yield node.lineno, f"calls .{name.attr}()"


def problems(engine: Path) -> list[str]:
    """Every breach of the layers in a tree like engine/, as `file:line sentence`."""
    found = []
    for file in sorted(engine.rglob("*.py")):
        relative = file.relative_to(engine)
        own = relative.parts[0] if len(relative.parts) > 1 else relative.stem
        if own not in LAYERS and own not in FOR_ALL:
            if own != "__init__":
                found.append(f"{relative}:1 {own} has no layer")
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        package = ["engine", *relative.parts[:-1]]
        for item in _imports(tree, package):
            problem = _layer_problem(own, item.module)
            if problem:
                found.append(f"{relative}:{item.line} {problem}")
        if own in PURE and str(relative) not in BESIDE_THE_PATH:
            found += [f"{relative}:{line} {own} is pure, yet {what}" for line, what in _impurities(tree)]
    return found


def test_every_import_goes_down() -> None:
    """A module imports its own package or a lower layer; libraries stay in their homes; pure packages stay pure."""
    assert problems(ROOT / "engine") == []


@pytest.mark.parametrize(
    ("file", "source", "problem"),
    [
        ("hl7/a.py", "import engine.store.tables", "hl7 (L0) may not import store (L5)"),
        ("hl7/a.py", "def f():\n    from engine.patient import fact", "hl7 (L0) may not import patient (L1)"),
        ("patient/a.py", "from engine.order.order import Order", "patient (L1) may not import order (L1)"),
        ("steps/a.py", "from engine import channel", "steps (L3) may not import channel (L4)"),
        ("steps/a.py", "from ..channel import model", "steps (L3) may not import channel (L4)"),
        ("store/a.py", "from engine.check import lint", "store (L5) may not import check (L5)"),
        ("app/a.py", "import engine.cli", "app (L7) may not import cli (L8)"),
        ("channel/a.py", "from twisted.internet import reactor", "twisted stays in ['app', 'mllp']"),
        ("app/a.py", "import sqlalchemy as sa", "sqlalchemy stays in ['store']"),
        ("store/a.py", "import sqlite3", "sqlite3 stays in no package"),
        ("source.py", "from engine.hl7.path import Path", "source is for all layers and imports none"),
        ("magic/a.py", "", "magic has no layer"),
        ("order/a.py", "import time", "order is pure, yet imports time"),
        ("relevance/a.py", "def f(d):\n    return d.now()", "relevance is pure, yet calls .now()"),
        ("notes/a.py", "open('x')", "notes is pure, yet calls open()"),
    ],
)
def test_the_layer_test_can_fail(tmp_path: Path, file: str, source: str, problem: str) -> None:
    """Negative control: each kind of breach, planted in a tree of its own, is found and named."""
    planted = tmp_path / file
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(source, encoding="utf-8")
    (found,) = problems(tmp_path)
    assert found.endswith(problem)


def test_downward_imports_are_no_problem(tmp_path: Path) -> None:
    """The other control: what the layers allow is not reported."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "a.py").write_text(
        "import re\nfrom engine import __version__\nfrom engine.errors import StepError\n"
        "from engine.hl7.message import Message\nfrom . import draft\nfrom engine.relevance import rules\n",
        encoding="utf-8",
    )
    assert problems(tmp_path) == []
