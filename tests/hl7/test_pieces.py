"""Decoding piece by piece gives the same text and the same errors as decoding at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7 import pieces
from engine.hl7.pieces import decoded

CODECS = (
    "utf-8",
    "ascii",
    "iso8859_1",
    "iso8859_15",
    "cp1252",
    "koi8_r",
    "euc_jp",
    "euc_kr",
    "gb2312",
    "gb18030",
    "gbk",
)
CODECS += ("cp932", "cp949", "cp950", "big5hkscs")
texts = st.text("aäöёж漢字カ한글€\U00020000|\r", max_size=40)


def outcome(found):
    try:
        return found()
    except UnicodeDecodeError as bad:
        return bad.object, bad.start, bad.end, bad.reason


@pytest.mark.parametrize("codec", CODECS)
@given(data=st.data(), step=st.integers(1, 9))
def test_pieces_are_the_whole(codec, data, step):
    """Text of the codec, of another one, and any bytes."""
    written = st.builds(lambda text, name: text.encode(name, "ignore"), texts, st.sampled_from([codec, *CODECS]))
    raw = data.draw(st.one_of(written, st.binary(max_size=20), st.tuples(written, st.binary(max_size=3)).map(b"".join)))
    before = pieces.STEP
    pieces.STEP = step
    try:
        assert outcome(lambda: "".join(decoded(raw, codec))) == outcome(lambda: raw.decode(codec))
    finally:
        pieces.STEP = before
