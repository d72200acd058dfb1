"""`sw.score_explanations`: how well an explanation tells where a feature fires, by detection and fuzzing, as delphi does.

Detection shows a judge windows, five at a time, and asks in which the feature is active; fuzzing marks tokens, and asks
whether the marked ones are those on which it is. 50 windows in which the feature is active and 50 in which it is not,
none of which the explainer saw. The score is the balanced accuracy, (TPR + TNR) / 2, over the answers that could be read;
how many could not is told. Beside it stands what *another* feature's explanation gets on the same windows: a judge that
recognises what features usually fire on does well with any explanation.

Definitions: EleutherAI's delphi, Paulo et al. 2024. The instructions are our own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from ...engine.arrays import Bools
from .ask import Asker, AskError, Client, Message
from .explain import told
from .windows import Windows, WindowsError, marked

if TYPE_CHECKING:
    import pandas as pd

    from ..feature_index import FeatureIndex

__all__ = ["METHODS", "Method", "Score", "Scores", "read_judgement", "score_explanations"]

Method: TypeAlias = Literal["detection", "fuzzing"]
METHODS: tuple[Method, ...] = ("detection", "fuzzing")
_PER_PROMPT = 5

_ASKED: Mapping[Method, str] = {
    "detection": "In which of them is the feature active on at least one token?",
    "fuzzing": "In which of them are the tokens between << and >> those on which the feature is active?",
}
_INSTRUCTIONS = """You judge a description of a single feature of a language model: a direction inside it that is active on some \
tokens of a text and silent on others. You are given the description and {n} excerpts from texts. {asked}

Answer with a list of {n} numbers and nothing else: 1 where it is so, 0 where it is not, such as [{example}]."""
_LIST = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True)
class Score:
    """How one explanation of one feature did.

    Attributes:
        feature: whose windows; explanation: what was judged; method: how.
        active, silent: windows of either kind that were judged (those whose answers could not be read are not among them).
        true_positives, true_negatives: how many of these were judged rightly.
        failed: windows of which the judge answered, and the answer could not be read.
        baseline: balanced accuracy of another feature's explanation on the same windows; None if there is none.
        baseline_of: that feature.
    """

    feature: int
    explanation: str
    method: Method
    active: int
    silent: int
    true_positives: int
    true_negatives: int
    failed: int
    baseline: float | None = None
    baseline_of: int | None = None

    @property
    def recall(self) -> float:
        """True positive rate; NaN if none was judged."""
        return self.true_positives / self.active if self.active else float("nan")

    @property
    def specificity(self) -> float:
        """True negative rate."""
        return self.true_negatives / self.silent if self.silent else float("nan")

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the two rates."""
        return (self.recall + self.specificity) / 2

    @property
    def precision(self) -> float:
        """Share of those judged active that are; NaN if none was."""
        said = self.true_positives + self.silent - self.true_negatives
        return self.true_positives / said if said else float("nan")

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        whole = self.true_positives + self.active + self.silent - self.true_negatives
        return 2 * self.true_positives / whole if whole else float("nan")


@dataclass(frozen=True)
class Scores:
    """Scores of several explanations.

    Attributes:
        scores: one a feature and method; failed: feature to why it has none. A feature of which a question was not answered
            at all has none: the same call again asks only what is missing.
    """

    scores: tuple[Score, ...]
    failed: Mapping[int, str]

    def to_pandas(self) -> pd.DataFrame:
        """One row a feature and method, with rates, the balanced accuracy, and the baseline's."""
        import pandas as pd

        names = ["feature", "method", "balanced_accuracy", "baseline", "recall", "specificity", "precision", "f1"]
        names += ["active", "silent", "failed", "baseline_of", "explanation"]
        return pd.DataFrame([[getattr(one, name) for name in names] for one in self.scores], columns=names)

    def __repr__(self) -> str:
        of = len({one.feature for one in self.scores})
        return f"Scores({of} features" + (f"; {len(self.failed)} could not be scored)" if self.failed else ")")


