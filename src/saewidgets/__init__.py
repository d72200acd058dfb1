"""saewidgets: look at sparse autoencoder features beside your code.

The whole public API on one screen. Names are loaded on first use, so that importing the package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .demo import load_corpus as load_corpus
    from .demo import load_demo as load_demo
    from .demo import load_demo_index as load_demo_index
    from .engine.activations import FeatureActivations as FeatureActivations
    from .engine.dictionary.directions import Directions as Directions
    from .engine.dictionary.directions import Neurons as Neurons
    from .engine.engine import Engine as Engine
    from .engine.predictions import Predictions as Predictions
    from .engine.ranking import FeatureRanking as FeatureRanking
    from .index.build import build_index as build_index
    from .index.build import extend_index as extend_index
    from .index.examples import Examples as Examples
    from .index.feature import Feature as Feature
    from .index.sampling import Keeping as Keeping
    from .index.store import FeatureIndex as FeatureIndex
    from .interventions.answers import answer_effects as answer_effects
    from .interventions.code import to_code as to_code
    from .interventions.effects import effects as effects
    from .interventions.generation import Generation as Generation
    from .interventions.generation import generate as generate
    from .interventions.make import ablate as ablate
    from .interventions.make import add as add
    from .interventions.make import cap as cap
    from .interventions.make import clamp as clamp
    from .interventions.make import orthogonal as orthogonal
    from .interventions.make import preset as preset
    from .interventions.make import replace as replace
    from .interventions.make import scale as scale
    from .interventions.recipe.recipe import Intervention as Intervention
    from .interventions.recipe.recipe import Recipe as Recipe
    from .interventions.sweep import sweep as sweep
    from .widgets.dashboard import FeatureDashboard as FeatureDashboard
    from .widgets.heatmap import TokenFeatureHeatmap as TokenFeatureHeatmap
    from .widgets.steering import SteeringPanel as SteeringPanel

_HOMES = {
    "Directions": "engine.dictionary.directions",
    "Engine": "engine.engine",
    "Examples": "index.examples",
    "Feature": "index.feature",
    "FeatureActivations": "engine.activations",
    "FeatureDashboard": "widgets.dashboard",
    "FeatureIndex": "index.store",
    "FeatureRanking": "engine.ranking",
    "Generation": "interventions.generation",
    "Intervention": "interventions.recipe.recipe",
    "Keeping": "index.sampling",
    "Neurons": "engine.dictionary.directions",
    "Predictions": "engine.predictions",
    "Recipe": "interventions.recipe.recipe",
    "SteeringPanel": "widgets.steering",
    "TokenFeatureHeatmap": "widgets.heatmap",
    "ablate": "interventions.make",
    "add": "interventions.make",
    "answer_effects": "interventions.answers",
    "build_index": "index.build",
    "cap": "interventions.make",
    "clamp": "interventions.make",
    "effects": "interventions.effects",
    "extend_index": "index.build",
    "generate": "interventions.generation",
    "load_corpus": "demo",
    "load_demo": "demo",
    "load_demo_index": "demo",
    "orthogonal": "interventions.make",
    "preset": "interventions.make",
    "replace": "interventions.make",
    "scale": "interventions.make",
    "sweep": "interventions.sweep",
    "to_code": "interventions.code",
}

__version__ = "0.1.0"
__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'saewidgets' has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
