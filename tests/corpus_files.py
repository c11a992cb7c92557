"""The 1,969 public messages beside the checkout, read from their archive once a session."""

import csv
import tarfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ARCHIVE = Path(__file__).parents[2] / "shared" / "corpus" / "hl7-dev.tar.gz"
REASON = "needs ../shared/corpus/hl7-dev.tar.gz"
FOLDER = "hl7-dev/"

needs_corpus = pytest.mark.skipif(not ARCHIVE.exists(), reason=REASON)


class CorpusFile(NamedTuple):
    """One file of the archive: `scout-rad/0062.hl7`, its bytes, its row of index.tsv by column."""

    name: str
    raw: bytes
    row: Mapping[str, str]


@cache
def corpus_files() -> tuple[CorpusFile, ...]:
    """Every message of the archive in the order of its index."""
    with tarfile.open(ARCHIVE, "r:gz") as archive:
        found = {
            member.name.removeprefix(FOLDER): content.read()
            for member in archive
            if (content := archive.extractfile(member)) is not None
        }
    index = found.pop("index.tsv").decode("utf-8").splitlines()
    rows = csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(CorpusFile(row["file"], found[row["file"]], row) for row in rows)