def score_explanations(
    index: FeatureIndex,
    features: Sequence[int],
    client: Client,
    *,
    model: str = "",
    name: str | None = None,
    methods: Sequence[Method] = METHODS,
    n: int = 50,
    length: int = 32,
    baseline: bool = True,
    parallel: int = 4,
    seed: int = 0,
    progress: bool = True,
) -> Scores:
    """Score the explanations of features, with the score of another feature's explanation beside each.

    The mean of the balanced accuracies over the methods is kept as the explanation's score in the index, and what it is
    beside it (`Explanation.measure`). Answers are kept: an interrupted run goes on.

    Args:
        features: which.
        client, model: the judge, as for `explain`.
        name: the set of explanations to score; default: of each feature the one that speaks for it.
        n: windows in which the feature is active, and as many in which it is not.
        baseline: also ask with another feature's explanation (twice the questions).

    Raises:
        AskError: if no question was answered. ValueError: for an unknown method. FeatureIndexError: for a feature outside.

    Example:
        >>> sw.score_explanations(index, [2717, 20115], client, model="gpt-4o-mini").to_pandas()
    """
    for method in methods:
        if method not in METHODS:
            raise ValueError(f"There is no method {method!r}: choose of {', '.join(METHODS)}.")
    model = model or getattr(client, "__name__", "")
    if not model:
        raise AskError("Say which model is asked: model='...'.")
    asker, windows = Asker(client, model, index.answers), Windows(index, length)
    said, failed = _explanations(index, features, name)
    tasks: list[_Task] = []
    for feature, text in said.items():
        other = _other(said, feature, seed) if baseline else None
        try:
            for method in methods:
                shown = _shown(windows, feature, method, n, seed)
                tasks.append(_Task(feature, text, method, shown, text, None))
                if other is not None:
                    tasks.append(_Task(feature, text, method, shown, said[other], other))
        except WindowsError as error:
            failed[feature] = str(error)
            tasks = [task for task in tasks if task.feature != feature]
    questions = [(task, part) for task in tasks for part in task.parts]
    answers = asker.ask_all([task.asked(part) for task, part in questions], parallel, told("scoring", progress))
    if questions and all(isinstance(answer, AskError) for answer in answers):
        raise AskError(f"None of {len(questions)} questions was answered. First: {answers[0]}")
    judged: dict[int, list[bool | None]] = {}
    for (task, part), answer in zip(questions, answers, strict=True):
        if isinstance(answer, AskError):  # a score of the windows that happened to be judged is none
            failed.setdefault(task.feature, f"A question was not answered: {answer}. The same call asks it again.")
            continue
        read = read_judgement(answer, len(part))
        judged.setdefault(id(task), []).extend([None] * len(part) if read is None else read)
    scores = _scores([task for task in tasks if task.feature not in failed], judged)
    _keep(index, scores, said, name, model)
    return Scores(tuple(scores), failed)


def read_judgement(answer: str, n: int) -> list[bool] | None:
    """The `n` judgements of an answer, from the first list in it; None if that is not `n` numbers 0 and 1."""
    found = _LIST.search(answer)
    if found is None:
        return None
    parts = [part.strip() for part in found[1].split(",")]
    if len(parts) != n or any(part not in ("0", "1") for part in parts):
        return None
    return [part == "1" for part in parts]


@dataclass(frozen=True)
class _Task:
    """One explanation judged on the windows of one feature."""

    feature: int
    explanation: str
    method: Method
    shown: Sequence[tuple[str, bool]]
    judged: str
    other: int | None

    @property
    def parts(self) -> list[Sequence[tuple[str, bool]]]:
        return [self.shown[i : i + _PER_PROMPT] for i in range(0, len(self.shown), _PER_PROMPT)]

    def asked(self, part: Sequence[tuple[str, bool]]) -> list[Message]:
        n = len(part)
        example = ", ".join("10110"[i % 5] for i in range(n))
        system = _INSTRUCTIONS.format(n=n, asked=_ASKED[self.method], example=example)
        texts = "\n\n".join(f"Excerpt {i}: {text}" for i, (text, _) in enumerate(part, 1))
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": f"Description of the feature: {self.judged}\n\n{texts}"},
        ]


