"""What is said of an index's features, as methods of `FeatureIndex`: labels, notes, lists, and others' explanations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ...engine.arrays import Ints
from ...engine.descriptions import Description
from ...engine.dictionary.feature_number import feature_number
from ...engine.labels import Labels
from ...errors import FeatureIndexError
from ...storage.array_folder import Folder
from ...storage.places import data_dir
from ..store.texts import Texts
from .automatic import Automatic
from .blind_score import BlindScore, by_a_person
from .by_meaning import Embed
from .explanation import Added, Explanation, ExplanationError
from .own_words import own_words
from .search import By, Found, Search, to_frame
from .sets import ExplanationSets
from .sources import read_explanations

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Described"]

_EXPLANATIONS = "explanations"
_ANSWERS = "answers.jsonl"


class Described:
    """The base of `FeatureIndex` that knows what features are called and said to be.

    Args:
        path: of the index; key: the same for copies of it.
        folder: its store; texts: the corpus in it.
    """

    def __init__(self, path: Path, key: str, folder: Folder, texts: Texts) -> None:
        self.path = path
        n_features = self._n_features = folder.length("count")
        self._own = own_words(path, data_dir() / "words" / f"{key}.jsonl")
        self._sets = ExplanationSets(path / _EXPLANATIONS, n_features, data_dir() / _EXPLANATIONS / key)
        self._automatic = Automatic(folder, texts)
        # Those of the index that was opened last speak for it wherever it is open: it may have grown.
        self._own.names.describers = (self._sets, self._automatic)
        self._labels = self._own.labels()
        self._answers = data_dir() / "answers" / f"{key}.jsonl"
        self._search = Search(path, key, self._labels, self._sets, self._automatic)

    def check_feature(self, feature: int) -> int:
        """The feature, if there is one.

        Raises:
            FeatureIndexError: if not.
        """
        number = feature_number(feature)
        if not 0 <= number < self._n_features:
            raise FeatureIndexError(
                f"Feature {number} is outside the index, which has features 0 to {self._n_features - 1}."
            )
        return number

    # -- own words

    def label(self, feature: int) -> str | None:
        """The label of a feature: one set here, else the engine's."""
        return self._labels.get(int(feature))

    @property
    def labels(self) -> Labels:
        """All labels, living: those set here, and those of the engine that the index was checked with."""
        return self._labels

    def set_label(self, feature: int, label: str) -> None:
        """Name a feature, at once in every view of this process; it is kept in the index's folder. An empty label takes
        the name away.

        If the folder cannot be written, it is kept in the user's data folder, and a warning says where.

        Raises:
            IndexWriteError: if neither can be written.
        """
        self._labels.set(self.check_feature(feature), label)

    def describe(self, feature: int) -> Description | None:
        """What is said of a feature: its label; else the explanation that speaks for it, of the set that was added last;
        else a description made of what the index counted. A label comes with the score of the last blind test of it.

        Raises:
            FeatureIndexError: if there is no such feature.

        Example:
            >>> index.describe(2717).text
        """
        said = self._labels.describe(self.check_feature(feature))
        if said is None or said.kind != "label":
            return said
        tested = [one for one in self.blind_tests(feature) if (one.kind, one.description) == ("label", said.text)]
        return replace(said, score=tested[-1].balanced_accuracy, measure=tested[-1].measure) if tested else said

    def descriptions(self, feature: int) -> list[Description]:
        """All that is said of a feature: its label, its explanations, and what is made of the counts.

        Raises:
            FeatureIndexError: if there is no such feature.
        """
        first = self.describe(feature)
        found = [first] if first is not None and first.kind == "label" else []
        found += [one.said_by(source) for source, one in self._sets.of(feature)]
        automatic = self._automatic.describe(feature)
        return [*found, automatic] if automatic else found

    @property
    def notes(self) -> Mapping[int, str]:
        """Feature to the note that was written on it."""
        self._own.refresh()
        return MappingProxyType(self._own.notes)

    def set_note(self, feature: int, note: str) -> None:
        """Write a note on a feature in place of the one it has; an empty one takes it away."""
        self._own.note(self.check_feature(feature), note)

    @property
    def lists(self) -> Mapping[str, Sequence[int]]:
        """Named lists of features, in the order in which these were added."""
        self._own.refresh()
        return MappingProxyType({name: tuple(features) for name, features in self._own.lists.items()})

    def add_to_list(self, name: str, features: Sequence[int]) -> None:
        """Put features at the end of a named list, which is made if there is none.

        Example:
            >>> index.add_to_list("days", [2717, 20115])
            >>> index.features.loc[list(index.lists["days"])]
        """
        self._own.list_add(name, [self.check_feature(f) for f in features])

    def remove_from_list(self, name: str, features: Sequence[int] | None = None) -> None:
        """Take features off a named list; None: all of them, and with them the list.

        Raises:
            KeyError: if there is no such list.
        """
        self._own.list_remove(name, features)

    def blind_tests(self, feature: int) -> tuple[BlindScore, ...]:
        """What people scored who guessed in which texts the feature fires (`sw.BlindTest`), oldest first."""
        return tuple(self._own.blind_scores.get(self.check_feature(feature), ()))

    def keep_blind_test(self, score: BlindScore) -> str:
        """Keep what a person scored: in the history always, and with the explanation that was tested, if it has no score
        that somebody else gave it.

        Returns:
            What is to be said of where it went; "" if it went where it belongs.

        Raises:
            IndexWriteError: if neither the index's folder nor the user's own can be written.
        """
        feature = self.check_feature(score.feature)
        self._own.append([score.to_entry()])
        said = ""
        if score.kind == "explanation":
            there = [
                (source, one)
                for source, one in self.explanations_of(feature)
                if (source, one.text) == (score.source, score.description)
            ]
            ours = [(source, one) for source, one in there if one.score is None or by_a_person(one.measure)]
            if ours:
                new = [
                    (source, replace(one, score=score.balanced_accuracy, measure=score.measure)) for source, one in ours
                ]
                self.keep_scores(new)
            elif there:
                one = there[0][1]
                said = (
                    f"The explanation keeps the score that it had, {one.score:.3g} ({one.measure or 'its source does not say of what'})"
                    ": yours stands in the history."
                )
            else:
                said = "The explanation was taken away during the test: the score, of the words shown, stands in the history."
        elif score.kind != "nothing":
            now = self.describe(feature)
            if now is None or now.text != score.description:
                said = "What is said of the feature changed during the test: the score is of the words that were shown."
        self._own.names.tell()
        return said

    @property
    def history(self) -> pd.DataFrame:
        """Every label, note, change of a list and blind test there ever was, oldest first: "at" (UTC), "what", "feature", "text"."""
        return self._own.history()

    # -- explanations

    @property
    def explanations(self) -> pd.DataFrame:
        """One row an explanation: feature, description, source (the name of its set), method, model, author, score ...

        The sets that were added last come first: the first explanation of a feature is the one that views show.
        """
        return self._sets.frame()

    @property
    def explained(self) -> Ints:
        """The features that there is an explanation of, ascending."""
        return self._sets.features

    def add_explanations(
        self, source: object, name: str | None = None, *, of: str | None = None, progress: bool = True
    ) -> Added:
        """Attach explanations that others wrote; they are kept beside the index, and shown wherever a feature is.

        Args:
            source: a table with the columns "feature" and "description" (or as Neuronpedia calls them); a mapping of feature
                to text; rows as mappings; a file (.jsonl, .json, .csv, .tsv, each also with .gz); a folder of Neuronpedia's
                bulk files, or one above it; the URL of any of these, which is fetched once (an interrupted download goes
                on where it was).
            name: of the set that they are put into; default: what the source is called. Of a set that is there, new ones
                are added, and the same words again are no second explanation.
            of: of several SAEs in the source, the one to take, as Neuronpedia names it ("gpt2-small/7-res-jb"); default:
                the one that most are of.
            progress: say on stderr how a download goes.

        Returns:
            How many were added, were there already, or could not be taken, and why.

        Raises:
            ExplanationError: if none could be taken, naming the first reason.

        Example:
            >>> index.add_explanations({2717: "days of the week"}, "by hand")
            >>> index.add_explanations("exports/gpt2-small/7-res-jb/explanations")
        """
        url = isinstance(source, str) and source.startswith(("http://", "https://"))
        if name is None:
            if not isinstance(source, (str, os.PathLike)):
                raise ExplanationError("Say what this set of explanations is to be called: name='...'.")
            name = _called(os.fspath(source))
        if url:
            from .download import fetched

            source = fetched(str(source), progress=progress)
        added = self._sets.add(read_explanations(source), name, of=of)
        self._own.names.tell()
        return added

    def explanations_of(self, feature: int) -> list[tuple[str, Explanation]]:
        """All explanations of a feature, each with the name of its set; the one that speaks for it first."""
        return self._sets.of(self.check_feature(feature))

    @property
    def answers(self) -> Path:
        """The file that keeps what language models answered about these features."""
        beside = self.path / _ANSWERS
        if beside.exists() or os.access(self.path, os.W_OK):
            return beside
        self._answers.parent.mkdir(parents=True, exist_ok=True)
        return self._answers

    def keep_scores(self, scored: Sequence[tuple[str, Explanation]]) -> None:
        """Keep explanations with the scores that they have now, each in its set (`sw.score_explanations` does it)."""
        for name in dict.fromkeys(name for name, _ in scored):
            self._sets.add([one for source, one in scored if source == name], name)
        self._own.names.tell()

    def remove_explanations(self, name: str) -> None:
        """Take a set of explanations away.

        Raises:
            KeyError: if there is none of that name.
        """
        self._sets.remove(name)
        self._own.names.tell()

    # -- search

    def search(self, query: str, by: By = "words", *, k: int = 50, embed: Embed | None = None) -> pd.DataFrame:
        """Features by what is said of them: labels, explanations, and descriptions made of the index.

        By words: all words of the query, in any order; where too few are found, as beginnings of words, and then with
        typos forgiven. First those with the words themselves, shorter sentences first; a number finds that feature.
        By meaning: the nearest by the cosine of an embedding, offline; what it knows is kept beside the index.

        Args:
            query: words.
            by: "words" or "meaning".
            k: at most so many features.
            embed: for "meaning", a function from texts to vectors; default: WordLlama's (the extra `search`).

        Returns:
            One row a feature, best first: the "description" that matched, its "kind" ("label", "explanation", "automatic") and
            "source", "how" it matched, and the "score" (`Found`).

        Raises:
            ValueError: for another `by`. SearchError: if something is not installed, or the embedding gives no vectors.

        Example:
            >>> index.search("weekdays", by="meaning").head()
        """
        return to_frame(self.found(query, by, k=k, embed=embed))

    def found(self, query: str, by: By = "words", *, k: int = 50, embed: Embed | None = None) -> list[Found]:
        """What `search` finds, as objects.

        Raises:
            ValueError, SearchError: as `search`.
        """
        if by not in ("words", "meaning"):
            raise ValueError(f"Search by 'words' or by 'meaning', not by {by!r}.")
        return self._search.by_words(query, k) if by == "words" else self._search.by_meaning(query, k, embed)


def _called(source: str) -> str:
    """The name of a set that comes from a file, folder or URL: of "…/7-res-jb/explanations-gpt-4o-mini/" all of that end."""
    parts = [part for part in source.replace("\\", "/").split("/") if part]
    last = parts[-1].split(".")[0] if parts else "explanations"
    if last.startswith(("explanations", "batch-")) and len(parts) > 1:
        return f"{parts[-2]}/{last}"
    return last
