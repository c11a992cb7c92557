"""The step `weight_in_kilograms`: arithmetic, for which a channel's YAML has no words."""

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

import hl7

from engine.errors import StepError

_KILOGRAMS = {
    "kg": Decimal(1),
    "g": Decimal("0.001"),
    **dict.fromkeys(("lb", "lbs", "[lb_av]"), Decimal("0.45359237")),
}
_TENTH = Decimal("0.1")


class WeightInKilograms:
    """Writes each weight of a result as kilograms, to a tenth. One that is in kilograms already stays as it came.

    Args:
        code: OBX-3.1 of a weight; the `options` of the channel's step are the arguments here.
    """

    def __init__(self, code: str) -> None:
        self._code = code

    def __call__(self, message: hl7.Message) -> dict[str, str | None]:
        """Value and unit by path, and no reference range, which would be in the old unit.

        Raises StepError for a weight that cannot be converted: the message is FAILED in this channel and stays in the
        journal. The sentence reaches logs: it says what was wanted, and never what stood there.
        """
        written: dict[str, str | None] = {}
        for number in self._weights(message):
            place = f"OBX[{number}]"
            unit = message.extract_field("OBX", number, 6)
            if unit == "kg":
                continue
            written[f"{place}-5"] = _converted(message.extract_field("OBX", number, 5), unit, place)
            written[f"{place}-6"] = "kg"
            written[f"{place}-7"] = None
        return written

    def _weights(self, message: hl7.Message) -> Iterator[int]:
        """Which of the OBX are weights, counted from one as paths count them."""
        count = sum(str(segment[0]) == "OBX" for segment in message)
        yield from (n for n in range(1, count + 1) if message.extract_field("OBX", n, 3) == self._code)


def _converted(value: str, unit: str, place: str) -> str:
    if unit not in _KILOGRAMS:
        raise StepError("weight_in_kilograms", f"{place}-6", f"the unit is none of {', '.join(_KILOGRAMS)}")
    try:
        return str((Decimal(value) * _KILOGRAMS[unit]).quantize(_TENTH))
    except InvalidOperation:
        raise StepError("weight_in_kilograms", f"{place}-5", "the weight is no number") from None