def _shown(windows: Windows, feature: int, method: Method, n: int, seed: int) -> list[tuple[str, bool]]:
    """The texts that are judged, and what is right, in an order that tells nothing."""
    active = windows.active(feature, "score", n, seed)
    dice = np.random.default_rng((seed, feature, 2))
    if method == "detection":
        found = [("".join(one.tokens), True) for one in active]
        found += [("".join(one.tokens), False) for one in windows.silent(feature, len(active), seed)]
    else:
        rightly = [one.strong(windows.scale(feature)) for one in active]
        usual = max(1, round(float(np.mean([marks.sum() for marks in rightly]))))
        found = [(marked(one.tokens, marks), True) for one, marks in zip(active, rightly, strict=True)]
        silent = windows.silent(feature, len(active), seed)
        found += [(marked(one.tokens, _some(len(one.tokens), usual, dice)), False) for one in silent]
    return [found[i] for i in dice.permutation(len(found))]


def _some(tokens: int, n: int, dice: np.random.Generator) -> Bools:
    marks = np.zeros(tokens, bool)
    marks[dice.choice(tokens, min(n, tokens), replace=False)] = True
    return marks


def _explanations(
    index: FeatureIndex, features: Sequence[int], name: str | None
) -> tuple[dict[int, str], dict[int, str]]:
    said: dict[int, str] = {}
    failed: dict[int, str] = {}
    for feature in dict.fromkeys(index.check_feature(f) for f in features):
        found = index.explanations_of(feature)
        texts = [one.text for source, one in found if name in (None, source)]
        if texts:
            said[feature] = texts[0]
        else:
            failed[feature] = "It has no explanation" + (f" in the set {name!r}." if name else ".")
    return said, failed


def _other(said: Mapping[int, str], feature: int, seed: int) -> int | None:
    """Another feature whose explanation is another one."""
    others = [f for f, text in said.items() if text != said[feature]]
    return others[np.random.default_rng((seed, feature, 3)).integers(len(others))] if others else None


def _scores(tasks: Sequence[_Task], judged: Mapping[int, Sequence[bool | None]]) -> list[Score]:
    found: list[Score] = []
    for task in tasks:
        answers = judged[id(task)]
        right = [truth for _, truth in task.shown]
        counted = [(a, t) for a, t in zip(answers, right, strict=True) if a is not None]
        score = Score(
            feature=task.feature,
            explanation=task.explanation,
            method=task.method,
            active=sum(t for _, t in counted),
            silent=sum(not t for _, t in counted),
            true_positives=sum(bool(a) and t for a, t in counted),
            true_negatives=sum(not a and not t for a, t in counted),
            failed=len(answers) - len(counted),
        )
        if task.other is None:
            found.append(score)
        else:
            last = found.pop()
            found.append(replace(last, baseline=score.balanced_accuracy, baseline_of=task.other))
    return found


def _keep(index: FeatureIndex, scores: Sequence[Score], said: Mapping[int, str], name: str | None, judge: str) -> None:
    """Write the mean over the methods into the explanations, and what it is."""
    kept = []
    for feature, text in said.items():
        mine = [one for one in scores if one.feature == feature]
        mean = float(np.mean([one.balanced_accuracy for one in mine])) if mine else float("nan")
        if not np.isfinite(mean):
            continue
        others = [one.baseline for one in mine if one.baseline is not None]
        measure = f"balanced accuracy, {' and '.join(one.method for one in mine)}, judged by {judge}"
        if others:
            measure += f"; another feature's explanation: {float(np.mean(others)):.3f}"
        there = [(source, one) for source, one in index.explanations_of(feature) if name in (None, source)]
        kept += [(source, replace(one, score=mean, measure=measure)) for source, one in there if one.text == text]
    index.keep_scores(kept)
