"""An exam read from its words: `CT ABD PELVIS W/O & W CON`, `US GUIDED THYROID BX`, `CHEST PORT 1 VIEW`."""

from typing import NamedTuple

from engine.order.exam_file import ExamsModel
from engine.order.order import Exam

_NONE: frozenset[str] = frozenset()
_KEPT = frozenset("/&+-")
_BLANKS = {c: " " for c in range(128) if not chr(c).isalnum() and chr(c) not in _KEPT}


def wording(text: str) -> str:
    """Capitals, with `/ & + -` kept and other punctuation as single blanks: contrast is told by `/` (C27)."""
    return " ".join(text.upper().translate(_BLANKS).split())


class _Contrast(NamedTuple):
    with_: bool
    without: bool


class ExamText:
    """The words of exams.yaml."""

    __slots__ = ("_file",)

    def __init__(self, file: ExamsModel) -> None:
        self._file = file

    def exam(self, text: str, stated: str, source: str) -> Exam:
        """The exam of a `wording`; `stated` is the modality of OBR-24, or ""."""
        found = self._modalities(text, stated)
        special = frozenset(name for name, pattern in self._file.special.items() if pattern.search(text))
        risk = self._intervention(text, found)
        if risk:
            found = found | {"IR"}
            special |= risk
        if not found:
            return Exam(_NONE, self.regions(text), _NONE, special, source if special else "unknown")
        regions = self.regions(text)
        exam = Exam(found, regions, _NONE, special, "OBR-24" if stated else source)
        return exam._replace(contrast=self._contrast(exam, text))

    def _modalities(self, text: str, stated: str) -> frozenset[str]:
        """OBR-24 wins, but for CT, MR and PET in the words: a contrast exam that is missed is the worst error here."""
        found = frozenset(name for name, pattern in self._file.modality.items() if pattern.search(text))
        if found & {"CT", "MR"}:
            found -= {"XA"}  # CT ANGIOGRAM
        if len(found) > 1:
            found -= {"XR"}  # a word of plain films beside a real modality
        if stated:
            return found & {"CT", "MR", "PT"} | {stated}
        return found or (frozenset({"XR"}) if self._plain(text) else _NONE)

    def _plain(self, text: str) -> bool:
        """Views or a portable of a named region; never a port being placed."""
        if not self._file.plain.search(text) or self._file.intervention.any.search(text):
            return False
        return bool(self.regions(text))

    def regions(self, text: str) -> frozenset[str]:
        """Every region that is named."""
        masked = self._file.region_mask.sub(" ", text)
        found = {name for name, pattern in self._file.region.items() if pattern.search(masked)}
        found |= {name for name, pattern in self._file.region_masked.items() if pattern.search(text)}
        return frozenset(found)

    def _intervention(self, text: str, modality: frozenset[str]) -> frozenset[str]:
        rules = self._file.intervention
        if modality and modality <= rules.not_with:
            return _NONE
        said = rules.mask.sub(" ", text)
        angiography = "XA" in modality and rules.vascular.search(said) is not None
        if not (angiography or rules.any.search(said)):
            return _NONE
        kinds = {"IR", self._risk(said)}
        if rules.puncture.search(said):
            kinds.add("LP")
        return frozenset(kinds)

    def _risk(self, text: str) -> str:
        """IR_HIGH or IR_LOW; what fits neither is high (rules.md 3.0.3)."""
        rules = self._file.intervention
        rest = rules.exchange.sub(" ", text)
        if rules.high.search(rest):
            return "IR_HIGH"
        left = rules.generic.sub(" ", rules.low.sub(" ", rest))
        something_else = rules.any.search(left) is not None
        if something_else:
            return "IR_LOW" if rules.low_site.search(left) else "IR_HIGH"
        return "IR_LOW" if rest != text or rules.low.search(text) else "IR_HIGH"

    def _contrast(self, exam: Exam, text: str) -> frozenset[str]:
        said = self._said(text)
        found: set[str] = set()
        if "MR" in exam.modality:
            found |= self._gadolinium(text, said)
        if exam.modality & {"CT", "XA", "RF", "MG", "IR"}:
            found |= self._iodine(exam, text, said)
        if said.without and not said.with_ and not found:
            return frozenset({"WO"})
        return frozenset(found) or self.unstated(exam, text)

    def _said(self, text: str) -> _Contrast:
        rules = self._file.contrast
        if rules.both.search(text):
            return _Contrast(with_=True, without=True)
        masked = rules.mask.sub(" ", text)
        rest = rules.without.sub(" ", masked)
        return _Contrast(with_=rules.with_.search(rest) is not None, without=rest != masked)

    def _gadolinium(self, text: str, said: _Contrast) -> set[str]:
        if self._file.contrast.hepatobiliary.search(text):
            return {"GAD", "GADHEP"}
        return {"GAD"} if said.with_ else set()

    def _iodine(self, exam: Exam, text: str, said: _Contrast) -> set[str]:
        rules = self._file.contrast
        by_name = rules.iodine.search(text) or (rules.iodine_usual.search(text) and not said.without)
        vascular = "MR" not in exam.modality and self._file.intervention.vascular.search(text)
        into_vessel = vascular and exam.modality & {"XA", "IR", "RF"}
        stated = said.with_ and exam.modality & {"CT", "XA"}
        if by_name or into_vessel or stated or (exam.special & {"CTPA", "CCTA"} and "CT" in exam.modality):
            return {"IOD"}
        return set()

    def unstated(self, exam: Exam, text: str = "") -> frozenset[str]:
        """What contrast is possible where the words do not say."""
        rules = self._file.contrast
        found = set()
        if "CT" in exam.modality and not exam.modality & {"PT", "NM", "IR"} and exam.region & rules.possible:
            found.add("IOD_POSSIBLE")
        if "XA" in exam.modality:
            found.add("IOD_POSSIBLE")
        if "MR" in exam.modality and not rules.never_gadolinium.search(text) and "IR" not in exam.modality:
            alone = exam.region and exam.region <= rules.no_gadolinium_alone
            found |= set() if alone else {"GAD_POSSIBLE"}
        return frozenset(found)
