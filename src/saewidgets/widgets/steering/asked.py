"""What a panel's views ask, one class a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from ...engine.text.prompt import PromptInput, read_prompt
from ...errors import SaewidgetsError
from ...interventions.generation.sampling import Sampling
from ...interventions.recipe.recipe import Recipe
from ..constants import SETTINGS
from ..wire import Json

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.text.prompt import Message, Prompt

__all__ = [
    "AskedAnswer",
    "AskedEffect",
    "AskedPreset",
    "AskedPrompt",
    "AskedRecipe",
    "AskedSearch",
    "AskedSweep",
    "AskedTexts",
]

_WHOLE = ("seed", "n_tokens", "top_k", "samples")


@dataclass(frozen=True)
class AskedPrompt:
    """A prompt as the traits have it: a text, or the token ids of one; or the messages of a chat in place of it."""

    prompt: Json = ""
    chat: bool = False
    messages: tuple[Json, ...] = ()

    @property
    def input(self) -> PromptInput:
        """What `generate` takes."""
        if self.messages:
            return cast("list[Message]", list(self.messages))
        prompt = tuple(cast("list[int]", self.prompt)) if isinstance(self.prompt, list) else str(self.prompt or "")
        if not self.chat:
            return prompt
        if not isinstance(prompt, str):
            raise SaewidgetsError("Token ids are no message of a chat: set chat=False, or give the prompt as text.")
        return [{"role": "user", "content": prompt}]

    def read(self, engine: Engine, n_tokens: int = 0) -> Prompt:
        """The prompt as token ids."""
        return read_prompt(engine, self.input, n_tokens)


@dataclass(frozen=True)
class AskedRecipe(AskedPrompt):
    """A recipe on a prompt. It may hold anything while it is typed."""

    recipe: Json = None

    @property
    def whole(self) -> Recipe:
        """The recipe.

        Raises:
            RecipeError: if it is none.
        """
        return Recipe.from_dict(cast("Mapping[str, object]", self.recipe or {}))


@dataclass(frozen=True)
class AskedTexts(AskedRecipe):
    """Texts as the model writes them, sampled with these settings."""

    settings: Json = field(default_factory=dict)

    @property
    def sampling(self) -> Sampling:
        """The settings.

        Raises:
            SaewidgetsError: for what is no number, or out of range.
        """
        given = cast("dict[str, float]", self.settings or {})
        wrong = next((name for name in given if name not in SETTINGS), None)
        if wrong is not None:
            raise SaewidgetsError(f"There is no setting {wrong!r}.")
        try:
            return Sampling(**{k: int(v) if k in _WHOLE else float(v) for k, v in given.items()})  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise SaewidgetsError(f"A setting is no number: {error}.") from None


@dataclass(frozen=True)
class AskedEffect(AskedRecipe):
    """What the recipe does to a given text: the prompt and its continuation; also with attention frozen."""

    continuation: tuple[int, ...] | None = None
    freeze: bool = False


@dataclass(frozen=True)
class AskedSweep(AskedTexts):
    """Several strengths of one row; None: the sweep's own choice."""

    row: int = 0
    strengths: tuple[float, ...] | None = None
    controls: int | None = None
    samples: int | None = None


@dataclass(frozen=True)
class AskedAnswer(AskedRecipe):
    """What becomes of an answer."""

    answer: str = ""


@dataclass(frozen=True)
class AskedSearch:
    """Features by words of a query, "" for those that are strongest in the prompt; sae None: the one that is meant."""

    query: str = field(default="", metadata={"wire": "q"})
    sae: str | None = None


@dataclass(frozen=True)
class AskedPreset:
    """The recipe of a feature as others make it."""

    key: str
    feature: int = field(metadata={"wire": "f"})
    sae: str | None = None
