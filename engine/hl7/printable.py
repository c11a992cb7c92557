r"""Text that any database can hold as a key: PostgreSQL text has no NUL, and no page shows a control (D6)."""

import re

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")


def printable(text: str) -> str:
    r"""Controls, lone surrogates and the backslash written as `\xNN` or `\uNNNN`; different texts stay different."""
    return text if text.isalnum() else _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
