"""What a steering panel's view must know of its engine before it asks anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ...interventions.edit.positions import think_ids
from ...interventions.recipe.constructors import PRESETS
from ...interventions.recipe.errors import RecipeError
from .. import wire
from .asked import AskedPreset

if TYPE_CHECKING:
    from ...engine.engine import Engine


def facts_of(engine: Engine, indexed: str | None) -> dict[str, object]:
    """Dictionaries, context, chat template, presets: the trait `facts`.

    Args:
        indexed: the dictionary that the index is of; None without one.
    """
    return {
        "has_chat": engine.tokenizer.has_chat_template,
        "index_sae": indexed,
        "context": engine.context_size,
        "thinking": think_ids(engine) is not None,
        "presets": [{"key": key, "name": name, "formula": said} for key, (name, said, _) in PRESETS.items()],
        "saes": [
            {
                "name": d.name,
                "n": d.n_features,
                "hook": d.hook_name_out or d.hook_name,
                "kind": d.kind,
                "reconstructs": d.kind in ("SAE", "transcoder"),
                "activation": d.activation_name,
            }
            for d in engine.dictionaries.values()
        ],
    }


def preset_reply(engine: Engine, asked: AskedPreset, sae: str | None) -> wire.Reply:
    """The answer of "preset": the recipe of a feature of dictionary `sae` as others make it.

    Raises:
        RecipeError: for a preset that there is not; FeatureIndexError: for such a feature.
    """
    if asked.key not in PRESETS:
        raise RecipeError(f"There is no preset {asked.key!r}.", "preset")
    engine.dictionary(sae).check_features([asked.feature])
    named = None if sae == engine.default else sae
    return wire.Reply({"recipe": cast("wire.Json", PRESETS[asked.key][2](asked.feature, named).to_dict())})
