"""What a model finds about several of its parts, as one error that names each place."""

from collections.abc import Iterable

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from engine.source import Location

KEY = "[key]"
"""Last part of a location, where it is the key of a map that is wrong and not what stands there; pydantic's own word."""


def refusal(title: str, problems: Iterable[tuple[Location, str]]) -> ValidationError:
    """Pydantic's ValidationError with these sentences at these places, to be raised.

    Inside a validator pydantic puts the place of the model before each of them.
    """
    details = [
        InitErrorDetails(type=PydanticCustomError("site", "{text}", {"text": text}), loc=location, input=None)
        for location, text in problems
    ]
    return ValidationError.from_exception_data(title, details)
