"""What a destination's answer, or its silence, means: the words for people (tables 0008 and 0357)."""

from engine.hl7.acknowledge import ERRORS

_REFUSED = "it refuses this message as it is: look at the message and at the receiver's settings"
_LATER = "the receiver's own trouble: it goes again by itself"
_CODES = {
    "AA": "taken",
    "CA": "taken",
    "AE": _REFUSED,
    "CE": _REFUSED,
    "AR": _REFUSED,
    "CR": _LATER,
    "AR 206": _LATER,
    "AR 207": _LATER,
}
_STARTS = (  # (how a reason begins, what it means)
    ("connection refused", "nobody listens there: the receiver's program does not run, or the port is wrong"),
    ("no route to host", "the network does not lead there: address, cable, firewall"),
    ("network unreachable", "this machine has no way to that network"),
    ("host name not found", "the name server does not know it: the name in config.yaml, or DNS"),
    ("no connection within", "the machine does not answer: it is off, or a firewall drops the packets"),
    ("connection reset", "the receiver broke the connection: its program ended, or something between cut it"),
    ("connection closed", "the receiver closed without an answer; whether it took the message is not known"),
    ("no connection", "the connection could not be made"),
    ("no answer for", "connected, but silent; whether it took the message is not known, so the same goes again"),
    ("not answered", "the message asks for no answer: it was written, and nothing proves that it arrived"),
    ("not refused", "the message asks to be answered only when refused: silence means that it was taken"),
    ("answer is empty", "a frame with nothing in it is no acknowledgement"),
    ("answer for another message", "its MSA-2 is not our MSH-10: it is credited to nothing"),
    ("answer is no HL7", "what came back is no acknowledgement: is something else listening on that port?"),
    ("answer longer than", "no acknowledgement is that long"),
    ("answer with an unknown code", "MSA-1 is none of AA, AE, AR, CA, CE, CR"),
    ("behind a parked message", "an earlier message of this patient is parked, and order is kept"),
)


def told(answer: str) -> str:
    """The answer with the name of its error: `AE 204 (unknown key identifier)`; other words as they are."""
    code, _, number = answer.partition(" ")
    name = ERRORS.get(number, "") if len(code) == 2 else ""
    return f"{answer} ({name})" if name else answer


def meaning(answer: str) -> str:
    """What it means and where to look; "" for words that say it themselves."""
    found = _CODES.get(answer) or (_CODES.get(answer[:2], "") if answer[2:3] in {"", " "} else "")
    return found or next((text for start, text in _STARTS if answer.startswith(start)), "")
