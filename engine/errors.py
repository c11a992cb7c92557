"""The exceptions of the engine, named by their consequence.

No message of any of them ever holds content of an HL7 message: they name places (`OBR-4.1`), codes of ours and wishes.
"""


class BackstoryError(Exception):
    """Anything the engine raises on purpose."""


class Unreadable(BackstoryError):
    """The bytes are no HL7 message, or a value is not what its type says; trying again cannot help."""


class Retryable(BackstoryError):
    """It failed now and may succeed later: a peer that is away, a disk that is full."""


class Rejected(BackstoryError):
    """The other side understood and said no; a person or a policy must decide."""


class ConfigError(BackstoryError):
    """The site's files ask for something that cannot be; the text is one line a person can act on."""


class StepError(BackstoryError):
    """A step of a channel could not do what it promised: where, what was wrong, what was wanted; never the patient.

    Args:
        step: name of the step as in YAML, `translate`.
        path: place in the message, `OBR-4.1`, or empty.
        problem: what was found and what was wanted, without content of the message but codes of tables.
    """

    def __init__(self, step: str, path: str, problem: str) -> None:
        super().__init__(f"{step}: {path + ': ' if path else ''}{problem}")
        self.step = step
        self.path = path
        self.problem = problem


class StoreRefused(BackstoryError):
    """A database refused these values (too large, not encodable, there already): the same commit can never succeed (D6).

    The text names the kind of refusal, `store refused: OverflowError`, never a value.
    """


class StoreBroken(BackstoryError):
    """A database file can no longer be relied on (I/O error, damage, another writer): the process must end."""
