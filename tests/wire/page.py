"""The tables of docs/wire.md, made of the rows.

python -m tests.wire.page            # print them
python -m tests.wire.page --write    # put them into docs/wire.md
"""

import sys
from pathlib import Path

from tests.wire.rows import FOLDER, PAGES, Expected, Kept, Row, rows_of

PAGE = Path(__file__).parents[2] / "docs" / "wire.md"
BEGIN, END = "<!-- rows: made by tests/wire/page.py -->", "<!-- end of rows -->"
CLOSED = {
    "junk": "closed: bytes before any frame",
    "empty": "closed: an empty frame",
    "cut": "closed: a frame in a frame",
    "too_long": "closed: longer than `max_bytes`",
    "wide": "closed: two bytes a character",
    "frame_time": "closed after `frame_time`",
    "idle": "closed after `idle`",
    "peer": "closed, as the sender did",
}
TITLES = {
    "framing": "Around a message",
    "header": "What MSH says",
    "charset": "Character sets",
    "limits": "Limits",
    "content": "Inside of a message",
    "answers": "Modes, versions, resends, batches",
}


def tables() -> str:
    """A table for each file of rows."""
    return "\n".join(part for page in PAGES for part in _table(page))


def written(page: str) -> str:
    """The page with the tables of today between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def _table(page: str) -> list[str]:
    say = (FOLDER / f"{page}.yaml").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
    head = [f"### {TITLES[page]}", "", say, "", "| what is sent | lenient | strict |", "|---|---|---|"]
    return [*head, *(_line(row) for row in rows_of(page)), ""]


def _line(row: Row) -> str:
    case = row.case + (f" ({row.why})" if row.why else "")
    options = row.listener.model_dump(exclude_defaults=True)
    if options:
        case += "; listener with " + ", ".join(f"`{name}: {_value(value)}`" for name, value in options.items())
    strict = "the same" if row.strict is None else _words(row.strict)
    return "| " + " | ".join(text.replace("|", "\\|") for text in (case, _words(row.lenient), strict)) + " |"


def _value(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def _words(expected: Expected) -> str:
    answers = [_answer(answer) for answer in expected.answers] or ["no answer"]
    parts = [", ".join(answers), _kept(expected.kept)]
    if expected.closed:
        parts.append(CLOSED[expected.closed])
    return "; ".join(parts)


def _answer(answer: str) -> str:
    code, control_id, *error = answer.split("|")
    shown = control_id if len(control_id) < 20 else f"its first {len(control_id)} characters"
    words = " ".join([code, *error])
    return f"{words} to `{shown}`" if shown else f"{words}, MSA-2 empty"


def _kept(kept: list[str]) -> str:
    if not kept:
        return "nothing kept"
    found = [Kept.read(text) for text in kept]
    words = [
        ("kept" if one.kind == "MESSAGE" else "quarantined")
        + (f" ({one.flags.replace(' ', ', ')})" if one.flags else "")
        + (f", the first {one.size} bytes" if one.size else "")
        for one in found
    ]
    return " and ".join(words)


def main() -> int:
    if "--write" in sys.argv:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(tables())
    return 0


if __name__ == "__main__":
    sys.exit(main())
