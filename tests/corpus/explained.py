"""Why each thing that surprises in the outcomes is as it is: what docs/corpus.md says beside every count.

A label that occurs without an explanation fails the test, and so does an explanation that nothing needs any more.
"""

REFUSED = {
    "AR 100": "no MSH that can be read: cut off or missing",
    "AR 102": "an MSH whose delimiters cannot be used: one character for two of them, a letter, or too few",
    "AR 101 MSH-9": "no message type: headers alone from unit tests, and some whose fields are shifted by one",
    "AR 101 MSH-10": "no control id, without which no answer can be matched and no resend be told from a new message",
    "AR 103": "a character set that table 0211 does not have",
    "AR 200": "a type that no version of HL7 has and no channel accepts, or another component separator than MSH-2 says",
    "AE 100": "batches without a message, with lines outside of their messages or with a wrong count: the frame is kept whole",
    "AE 102": "ISO 8859-1 without a word of it in MSH-18. The site says `charset: iso8859_1` for such a listener; nothing "
    "is guessed, and no character replaced",
}

FAILED = {
    "no PID, nothing but a header": "beginnings of messages, from unit tests",
    "no PID, other segments": "results, a prescription and local segments that name nobody: they would be nobody's facts",
    "a PID that says nothing": "tests of one other field, most of them of one project whose messages hold two segments",
    "a PID with values and no number": "PID-3, PID-2 and PID-4 are empty, or PID-4 does not say whose number it is; a name "
    "and a birth date find nobody (T21)",
}

FILTERED = {
    "ACK": "answers that were sent as messages",
    "BAR": "billing",
    "DFT": "billing",
    "MFN": "master files",
    "OML": "laboratory orders; their results come as ORU",
    "OUL": "results by specimen. Known: no shipped channel takes them; their SPM stands before the OBR",
    "PEX": "reports of adverse drug reactions",
    "PPR": "problem lists (PRB). Known: only the diagnoses of an ADT (DG1) are read so far",
    "QBP": "queries",
    "QRY": "queries",
    "RDS": "what the pharmacy dispensed (RXD). Known: orders are read so far (RXE, RXO)",
    "REF": "referrals",
    "RSP": "answers to queries",
    "SIU": "appointments",
    "VXU": "vaccinations (RXA). Known: not read so far",
}

NOTHING_KEPT = {
    "an ADT that says what was known": "the same set again adds no fact",
    "an ADT that says only a number": "neither name, birth date, sex nor lists",
    "an ADT that changes or merges numbers": "A40 and its kin (MRG). Known: numbers are linked by what a PID lists together; "
    "a merge is not applied yet, so facts of the old number are not shown under the new one",
    "an ADT that takes something back": "a visit or a discharge that did not happen says nothing new (T29)",
    "an ORU without a value": "no OBX, or OBX whose OBX-5 is empty",
    "an MDM without text": "a document that was only announced (T20)",
}

_SPELLED = "as one RIS spells it; kept as sent, shown so, and of a final report's rank. Known"

STATUSES = {"FINAL": _SPELLED, "PRELIM": _SPELLED, "WET READ": _SPELLED}

_IN_ORDER = "the order takes them to the PACS; nothing of them is kept"

UNREAD = {
    "OBX in ADT": "Known: weight, height and reports that come with a registration",
    "IAM in ADT": "Known: allergies with action codes",
    "PR1 in ADT": "Known: procedures",
    "PRB in ADT": "Known: problem lists",
    "DG1 in ORU": "Known: the diagnosis for which an exam was done",
    "OBX in OMP": "Known: weights and findings beside a prescription",
    "OBX in RDE": "Known: as in an OMP",
    "AL1 in RDE": "Known: allergies are read from ADT only, whose list is the whole list",
    "RXC in RDE": "Known: components of a compound",
    "RXO in RDE": "what was asked for; RXE, what the pharmacy made of it, is kept",
    "AL1 in OMG": _IN_ORDER,
    "AL1 in ORM": _IN_ORDER,
    "DG1 in OMG": _IN_ORDER,
    "DG1 in OMI": _IN_ORDER,
    "DG1 in ORM": _IN_ORDER,
    "OBX in OMG": _IN_ORDER,
    "OBX in ORM": _IN_ORDER,
    "RXO in ORM": "prescriptions at the listener for imaging orders, to which every ORM of the corpus was sent; the pharmacy's "
    "listener keeps them",
}

ENRICHED = {
    "no imaging": "laboratory, pharmacy and newborn screening orders, which the corpus sends as ORM: forwarded, not tracked",
    "withheld": "MSH-11 marks a test, or PV1-16 of the order or of a registration a person whose facts are withheld (D23)",
    "over": "cancelled or completed: nobody will look at it before the exam",
    "nobody known": "nothing was stored of its patient before it came",
    "nothing that a rule asks for": "plain films and exams without contrast; and no laboratory of that authority was ever "
    "heard, so that a missing eGFR is not called missing (D13)",
}

FLAGS = {
    "lf_line_ends": "lines that end in LF, as files do; taken as they are and kept",
    "batch": "came in a batch with its header",
    "datetime_odd": "MSH-7 is empty or no time",
    "charset_suspect": "MSH-18 says one byte a character, and the text reads as UTF-8",
    "control_characters": "controls inside of a text, as tests of other projects send them",
    "version_unknown": "MSH-12 is empty or no version of HL7",
    "local_type": "an event in small letters, which HL7 does not know, of a type that a channel accepts",
    "refused": "refused, and the sender wants no answer: the reason stands here and in the outcome",
    "unmapped": "OBR-4.1 is not in the site's table of procedure codes; the exam is told from its text",
    "enrichment_withheld": "see withheld orders",
    "merge_not_applied": "a number is merged; its facts stay under it, and are not shown under the new one. Known",
    "document_not_read": "PDF, HTML or images: a document without its text. Known: read later, in a process of its own",
    "time_in_future": "a time more than a day ahead of the clock, not believed (T50)",
}

ASKED = {
    "R01": "an eGFR below 30, or that none was received from a laboratory that is heard",
    "R03": "a kidney injury by creatinine",
    "R32": "platelets and INR before a biopsy, or that none was received",
    "R40": "a woman of an age to be pregnant, of whom no hCG was received",
    "nothing": "patients of two authorities from which no result ever came: nothing is called missing (D13)",
}
