"""Search against a slow reference: every sentence looked at, every word compared."""

from __future__ import annotations

import gc
import random
import sqlite3
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import saewidgets as sw
from saewidgets.index.explanations import by_words, corpus
from saewidgets.index.explanations.by_meaning import ByMeaning, default_embedding
from saewidgets.index.explanations.by_words import HOW, ByWords, SearchError
from saewidgets.index.explanations.corpus import Said

WORDS = "day days weekday monday mondays god gods goddess king kings kingdom naïve über 日本 code_block a an the of in x2 3rd".split()


def some(n: int, seed: int) -> list[Said]:
    dice = random.Random(seed)
    texts = [" ".join(dice.choices(WORDS, k=dice.randint(1, 6))) for _ in range(n)]
    marks = ["", ".", " -> ", ' "quoted" ', " (NEAR)"]
    return [
        Said(dice.randrange(60), text + dice.choice(marks), dice.choice(["explanation", "automatic"]), "s")
        for text in texts
    ]


def apart(a: str, b: str) -> int:
    """Letters more, less, other or exchanged with the next (optimal string alignment)."""
    table = np.zeros((len(a) + 1, len(b) + 1), int)
    table[:, 0], table[0, :] = range(len(a) + 1), range(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (a[i - 1] != b[j - 1]))
            if i > 1 and j > 1 and a[i - 1] == b[j - 2] and a[i - 2] == b[j - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return int(table[-1, -1])


def plain(text: str) -> list[str]:
    letters = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return "".join(c if c.isalnum() or c == "_" else " " for c in letters).split()


def needed(word: str, text: str) -> int:
    """The least that makes the word one of the text's (an index into HOW), 9 if nothing does."""
    words = plain(text)
    most = 2 if len(word) >= 8 else 1 if len(word) >= 4 else 0
    if word in words:
        return 0
    if any(other.startswith(word) for other in words):
        return 1
    return 2 if any(apart(word, other) <= most for other in words) else 9


def slowly(said: Sequence[Said], query: str) -> list[tuple[int, int, int]]:
    """How, length and feature of all sentences that match, best first."""
    words = plain(query)
    found = [(max(needed(w, s.text) for w in words), len(s.text), s.feature) for s in said] if words else []
    found = [one for one in found if one[0] < 9]
    if not found and words:
        found = [(3, len(s.text), s.feature) for s in said if min(needed(w, s.text) for w in words) < 9]
    if not found and query.strip():
        found = [(4, len(s.text), s.feature) for s in said if query.strip().casefold() in s.text.casefold()]
    return sorted(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_words_as_the_rule_says(seed: int, tmp_path: Path) -> None:
    said = some(400, seed)
    made, kept = ByWords(said), ByWords(said, tmp_path / "kept.sqlite")
    again = ByWords([], tmp_path / "kept.sqlite")
    queries = [
        "day", "days", "monday", "mondya", "goddes", "kingdoms", "king day", "day of the", "kin mon", "naive", "NAÏVE", "uber",
        "日本", "日", "code_block", "x2", "²", '"', "->", "NEAR(", "*", "king zebra", "zebra", "a", "monday mondays monday",
        "OR AND NOT", "quo", "wekday",
    ]  # fmt: skip
    seen = set()
    for query in queries:
        wanted = slowly(said, query)
        for n in (1, 7, 1000):
            for index in (made, kept, again):
                assert [(h.how, len(h.said.text), h.said.feature) for h in index.find(query, n)] == wanted[:n], query
        seen |= {how for how, _, _ in wanted}
        assert all(hit.said in said for hit in made.find(query, 7))
    assert seen == set(range(len(HOW))), "the queries try every way to match"
    assert made.find("", 5) == made.find("  ", 5) == []
    assert len(made) == len(again) == 400


@pytest.mark.parametrize("rare", [-1, 3, 2**15])
def test_characters_however_rare_they_are(rare: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_words, "_RARE", rare)
    dice = random.Random(rare)
    for n in (0, 1, 2, 400):
        texts = ["".join(dice.choices("ab->ß🙂日\0 ", k=dice.randint(0, 9 if n > 2 else 1))) for _ in range(n)]
        characters = by_words._Characters(texts)
        for part in [*("".join(dice.choices("ab->s🙂日 ", k=dice.randint(1, 4))) for _ in range(300)), "\0", "a\0b"]:
            wanted = [i for i, text in enumerate(texts, 1) if part in text.casefold() and "\0" not in part]
            assert characters.having(part, 1000) == wanted
            assert characters.having(part, 2) == wanted[:2]


def test_a_search_that_nobody_has_any_more_closes_its_database(tmp_path: Path) -> None:
    said = [Said(0, "monday", "label", "")]
    for file in (None, tmp_path / "kept.sqlite"):
        made = ByWords(said, file)
        database = made._db
        assert len(made) == 1
        del made
        gc.collect()
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            database.execute("SELECT 1")


@pytest.mark.slow
def test_the_first_search_of_many_sentences_says_how_far_it_is(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a million it took forty seconds without a word."""
    index.found("nothing that anybody said")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(corpus, "_SHOWN", len(index))
    for made in (index.path / "search").iterdir():
        made.unlink()
    sw.FeatureIndex.open(index.path).found("nothing that anybody said")
    told = capsys.readouterr().err
    assert "writing down what is said of features" in told and "sorting by words what is said of features" in told
    sw.FeatureIndex.open(index.path).found("nothing that anybody said")
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_an_index_finds_what_it_says(index: sw.FeatureIndex) -> None:
    index.set_label(3, "Mondays by hand")
    index.add_explanations({5: "mondays and tuesdays", 7: "monday", 8: "moonday"}, "theirs")
    index.add_explanations([{"feature": 5, "text": "monday morning"}], "others")
    found = index.search("monday")
    assert found.index.tolist() == [7, 5, 3, 8]
    assert found.columns.tolist() == ["description", "kind", "source", "how", "score"]
    assert found.loc[5].tolist() == ["monday morning", "explanation", "others", "word", 1.0]
    assert (
        found.loc[3].tolist()[1:4] == ["label", "", "beginning of a word"] and found.loc[8, "how"] == "nearly the word"
    )
    assert found.score.tolist() == sorted(found.score, reverse=True)
    # Every feature has an automatic description, and each is found once.
    assert len(index.search("fires", k=100)) == index.alive and index.search("fires", k=3).index.is_unique
    assert index.search("#40").index[0] == 40 and index.search("40").iloc[0]["how"] == "number"
    assert "number" not in index.search("48").how.tolist()
    # What changes is found anew.
    index.set_label(3, "")
    index.remove_explanations("others")
    assert index.search("monday").index.tolist() == [7, 5, 8]
    index.set_label(3, "half \ud83d")
    assert index.search("half \ud83d").index.tolist() == [3]
    with pytest.raises(ValueError, match="not by 'sound'"):
        index.search("x", by="sound")  # type: ignore[arg-type]
    assert index.search("").empty and index.search("", by="meaning").empty


def test_many_sentences_of_one_feature_hide_no_other(index: sw.FeatureIndex) -> None:
    rows = [{"feature": 5, "description": f"monday {i}"} for i in range(300)]
    index.add_explanations([*rows, {"feature": 7, "description": "monday and a longer text"}], "theirs")
    assert index.search("monday", k=2).index.tolist() == [5, 7]
    assert index.search("monday", by="meaning", k=2, embed=letters).index[0] == 5
    assert len(index.search("monday", by="meaning", k=40, embed=letters)) == 40


def letters(texts: Sequence[str]) -> np.ndarray:
    """An embedding that counts letters."""
    return np.array([[text.lower().count(c) for c in "abcdefghijklmnopqrstuvwxyz"] for text in texts], np.float64)


def test_meaning_is_the_largest_cosine(index: sw.FeatureIndex) -> None:
    asked: list[int] = []

    def counting(texts: Sequence[str]) -> np.ndarray:
        asked.append(len(texts))
        return letters(texts)

    texts = {5: "abc", 6: "aabbcc", 7: "abd", 8: "zzz", 9: "123"}
    index.add_explanations(texts, "theirs")
    index.set_label(10, "abcd")
    found = index.search("cab", by="meaning", embed=counting, k=100)
    sentences = [(f, text) for f, text in {**texts, 10: "abcd", 3: "Genesis"}.items()]
    sentences += [(f, index._automatic.describe(f).text) for f in range(len(index))]  # type: ignore[union-attr]
    best: dict[int, float] = {}
    want = letters(["cab"])[0]
    for f, text in sentences:
        v = letters([text])[0]
        cosine = float(v @ want / max(np.linalg.norm(v) * np.linalg.norm(want), 1e-12))
        best[f] = max(best.get(f, -1.0), cosine)
    order = sorted(best, key=lambda f: (-round(best[f], 5), f))
    assert found.index.tolist()[:2] == [5, 6] and set(found.index) == set(order)
    assert np.allclose(found.score.to_numpy(), [best[f] for f in found.index], atol=1e-5)
    assert np.all(np.diff(found.score) <= 1e-7) and set(found.how) == {"meaning"}
    # Embedded once: then only what is asked.
    before = len(asked)
    index.search("dab", by="meaning", embed=counting)
    again = sw.FeatureIndex.open(index.path)
    again.search("dab", by="meaning", embed=counting)
    assert max(asked[before:]) <= 2


def test_the_nearest_come_first_however_many_are_asked_for() -> None:
    dice = random.Random(0)
    said = [Said(f, "".join(dice.choices("abcdef", k=dice.randint(1, 9))), "explanation", "") for f in range(200)]
    index, wanted = ByMeaning(said, letters), letters(["abba"])[0]
    vectors = letters([one.text for one in said])
    cosines = vectors @ wanted / np.linalg.norm(vectors, axis=1) / np.linalg.norm(wanted)
    for n in (1, 5, 200, 500):
        found = index.find("abba", n)
        assert np.allclose([cosine for _, cosine in found], np.sort(cosines)[::-1][:n], atol=1e-6)
        assert np.allclose([cosines[one.feature] for one, _ in found], [cosine for _, cosine in found], atol=1e-6)


@pytest.mark.parametrize(
    ("embed", "says"),
    [
        (lambda texts: np.zeros(len(texts)), "one finite vector"),
        (lambda texts: np.zeros((1, 3)), "one finite vector"),
        (lambda texts: np.full((len(texts), 3), np.nan), "one finite vector"),
        (lambda texts: ["a"] * len(texts), "no array of numbers"),
        (lambda texts: None, "one finite vector|no array"),
    ],
)
def test_an_embedding_that_is_none_is_refused(embed: object, says: str, index: sw.FeatureIndex) -> None:
    with pytest.raises(SearchError, match=says):
        index.search("x", by="meaning", embed=embed)  # type: ignore[arg-type]


def test_the_embedding_that_comes_with_it_knows_what_words_mean() -> None:
    texts = [
        "felines and kittens",
        "days of the week",
        "biblical references",
        "European countries",
        "sadness or grief",
        "code",
    ]
    said = [Said(f, text, "explanation", "") for f, text in enumerate(texts)]
    index = ByMeaning(said, default_embedding)
    queries = {"cats": 0, "Monday": 1, "God": 2, "France": 3, "crying": 4}
    assert {query: index.find(query, 1)[0][0].feature for query in queries} == queries


@pytest.mark.parametrize("content", [b"", b"half", None], ids=["empty", "other", "cut off"])
def test_what_searching_keeps_is_made_anew_if_it_is_damaged(content: bytes | None, index: sw.FeatureIndex) -> None:
    index.add_explanations({f: f"monday {f}" for f in range(40)}, "theirs")

    def found(opened: sw.FeatureIndex) -> list[pd.DataFrame]:
        return [opened.search("monday", k=60), opened.search("abc", by="meaning", embed=letters, k=60)]

    wanted = found(index)
    kept = [file for file in (index.path / "search").iterdir() if not file.name.startswith(".")]
    assert sorted(file.name.split("-")[0] for file in kept) == ["meaning", "said", "words"]
    for file in kept:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)
    for one, other in zip(found(sw.FeatureIndex.open(index.path)), wanted, strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_where_the_index_cannot_be_written_searching_uses_the_cache(
    index: sw.FeatureIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.mkdir

    def refuse(self: Path, *args: object, **options: object) -> None:
        if index.path in self.parents:
            raise PermissionError(13, "Permission denied", str(self))
        real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert not index.search("fires").empty
    assert len([*(tmp_path / "cache" / "search").rglob("words-*.sqlite")]) == 1 and not (index.path / "search").exists()


def test_some_of_the_words_are_told_only_where_nothing_has_all(index: sw.FeatureIndex) -> None:
    """Labels and explanations are kept apart, and what is told of the one depends on the other."""
    index.add_explanations({1: "harbours of the north", 2: "of ships"}, "a set")
    assert index.search("lonely harbours").index.tolist() == [1]  # nothing has both
    index.set_label(5, "lonely harbours")
    found = index.search("lonely harbours")
    assert found.index.tolist() == [5]
    assert found["how"].tolist() == ["word"]
    assert index.search("ships").index.tolist() == [2]


def test_what_is_kept_is_neither_said_nor_embedded_again(
    index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add_explanations({f: f"monday {f}" for f in range(40)}, "theirs")
    asked = {"words": "fires", "meaning": "abc"}
    wanted = {by: index.search(query, by=by, embed=letters, k=60) for by, query in asked.items()}
    said: list[int] = []
    monkeypatch.setattr(
        "saewidgets.index.explanations.automatic.Automatic._of", lambda *given: said.append(1) or iter([""])
    )
    opened = sw.FeatureIndex.open(index.path)
    for by, query in asked.items():
        pd.testing.assert_frame_equal(opened.search(query, by=by, embed=letters, k=60), wanted[by])
    assert not said


def test_characters_are_found_across_case_and_never_across_sentences() -> None:
    texts = ["a -> B", "Stra\u00dfe ->", "ends in a", "b begins", "nul\0nul", "-> ->"]
    index = ByWords([Said(f, text, "explanation", "") for f, text in enumerate(texts)])

    def found(query: str, n: int = 9) -> list[int]:
        return [hit.said.feature for hit in index.find(query, n)]

    by_length = sorted(range(len(texts)), key=lambda f: (len(texts[f]), f))
    for query in ("->", "\u00dfe ->", "-> ->", "\u201c"):
        assert found(query) == [f for f in by_length if query.casefold() in texts[f].casefold()], query
    assert found("\0") == []  # which stands between two sentences
    assert found("->", 2) == [5, 0]
    many = ByWords([Said(f, f"same {f}", "explanation", "") for f in range(2500)])
    assert [hit.said.text for hit in many.find("same", 2400)] == [
        hit.said.text for hit in sorted(many.find("same", 9999), key=lambda hit: hit.rank)
    ][:2400]
