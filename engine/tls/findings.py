"""What was found wrong with a chain, each thing once, whether our own checks say it or OpenSSL does."""

from collections.abc import Callable, Iterable

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from engine.tls.files import unknown_key
from engine.tls.naming import called
from engine.tls.refusals import DATES, ISSUERS, LISTS, NO_CA, PURPOSE, REVOKED, WEAK, Verdict, told_error

_NO_CA_WORDS = " and is no CA: "


class Found:
    """Sentences in the order in which they were found."""

    def __init__(self) -> None:
        self._found: list[tuple[str, x509.Certificate, str]] = []

    @property
    def words(self) -> list[str]:
        """All of them."""
        return list(dict.fromkeys(words for _, _, words in self._found))

    def add(
        self, topic: str, certificate: x509.Certificate, check: Callable[..., Iterable[str]], *asked: object
    ) -> None:
        """What a check of it says; a certificate that cannot be read is told as that."""
        try:
            self._found.extend((topic, certificate, words) for words in list(check(*asked)))
        except ValueError:
            malformed = f"{called(certificate)} is malformed, or one that belongs to it: its CA must issue it anew"
            self._found.append(("malformed", certificate, malformed))
        except UnsupportedAlgorithm:
            self._found.append(("weak", certificate, unknown_key(certificate)))

    def add_verdict(self, verdict: Verdict, trusted: str) -> None:
        """What OpenSSL says, unless a check has said the same, and what to do about it."""
        error, _, certificate = verdict
        if not self._has(verdict):
            words = told_error(error, called(certificate), certificate, trusted)
            remedy = "fetch its CA's newest list" if error in LISTS - {REVOKED} else "its CA must issue it anew"
            self._found.append(("OpenSSL", certificate, f"{words}: {remedy}"))

    def _has(self, verdict: Verdict) -> bool:
        error, depth, certificate = verdict
        if error in DATES:
            return any(topic == "dates" and one == certificate for topic, one, _ in self._found)
        if error == NO_CA:
            return any(_NO_CA_WORDS in words for _, _, words in self._found)
        if error == PURPOSE:
            said = any(topic == "OpenSSL" and one == certificate for topic, one, _ in self._found)
            return said or (not depth and self._about("use"))
        if error in LISTS:
            return not depth and self._about("revoked")
        return (error in ISSUERS and self._about("issuers")) or (error in WEAK and self._about("weak"))

    def _about(self, topic: str) -> bool:
        return any(one == topic for one, _, _ in self._found)
