"""The versions of HL7 that hl7apy has tables of, loaded when they are first asked for."""

import importlib
import re
from functools import lru_cache
from typing import Any

VERSIONS = ("2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.8", "2.8.1", "2.8.2")
DEFAULT_VERSION = "2.5.1"

_VERSION = re.compile(r"2\.[0-9]{1,2}(?:\.[0-9]{1,2})?", re.ASCII)


def library_version(declared: str) -> str | None:
    """The version whose tables read a message of this MSH-12.1: itself, else the latest before it; None for no version."""
    if _VERSION.fullmatch(declared) is None:
        return None
    wanted = _numbers(declared)
    return next((version for version in reversed(VERSIONS) if _numbers(version) <= wanted), None)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@lru_cache(maxsize=len(VERSIONS))
def library(version: str) -> Any:
    """hl7apy's tables of one of VERSIONS: SEGMENTS, GROUPS, MESSAGES, DATATYPES_STRUCTS (about 5 ms, once)."""
    return importlib.import_module("hl7apy").load_library(version)


def segment_names(version: str = DEFAULT_VERSION) -> frozenset[str]:
    """The segments of a version. An unknown version is read as the default one."""
    return _segment_names(library_version(version) or DEFAULT_VERSION)


@lru_cache(maxsize=len(VERSIONS))
def _segment_names(version: str) -> frozenset[str]:
    return frozenset(library(version).SEGMENTS)
