"""A recipe on the user's own calls of the model: `model(...)`, `model.generate(...)`, whatever they run.

The edit must be the same as in a view, so what every token is has to be found out from outside: `forwards.py` watches
the forwards go by, `texts.py` knows which text each of them is of.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...engine.text.prompt import Prompt, PromptInput, read_prompt
from ...errors import SaewidgetsError
from ..recipe.errors import RecipeError
from ..recipe.intervention import Intervention
from ..recipe.recipe import Recipe
from ..recipe.units import Index, maxima_of, resolve
from .forwards import Forwards
from .texts import Texts

if TYPE_CHECKING:
    from ...engine.engine import Engine

__all__ = ["applied"]

_OTHER_THREAD = (
    "Nothing was edited: no forward of the model ran in the thread that entered applied(), but {n} ran meanwhile in other "
    "threads, where it does not act. Enter it inside the thread that runs the model: def run(): with "
    "sw.applied(engine, recipe): model.generate(..., streamer=streamer); threading.Thread(target=run).start()."
)
_NOT_AT_ALL = (
    "Nothing was edited: no forward of the engine's model ({name}) ran inside applied(). Is another model, or a copy of "
    "it, being called?"
)


class _Inside(threading.local):
    """What this thread has entered and not left."""

    def __init__(self) -> None:
        self.all: list[Texts] = []


_INSIDE = _Inside()


@contextmanager
def applied(
    engine: Engine,
    recipe: Recipe | Intervention | Sequence[Intervention],
    *,
    prompt: PromptInput | None = None,
    text: PromptInput | None = None,
    index: Index | None = None,
) -> Iterator[None]:
    """Inside the `with`, every forward of the engine's model in this thread is edited, and nothing else is.

    The user's own hooks go on firing, and the engine's own numbers (its thread is another) stay those of the model as it
    is. Where sae-lens has an SAE spliced in at an edited hook (`run_with_saes`, `with model.saes(...)`, `add_sae`), what
    comes out of it is edited, as in the views. Nested, the inner recipe acts on what the outer one has made.
    Norm outliers are those of the text as no recipe has changed it, by the model with the user's own hooks.

    What is which token: with `prompt`, a text that begins with it has prompt, chat template and system message where the
    prompt has them, and what follows was generated. Any other text: "prompt" is what its first forward gets, "generated"
    what a cache, or a call with one token more, adds; "special" is the tokenizer's special tokens (a chat template's
    words are not known). Padding is what the model is told: its attention mask, or what HookedTransformer makes of a
    tokenizer that pads on the left. Beams that change places in a beam search are not followed, which matters for
    `thinking=False` and for SAEs that read the whole text.

    Args:
        engine: model and SAEs.
        recipe: what to change.
        prompt: what the texts begin with: a string, token ids or chat messages, as `sw.generate` takes it. Also where
            median norms, and maximal activations without an index, are taken from.
        text: another name for `prompt`.
        index: where maximal activations are looked up.

    Raises:
        RecipeError: for what the engine cannot do, and for `system=False` without a `prompt` that says what that is.
        HookDidNotFireError: from a forward that ended without reaching an edited hook (`stop_at_layer`,
            `start_at_layer`); where the model's `forward` is called directly, at the next forward or on leaving.
        SaewidgetsError: for a KV cache that was filled outside; for vectors instead of token ids where ids are needed;
            for a text that does not begin with the chat that is the `prompt`; on leaving, if the model ran in other
            threads only.

    Warns:
        UserWarning: on leaving, if the model did not run at all.

    Example:
        >>> with sw.applied(engine, sw.add(20115, 4, unit="max"), index=index):
        ...     model.generate("My favourite day is", max_new_tokens=20)
        >>> def run():  # another thread enters by itself
        ...     with sw.applied(engine, recipe):
        ...         model.original_model.generate(ids, streamer=streamer)
        >>> threading.Thread(target=run).start()
    """
    whole = Recipe.of(recipe)
    if prompt is not None and text is not None:
        raise RecipeError("Give either prompt= or text=: they are the same.", "prompt")
    given = text if prompt is None else prompt
    read: Prompt | None = None if given is None else read_prompt(engine, given)
    maxima = maxima_of(engine, index)
    resolved = engine.worker.run(lambda ticket: resolve(engine, whole, read or (), maxima, ticket, for_units=True))
    if resolved.noop:
        yield
        return
    if not whole.system and read is None:
        raise RecipeError(
            "system=False leaves the system message as it is, and applied() cannot tell it from token ids: give the chat, "
            "sw.applied(engine, recipe, prompt=messages), and call the model on texts that begin with it.",
            "system",
        )

    def others() -> list[str]:
        return [name for it in _INSIDE.all if it is not texts and it.model is engine.model.raw for name in it.names]

    texts = Texts(engine, resolved, read, others)
    forwards = Forwards(engine.model, texts)
    _INSIDE.all.append(texts)
    try:
        with forwards.watched():
            yield
    finally:
        _INSIDE.all.remove(texts)
    forwards.settle()
    if forwards.here:
        return
    if forwards.elsewhere:
        raise SaewidgetsError(_OTHER_THREAD.format(n=forwards.elsewhere))
    warnings.warn(_NOT_AT_ALL.format(name=engine.model.name), UserWarning, stacklevel=3)
