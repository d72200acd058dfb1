"""saewidgets: look at sparse autoencoder features beside your code.

The whole public API on one screen. Names are loaded on first use, so that importing the package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .attribution.attribute import attribute as attribute
    from .attribution.graph.graph import AttributionGraph as AttributionGraph
    from .attribution.metrics.base import Metric as Metric
    from .attribution.metrics.of_feature import feature_activation as feature_activation
    from .attribution.metrics.of_logits import custom as custom
    from .attribution.metrics.of_logits import kl as kl
    from .attribution.metrics.of_logits import logit as logit
    from .attribution.metrics.of_logits import logit_diff as logit_diff
    from .attribution.metrics.of_logits import logprob as logprob
    from .attribution.result import Attribution as Attribution
    from .attribution.sources import SourceAttribution as SourceAttribution
    from .attribution.sources import by_source as by_source
    from .attribution.true_effect import TrueEffects as TrueEffects
    from .attribution.true_effect import true_effects as true_effects
    from .datasets.association import Association as Association
    from .datasets.association import associate as associate
    from .datasets.build import feature_matrix as feature_matrix
    from .datasets.compare import contrast as contrast
    from .datasets.contrast import Contrast as Contrast
    from .datasets.matrix import FeatureMatrix as FeatureMatrix
    from .demo import load_corpus as load_corpus
    from .demo import load_demo as load_demo
    from .demo import load_demo_index as load_demo_index
    from .engine.activations.ranking import FeatureRanking as FeatureRanking
    from .engine.activations.result import FeatureActivations as FeatureActivations
    from .engine.comparison.compare import compare as compare
    from .engine.comparison.result import Comparison as Comparison
    from .engine.descriptions import Description as Description
    from .engine.dictionary.directions import Directions as Directions
    from .engine.dictionary.directions import Neurons as Neurons
    from .engine.engine import Engine as Engine
    from .engine.lens import LogitLens as LogitLens
    from .engine.lens import logit_lens as logit_lens
    from .geometry.beside.result import Beside as Beside
    from .geometry.beside.result import beside as beside
    from .geometry.beside.side import Side as Side
    from .geometry.groups.candidates import CandidateGroups as CandidateGroups
    from .geometry.groups.groups import candidate_groups as candidate_groups
    from .geometry.map.feature_map import feature_map as feature_map
    from .geometry.map.layout import FeatureLayout as FeatureLayout
    from .geometry.splitting.split import Splitting as Splitting
    from .geometry.splitting.splitting import splitting as splitting
    from .geometry.subspace.result import Subspace as Subspace
    from .geometry.subspace.subspace import subspace as subspace
    from .geometry.together.neighbours import neighbours as neighbours
    from .geometry.together.network import Cooccurrence as Cooccurrence
    from .geometry.together.network import cooccurrence as cooccurrence
    from .index.autointerp.blind_test import BlindResult as BlindResult
    from .index.autointerp.explain import Explained as Explained
    from .index.autointerp.explain import explain as explain
    from .index.autointerp.score import Scores as Scores
    from .index.autointerp.score import score_explanations as score_explanations
    from .index.build import build_index as build_index
    from .index.build import extend_index as extend_index
    from .index.corpus.files import CorpusFiles as CorpusFiles
    from .index.feature_index import FeatureIndex as FeatureIndex
    from .index.statistics.kept_examples import Keeping as Keeping
    from .index.store.examples import Examples as Examples
    from .index.store.feature import Feature as Feature
    from .index.verify import Verification as Verification
    from .index.verify import verify as verify
    from .interventions.applied.context import applied as applied
    from .interventions.dose_response.sweep import sweep as sweep
    from .interventions.edit.plain_code import to_code as to_code
    from .interventions.effects.answers import answer_effects as answer_effects
    from .interventions.effects.on_text import effects as effects
    from .interventions.effects.predictions import Predictions as Predictions
    from .interventions.effects.predictions import predictions as predictions
    from .interventions.generation.generate import Generation as Generation
    from .interventions.generation.generate import generate as generate
    from .interventions.recipe.constructors import ablate as ablate
    from .interventions.recipe.constructors import add as add
    from .interventions.recipe.constructors import cap as cap
    from .interventions.recipe.constructors import clamp as clamp
    from .interventions.recipe.constructors import orthogonal as orthogonal
    from .interventions.recipe.constructors import preset as preset
    from .interventions.recipe.constructors import replace as replace
    from .interventions.recipe.constructors import scale as scale
    from .interventions.recipe.intervention import Intervention as Intervention
    from .interventions.recipe.recipe import Recipe as Recipe
    from .widgets.attribution.widget import AttributionPanel as AttributionPanel
    from .widgets.beside.widget import FeatureComparison as FeatureComparison
    from .widgets.blindtest.widget import BlindTest as BlindTest
    from .widgets.browser.widget import FeatureBrowser as FeatureBrowser
    from .widgets.catalog.widget import SAEBrowser as SAEBrowser
    from .widgets.comparison.widget import PromptComparison as PromptComparison
    from .widgets.dashboard.widget import FeatureDashboard as FeatureDashboard
    from .widgets.explore.workbench import Workbench as Workbench
    from .widgets.explore.workbench import explore as explore
    from .widgets.graph.widget import AttributionGraphView as AttributionGraphView
    from .widgets.heatmap.widget import TokenFeatureHeatmap as TokenFeatureHeatmap
    from .widgets.layers.widget import LayerLens as LayerLens
    from .widgets.map.widget import FeatureMap as FeatureMap
    from .widgets.steering.widget import SteeringPanel as SteeringPanel
    from .widgets.subspace.widget import FeatureSubspace as FeatureSubspace

_HOMES = {
    "Attribution": "attribution.result",
    "AttributionPanel": "widgets.attribution.widget",
    "LayerLens": "widgets.layers.widget",
    "LogitLens": "engine.lens",
    "SourceAttribution": "attribution.sources",
    "by_source": "attribution.sources",
    "logit_lens": "engine.lens",
    "TrueEffects": "attribution.true_effect",
    "true_effects": "attribution.true_effect",
    "Metric": "attribution.metrics.base",
    "attribute": "attribution.attribute",
    "custom": "attribution.metrics.of_logits",
    "feature_activation": "attribution.metrics.of_feature",
    "kl": "attribution.metrics.of_logits",
    "logit": "attribution.metrics.of_logits",
    "logit_diff": "attribution.metrics.of_logits",
    "logprob": "attribution.metrics.of_logits",
    "AttributionGraph": "attribution.graph.graph",
    "AttributionGraphView": "widgets.graph.widget",
    "Association": "datasets.association",
    "Beside": "geometry.beside.result",
    "FeatureComparison": "widgets.beside.widget",
    "Side": "geometry.beside.side",
    "beside": "geometry.beside.result",
    "BlindResult": "index.autointerp.blind_test",
    "BlindTest": "widgets.blindtest.widget",
    "Contrast": "datasets.contrast",
    "Comparison": "engine.comparison.result",
    "Description": "engine.descriptions",
    "Directions": "engine.dictionary.directions",
    "Engine": "engine.engine",
    "Examples": "index.store.examples",
    "Explained": "index.autointerp.explain",
    "Feature": "index.store.feature",
    "FeatureActivations": "engine.activations.result",
    "FeatureBrowser": "widgets.browser.widget",
    "FeatureDashboard": "widgets.dashboard.widget",
    "FeatureMap": "widgets.map.widget",
    "CorpusFiles": "index.corpus.files",
    "FeatureIndex": "index.feature_index",
    "FeatureLayout": "geometry.map.layout",
    "FeatureMatrix": "datasets.matrix",
    "FeatureSubspace": "widgets.subspace.widget",
    "FeatureRanking": "engine.activations.ranking",
    "Generation": "interventions.generation.generate",
    "Intervention": "interventions.recipe.intervention",
    "Keeping": "index.statistics.kept_examples",
    "Neurons": "engine.dictionary.directions",
    "Predictions": "interventions.effects.predictions",
    "PromptComparison": "widgets.comparison.widget",
    "Recipe": "interventions.recipe.recipe",
    "SAEBrowser": "widgets.catalog.widget",
    "CandidateGroups": "geometry.groups.candidates",
    "candidate_groups": "geometry.groups.groups",
    "Subspace": "geometry.subspace.result",
    "subspace": "geometry.subspace.subspace",
    "Scores": "index.autointerp.score",
    "SteeringPanel": "widgets.steering.widget",
    "TokenFeatureHeatmap": "widgets.heatmap.widget",
    "Verification": "index.verify",
    "ablate": "interventions.recipe.constructors",
    "add": "interventions.recipe.constructors",
    "answer_effects": "interventions.effects.answers",
    "applied": "interventions.applied.context",
    "associate": "datasets.association",
    "build_index": "index.build",
    "compare": "engine.comparison.compare",
    "cap": "interventions.recipe.constructors",
    "clamp": "interventions.recipe.constructors",
    "contrast": "datasets.compare",
    "effects": "interventions.effects.on_text",
    "Workbench": "widgets.explore.workbench",
    "explain": "index.autointerp.explain",
    "explore": "widgets.explore.workbench",
    "extend_index": "index.build",
    "feature_map": "geometry.map.feature_map",
    "feature_matrix": "datasets.build",
    "generate": "interventions.generation.generate",
    "load_corpus": "demo",
    "load_demo": "demo",
    "load_demo_index": "demo",
    "orthogonal": "interventions.recipe.constructors",
    "predictions": "interventions.effects.predictions",
    "preset": "interventions.recipe.constructors",
    "replace": "interventions.recipe.constructors",
    "scale": "interventions.recipe.constructors",
    "score_explanations": "index.autointerp.score",
    "sweep": "interventions.dose_response.sweep",
    "to_code": "interventions.edit.plain_code",
    "Cooccurrence": "geometry.together.network",
    "Splitting": "geometry.splitting.split",
    "cooccurrence": "geometry.together.network",
    "neighbours": "geometry.together.neighbours",
    "splitting": "geometry.splitting.splitting",
    "verify": "index.verify",
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
