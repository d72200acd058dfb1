"""What a steering panel's view must know of its engine before it asks anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from ...interventions.edit.positions import think_ids
from ...interventions.recipe.constructors import PRESETS
from ...interventions.recipe.errors import RecipeError
from .. import wire

if TYPE_CHECKING:
    from ...engine.engine import Engine


def facts_of(engine: Engine, has_index: bool, indexed: str | None) -> dict[str, object]:
    """Dictionaries, context, chat template, presets: the trait `facts`.

    Args:
        has_index: whether there is an index. indexed: the dictionary that it is of.
    """
    return {
        "has_chat": engine.tokenizer.has_chat_template,
        "has_index": has_index,
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


def preset_reply(engine: Engine, params: Mapping[str, wire.Json], sae: str | None) -> wire.Reply:
    """The answer of "preset": the recipe of a feature of dictionary `sae` as others make it.

    Raises:
        RecipeError: for a preset that there is not; FeatureIndexError: for such a feature.
    """
    key, feature = str(params["key"]), int(cast(int, params["f"]))
    if key not in PRESETS:
        raise RecipeError(f"There is no preset {key!r}.", "preset")
    engine.dictionary(sae).check_features([feature])
    named = None if sae == engine.default else sae
    return wire.Reply({"recipe": cast("wire.Json", PRESETS[key][2](feature, named).to_dict())})
