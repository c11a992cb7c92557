"""Files stay small enough to be read in one sitting."""

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
SOFT = 250  # more needs the words "Long because" and a reason in the module's docstring
HARD = 400
MEDIAN = 150
REASON = "Long because"


def long_files(root: Path) -> list[str]:
    """What breaks the limits below a folder, as `file: sentence`; generated migrations are not read by people."""
    found = []
    for file in sorted(root.rglob("*.py")):
        if "versions" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > HARD:
            found.append(f"{file.relative_to(root)}: {lines} lines, more than {HARD}")
        elif lines > SOFT and REASON not in (ast.get_docstring(ast.parse(text)) or ""):
            found.append(f"{file.relative_to(root)}: {lines} lines without a {REASON!r} in its docstring")
    return found


def test_files_keep_to_the_limits() -> None:
    """No file of the engine is longer than 400 lines, and one longer than 250 says why."""
    assert long_files(ROOT / "engine") == []


def test_the_median_file_is_short() -> None:
    """Half of the engine's files have at most 150 lines."""
    lengths = [file.read_text(encoding="utf-8").count("\n") for file in (ROOT / "engine").rglob("*.py")]
    assert median(length for length in lengths if length > 3) <= MEDIAN


@pytest.mark.parametrize(
    ("lines", "docstring", "found"),
    [(250, "", 0), (251, "", 1), (251, "Long because it is a table.", 0), (401, "Long because it is a table.", 1)],
)
def test_the_limits_can_fail(tmp_path: Path, lines: int, docstring: str, found: int) -> None:
    """Negative control: a file one line over is reported, unless it says why; 400 is the end."""
    (tmp_path / "a.py").write_text(f'"""{docstring}"""\n' + "x = 1\n" * (lines - 1), encoding="utf-8")
    assert len(long_files(tmp_path)) == found


def test_every_package_says_what_it_is() -> None:
    """The docstring of each module of the engine begins with a sentence."""
    silent = [
        str(file.relative_to(ROOT))
        for file in (ROOT / "engine").rglob("*.py")
        if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []
