"""Answers in words for people."""

import pytest

from engine.channel.answer_words import meaning, told


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("AE 204", "AE 204 (unknown key identifier)"),
        ("AR 207", "AR 207 (application internal error)"),
        ("AE", "AE"),
        ("AE 999", "AE 999"),
        ("no answer for 30 s", "no answer for 30 s"),
        ("connection refused by 10.0.0.5:104", "connection refused by 10.0.0.5:104"),
    ],
)
def test_codes_have_names(answer, words):
    """Table 0357."""
    assert told(answer) == words


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ("AA", "taken"),
        ("AE 204", "refuses this message"),
        ("AR", "refuses this message"),
        ("AR 206", "goes again by itself"),
        ("AR 207", "goes again by itself"),
        ("CR 207", "goes again by itself"),
        ("connection refused by pacs:104", "nobody listens there"),
        ("no route to host", "network does not lead there"),
        ("no answer for 30 s", "silent"),
        ("not answered, as MSH-15 NE asks", "nothing proves"),
        ("not refused for 30 s, as MSH-15 ER means", "taken"),
        ("answer is no HL7 message", "something else listening"),
    ],
)
def test_what_it_means(answer, part):
    """Where to look."""
    assert part in meaning(answer)


@pytest.mark.parametrize("answer", ["", "held by anna", "AEON", "released by a person"])
def test_what_says_it_itself(answer):
    """No words beside it."""
    assert meaning(answer) == ""
