"""Search over 100,000 explanations: how long until the first results, and how long the indexes take to make."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import Row, seconds_of
from saewidgets.index.explanations.by_meaning import ByMeaning, default_embedding
from saewidgets.index.explanations.by_words import ByWords
from saewidgets.index.explanations.corpus import Said

_SYLLABLES = "ba be bi bo da de do fa fe ga go ha ho ka ki ko la le lo ma me mo na ne no pa po ra re ro sa so ta te to va wa".split()
_REPEATS = 15
_WORDS_MS, _MEANING_MS = 50.0, 100.0


def sentences(n: int) -> list[Said]:
    """Made-up explanations: eight words each of 6,600, as unequally frequent as words are."""
    dice = np.random.default_rng(0)
    words = sorted({"".join(dice.choice(_SYLLABLES, k)) for k in (2, 2, 3, 4) for _ in range(1_900)})[:6_600]
    dice.shuffle(words)
    frequency = 1 / (np.arange(len(words)) + 3)
    drawn = dice.choice(len(words), (n, 8), p=frequency / frequency.sum())
    return [Said(i, " ".join(words[w] for w in row), "explanation", "made up") for i, row in enumerate(drawn)]


def rows(n: int = 100_000) -> Iterator[Row]:
    """Every budget of searching."""
    said = sentences(n)
    usual = max((word for one in said[:2_000] for word in one.text.split()), key=len)
    first, second = said[0].text.split()[:2]
    frequent = statistics.mode(word for one in said[:2_000] for word in one.text.split())
    typo = usual[:2] + usual[3] + usual[2] + usual[4:]
    with tempfile.TemporaryDirectory() as folder:
        made: list[ByWords] = []
        seconds = seconds_of(lambda: made.append(ByWords(said, Path(folder) / "words.sqlite")))
        yield Row(f"search, {n:,} explanations: making the index of words", "-", f"{seconds:.1f} s", None)
        index = made[0]
        for name, query in (
            ("a word that is everywhere", frequent),
            ("the beginning of words", frequent[:2]),
            ("two words", f"{first} {second}"),
            ("a typo", typo),
        ):
            yield _within(f"search by words: {name}", lambda query=query: index.find(query, 200), _WORDS_MS)
        found: list[ByMeaning] = []
        seconds = seconds_of(lambda: found.append(ByMeaning(said, default_embedding, Path(folder) / "meaning.npy")))
        yield Row(f"search, {n:,} explanations: embedding them", "-", f"{seconds:.1f} s", None)
        yield _within("search by meaning", lambda: found[0].find(f"{first} {second}", 200), _MEANING_MS)
        index.close()


def _within(what: str, ask: object, budget: float) -> Row:
    assert callable(ask)
    ask()
    ms = 1000 * statistics.median(seconds_of(ask) for _ in range(_REPEATS))
    return Row(what, f"<= {budget:.0f} ms", f"{ms:.1f} ms", ms <= budget)


def main() -> None:
    """This table alone."""
    from benchmarks.measure import table

    print(table([*rows()]))


if __name__ == "__main__":
    main()
