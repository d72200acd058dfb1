"""`sw.explain`: a language model says what a feature is, from windows in which it fires, as delphi's explainer does.

Up to 40 windows of 32 tokens, equally many of each tenth by the largest activation; tokens above 0.3 of the feature's
largest magnitude stand in << >>, and up to ten of them are listed with their strength from 0 to 10 (EleutherAI's delphi, "Automatically
Interpreting Millions of Features in Large Language Models", Paulo et al. 2024). The instructions are our own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .ask import Asker, AskError, Client, Message
from .windows import Windows, WindowsError, marked

if TYPE_CHECKING:
    import pandas as pd

    from ..feature_index import FeatureIndex

__all__ = ["Explained", "explain", "explainer_prompt", "told"]

METHOD = "saewidgets explain"
_EXAMPLES, _LISTED = 40, 10

_INSTRUCTIONS = """You study single features of a language model. A feature is a direction inside the model that is active on \
some tokens of a text and silent on others. You will see excerpts from texts. Tokens on which the feature is strongly active \
stand between << and >>; after each excerpt the strength on these tokens is listed, on a scale from 0 to 10.

Say in one short sentence what the feature responds to. Look for what the marked tokens and their contexts have in common: \
their meaning, their form, their place in the text, or what comes next. Prefer the most specific description that fits all \
excerpts. Do not list the excerpts, do not quote << or >>, and do not say that you are unsure.

The last line of your answer must be the description alone, after the word [EXPLANATION]:"""
_ANSWER = re.compile(r"\[EXPLANATION\]\s*:\s*(.+)")


@dataclass(frozen=True)
class Explained:
    """What came of explaining features.

    Attributes:
        name: of the set of explanations that they are in now.
        texts: feature to explanation; those that had one of this model already are among them.
        failed: feature to why there is none.
    """

    name: str
    texts: dict[int, str]
    failed: dict[int, str]

    def to_pandas(self) -> pd.DataFrame:
        """One row a feature: explanation, failed."""
        import pandas as pd

        features = sorted({*self.texts, *self.failed})
        rows = [(f, self.texts.get(f), self.failed.get(f)) for f in features]
        return pd.DataFrame(rows, columns=["feature", "explanation", "failed"]).set_index("feature")

    def __repr__(self) -> str:
        failed = f"; {len(self.failed)} failed, first feature {min(self.failed)}" if self.failed else ""
        return f"Explained({len(self.texts)} features, in the set {self.name!r}{failed})"


def explain(
    index: FeatureIndex,
    features: Sequence[int],
    client: Client,
    *,
    model: str = "",
    name: str | None = None,
    length: int = 32,
    parallel: int = 4,
    seed: int = 0,
    progress: bool = True,
) -> Explained:
    """Let a language model explain features, and attach what it says to the index.

    Answers are kept beside the index: an interrupted run goes on, and the same question is never paid for twice.

    Args:
        features: which.
        client: the URL of an OpenAI-compatible endpoint (its key in OPENAI_API_KEY), an `openai.OpenAI`, or a function from
            messages to the answer's text.
        model: its name at the endpoint.
        name: of the set of explanations; default: the model's name.
        length: tokens of a window. parallel: questions at a time. seed: of the choice of windows.

    Raises:
        AskError: if no question was answered, with the first reason. FeatureIndexError: for a feature outside.

    Example:
        >>> sw.explain(index, [2717, 20115], "http://localhost:8000/v1", model="llama-3.1-8b")
        >>> index.describe(2717).text
    """
    model = model or getattr(client, "__name__", "")
    if not model:
        raise AskError("Say which model is asked: model='...'.")
    asker, windows = Asker(client, model, index.answers), Windows(index, length)
    texts: dict[int, str] = {}
    failed: dict[int, str] = {}
    asked: dict[int, list[Message]] = {}
    for feature in dict.fromkeys(index.check_feature(f) for f in features):
        try:
            asked[feature] = explainer_prompt(windows, feature, seed)
        except WindowsError as error:
            failed[feature] = str(error)
    answers = asker.ask_all([*asked.values()], parallel, told("explaining", progress))
    for feature, answer in zip(asked, answers, strict=True):
        said = answer if isinstance(answer, AskError) else _explanation_in(answer)
        if isinstance(said, AskError):
            failed[feature] = str(said)
        else:
            texts[feature] = said
    name = name or model
    if texts:
        rows = [{"feature": f, "description": text, "method": METHOD, "model": model} for f, text in texts.items()]
        index.add_explanations(rows, name)
    elif asked:
        raise AskError(f"None of {len(asked)} features was explained. First: {next(iter(failed.values()))}")
    return Explained(name, texts, failed)


def explainer_prompt(windows: Windows, feature: int, seed: int = 0) -> list[Message]:
    """What the explainer is asked of a feature."""
    shown: list[str] = []
    scale = windows.scale(feature)
    for i, window in enumerate(windows.active(feature, "explain", _EXAMPLES, seed), 1):
        marks = window.strong(scale)
        listed = [
            f'("{window.tokens[j]}", {int(10 * abs(window.activations[j]) / scale)})'
            for j in np.flatnonzero(marks)[:_LISTED]
        ]
        shown.append(f"Excerpt {i}: {marked(window.tokens, marks)}\nStrengths: {', '.join(listed)}")
    return [{"role": "system", "content": _INSTRUCTIONS}, {"role": "user", "content": "\n\n".join(shown)}]


def _explanation_in(answer: str) -> str | AskError:
    found = _ANSWER.findall(answer)
    text = found[-1].strip().strip('"*') if found else ""
    if not text:
        return AskError("The answer has no line that begins with [EXPLANATION]:")
    return text


def told(what: str, progress: bool) -> Callable[[int, int], None]:
    """Shows progress on stderr."""
    from tqdm import tqdm

    bars: list[tqdm[object]] = []  # where nothing is asked, nothing is shown

    def tell(done: int, total: int) -> None:
        if not bars:
            bars.append(tqdm(desc=what, unit="question", total=total, disable=not progress))
        bars[0].update(done - bars[0].n)
        if done == total:
            bars[0].close()

    return tell
