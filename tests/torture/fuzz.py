"""One target under atheris, in a process of its own: `python -m tests.torture.fuzz TARGET RUNS SEED FOLDER`.

Coverage of the engine's lines guides it. A finding is written to FOLDER and ends the process with a status that is not 0.
"""

import sys
from pathlib import Path
from typing import Any

LONGEST = 4_096  # bytes of one input
SLOWEST = 5  # seconds of one input that count as a hang


def main(name: str, runs: str, seed: str, folder: str) -> None:
    """Never returns: the fuzzer ends the process."""
    import atheris

    fuzzer: Any = atheris
    with fuzzer.instrument_imports(include=["engine"]):
        from tests.torture.targets import TARGETS
    from tests.torture.seeds import WORDS, seeds

    place = Path(folder)
    corpus = place / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(seeds()):
        (corpus / f"seed{number}").write_bytes(one)
    words = place / "words.txt"
    words.write_text("".join('"' + "".join(f"\\x{byte:02X}" for byte in word) + '"\n' for word in WORDS))
    options = [f"-runs={runs}", f"-seed={seed}", f"-max_len={LONGEST}", f"-timeout={SLOWEST}", f"-dict={words}"]
    shown = ["-print_final_stats=1", "-verbosity=1", f"-artifact_prefix={place}/"]
    fuzzer.Setup([sys.argv[0], *options, *shown, str(corpus)], TARGETS[name])
    fuzzer.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:5])
