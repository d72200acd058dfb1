"""Golden payloads: the answer of every channel of every widget as Python writes it, which the front-end's tests read.

    SAEW_WRITE_GOLDEN=1 pytest tests/unit/test_golden.py

writes js/tests/golden/ again. Here the form is compared, for numbers differ between machines: whatever changes it has to be
written again, and then fails the front-end's types or tests if these expect something else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import catalog_made
import pytest
import tiny
from front_end import recording
from graph_view_made import graph_of
from map_view_made import layout_of

import saewidgets as sw
from saewidgets.index.autointerp.windows import Windows
from saewidgets.widgets.attribution.asked import AskedRank
from saewidgets.widgets.base import EngineWidget
from saewidgets.widgets.channel import parse, plain
from saewidgets.widgets.shot import recorded

GOLDEN = Path(__file__).parents[2] / "js" / "tests" / "golden"
TEXT = "In the beginning God created"
RESIDUAL = "blocks.1.hook_resid_pre"
# Those that take activations apart by source token.
HOOKS = dict.fromkeys(("heatmap", "dashboard"), "blocks.1.attn.hook_z")
TEXTS = [{"text": f"{TEXT} the heaven and the earth. {i}", "kind": "ab"[i % 2]} for i in range(6)]


def dashboards(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    dense = [int(f) for f in index.order("density")[:2]]
    index.set_label(dense[0], "a name")
    return sw.FeatureDashboard(engine, index, feature=dense[0], features=dense, text=TEXT, window=5)


def heatmaps(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_explanations({int(f): "an explanation" for f in index.order("density")[:2]}, "a set")
    return sw.TokenFeatureHeatmap(engine, TEXT, features=[3], index=index, limit=5)


def comparisons(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_explanations({int(f): "an explanation" for f in index.order("density")[:2]}, "a set")
    return sw.PromptComparison(engine, index, [f"{TEXT} the heaven", f"{TEXT} the"], features=[3], limit=5)


def besides(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_explanations({int(f): "an explanation" for f in index.order("density")[:2]}, "a set")
    dense = [int(f) for f in index.order("density")[:2]]
    return sw.FeatureComparison((index, dense[0]), (index, dense[1]), text=TEXT)


def layers(engine: sw.Engine, path: Path) -> EngineWidget:
    """Of an engine of its own: an SAE and, between the hooks of the lens, neurons."""
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_explanations({int(f): "an explanation" for f in index.order("density")[:2]}, "a set")
    several = sw.Engine(engine.model.raw, {"sae": tiny.sae(), "neurons": sw.Neurons("blocks.0.mlp.hook_post")})
    return sw.LayerLens(several, TEXT, index=index, target=" God", feature=3, k=2, top_features=2)


def subspaces(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_explanations({int(f): "an explanation" for f in index.order("density")[:2]}, "a set")
    often = [int(f) for f in index.order("density")[:3]]
    return sw.FeatureSubspace(index, [*often, 3], colour="kind", selected=[1])


def blind_tests(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    windows = Windows(index, 4)
    f = next(f for f in range(len(index)) if min(windows.available(f)) >= 4)
    index.set_label(f, "a name")
    index.add_explanations({f: "an explanation"}, "a set")
    test = sw.BlindTest(index, f, n=6, window=4, seed=1)
    for seed, answers in ((1, [True] * 6), (2, [True, False] * 3)):
        test.seed = seed
        test.answers = answers
        test.check()
    return test


def browsers(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_explanations({3: "an explanation"}, "a set")
    index.add_to_list("mine", [3, 5])
    return sw.FeatureBrowser(index, feature=3, query="fires", filters={"max": [0.001, None]})


def panels(engine: sw.Engine) -> EngineWidget:
    recipe = sw.Recipe([sw.add(3, 2.0), sw.ablate(5)])
    return sw.SteeringPanel(engine, prompt=TEXT, recipe=recipe, n_tokens=3, answer=" the", view="effect")


def attributions(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_explanations({int(f): "an explanation" for f in index.order("density")[:2]}, "a set")
    prompts = [TEXT, f"{TEXT} the heaven"]
    return sw.AttributionPanel(engine, index, prompts, " the", " and", linearised="relp", limit=5)


def graphs(engine: sw.Engine, path: Path) -> EngineWidget:
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    graph = graph_of(8, 40, layers=2, width=len(index))
    first, second = (node for node in graph.nodes if node.kind == "feature" and node.layer == "1"), graph.nodes[0]
    return sw.AttributionGraphView(graph.group("a group", [next(first)]).pin(second), {1: index}, selected=second)


def maps(engine: sw.Engine, path: Path) -> EngineWidget:
    """Of a layout that nobody computed: the libraries that make one need not be there."""
    index = sw.build_index(engine, TEXTS, path, progress=False, wait=True)
    index.add_to_list("mine", [3, 5])
    layout = layout_of(len(index), (2,))
    return sw.FeatureMap(index, layout=layout, feature=3, selected_features=[5], query="fires", only="mine")


def catalogs() -> EngineWidget:
    """Of a release of three SAEs, of which two say little of themselves; nothing of it is of sae-lens' version."""
    sae = {"release": catalog_made.RELEASE, "sae_id": catalog_made.HERE}
    return sw.SAEBrowser(
        tiny.hooked(), query=catalog_made.RELEASE, selected=sae, filters={}, sort="l0", descending=True
    )


def asked_besides(name: str, widget: EngineWidget) -> Iterator[tuple[str, dict[str, Any]]]:
    """Questions that no page records."""
    if name == "heatmap":
        yield "tokens", {"text": TEXT, "rank": {"text": TEXT, "tokens": [1]}}
        active = int(widget.activations.token(4)[0][0])  # type: ignore[attr-defined]
        yield "sources", {"f": active, "text": TEXT, "token": 4}
    if name == "comparison":
        rank = {**plain(widget._asked()), "at": "max", "all_of": [0]}  # type: ignore[attr-defined]
        yield "tokens", {"texts": rank["texts"], "rank": rank}
    if name == "beside":
        yield "context", {"a": 3, "b": 5, "position": 2}
    if name == "layers":
        ladder = plain(widget._asked())  # type: ignore[attr-defined]
        yield "lens", {"text": TEXT, "target": " God created", "k": 2, "ladder": {**ladder, "position": 1}}
    if name == "subspace":
        yield "subspace", {"features": list(widget.features), "colour": "position"}  # type: ignore[attr-defined]
    if name in ("browser", "map"):
        yield "list", {"name": "mine", "features": [7]}
    if name == "dashboard":
        f = int(widget.feature)  # type: ignore[attr-defined]
        examples = widget.index.examples(f, group="top", top=2)  # type: ignore[attr-defined]
        yield "text", {"f": f, "text": TEXT}
        yield "sources", {"f": f, "text": TEXT}
        yield "effects", {"f": f, "text": TEXT}
        yield "effects", {"f": f, "of": [e.position for e in examples], "view": "snippet", "window": 5}
        yield "label", {"f": f, "label": "another"}
        yield "random", {"f": f, "list": list(widget.features)}  # type: ignore[attr-defined]
    if name == "blindtest":
        asked = plain(widget._asked())  # type: ignore[attr-defined]
        yield "check", {**asked, "description": 0, "answers": [True] * 6}
        yield "test", {**asked, "seed": 3}
    if name == "attribution":
        asked = plain(widget._question())  # type: ignore[attr-defined]
        ranked = plain(AskedRank(widget._question(), sort="effect", limit=5))  # type: ignore[attr-defined]
        active = widget.attribution.by_feature()["feature"].tolist()  # type: ignore[attr-defined]
        yield "check", {"of": asked, "top": 3, "random": 3}
        yield "rank", ranked
        yield "without", {"of": asked, "features": active[:2]}
        yield "complete", {"q": "th"}
    if name == "catalog":
        sae = {key: widget.selected[key] for key in ("release", "sae_id")}  # type: ignore[attr-defined]
        yield "load", sae
        yield "details", {**sae, "dtype": "bfloat16"}
    if name == "steering":
        asked = plain(widget._asked())  # type: ignore[attr-defined]
        yield "search", {"q": "", "sae": None}
        yield "search", {"q": "3", "sae": None}
        yield "code", asked
        yield "preset", {"key": "tutorial", "f": 3, "sae": None}


def payload(name: str, widget: EngineWidget) -> dict[str, Any]:
    """The page of a widget, as its front-end has it, and the answers that pages do not carry."""
    options = {
        "steering": {"views": ("text", "effect", "sweep", "answer")},
        "browser": {"cards": 2},
        "attribution": {"features": 3},
        "dashboard": {"sources": 1},
        "subspace": {"texts": 3},
        "beside": {"points": 3},
    }.get(name, {})
    shot = widget.shot(**options)
    answers = list(widget._recorded(shot.questions))
    for channel, params in asked_besides(name, widget):
        reply = widget._worker.run(partial(widget._answer, channel, parse(widget.channels[channel].asked, params)))
        answers.append(recorded(channel, params, reply))
    state = {key: getattr(widget, key) for key in widget.trait_names(page=True)} | dict(shot.state)
    kept = [a for a in answers if not _one_of_many(name, a.ch, a.p)]
    return {"state": state, "recorded": [vars(a) for a in kept]}


def _one_of_many(name: str, channel: str, params: Mapping[str, Any]) -> bool:
    """An answer of which a page has so many that some would do."""
    if name == "comparison" and channel == "differences":
        return params["at"] == "chosen" or bool(params["none_of"]) or params["pair"] != [0, 1]
    return name == "heatmap" and channel == "rank" and bool(params["tokens"])


def form(value: object, path: str = "") -> set[str]:
    """Every path in a JSON value with the type that stands there; numbers are numbers, places in lists do not matter."""
    if isinstance(value, dict):
        return {path + "{}"}.union(*(form(item, f"{path}.{key}") for key, item in value.items()))
    if isinstance(value, (list, tuple)):
        return {path + "[]"}.union(*(form(item, path + "[]") for item in value))
    kind = type(value).__name__
    return {f"{path}: {'number' if kind in ('int', 'float') else kind}"}


def forms(made: dict[str, Any]) -> dict[str, set[str]]:
    """The form of the state, and of the answers of each channel."""
    found = {"state": form(made["state"])}
    for one in made["recorded"]:
        described = [{key: array[key] for key in ("name", "dtype")} for array in one["arrays"]]
        named = {f"array {array['name']} {array['dtype']}" for array in described}
        found.setdefault(one["ch"], set()).update(form(one["r"]), form(one["p"], "asked"), named)
    return found


@pytest.mark.parametrize(
    "name",
    [
        "beside",
        "browser",
        "comparison",
        "heatmap",
        "layers",
        "subspace",
        "dashboard",
        "steering",
        "blindtest",
        "catalog",
        "attribution",
        "graph",
        "map",
    ],
)
def test_the_wire_is_as_the_front_end_s_tests_have_it(name: str, tmp_path: Path) -> None:
    with (
        recording(),
        catalog_made.hub(tmp_path / "hub"),
        sw.Engine(tiny.hooked(), tiny.sae(hook=HOOKS.get(name, RESIDUAL)), labels={3: "three"}) as engine,
    ):
        widget = {
            "heatmap": lambda: heatmaps(engine, tmp_path / "index"),
            "beside": lambda: besides(engine, tmp_path / "index"),
            "browser": lambda: browsers(engine, tmp_path / "index"),
            "comparison": lambda: comparisons(engine, tmp_path / "index"),
            "layers": lambda: layers(engine, tmp_path / "index"),
            "subspace": lambda: subspaces(engine, tmp_path / "index"),
            "dashboard": lambda: dashboards(engine, tmp_path / "index"),
            "steering": lambda: panels(engine),
            "blindtest": lambda: blind_tests(engine, tmp_path / "index"),
            "catalog": catalogs,
            "attribution": lambda: attributions(engine, tmp_path / "index"),
            "graph": lambda: graphs(engine, tmp_path / "index"),
            "map": lambda: maps(engine, tmp_path / "index"),
        }[name]()
        made = json.loads(json.dumps(payload(name, widget), allow_nan=False))
        assert {one["ch"] for one in made["recorded"]} == set(widget.channels), "a channel without an answer here"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("SAEW_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            json.dumps(made, sort_keys=True, separators=(",", ":")).replace('{"arrays"', '\n{"arrays"') + "\n"
        )
    golden, now = forms(json.loads(path.read_text("utf-8"))), forms(made)
    assert now.keys() == golden.keys()
    for channel, found in now.items():
        assert found == golden[channel], f"{channel}: {sorted(found ^ golden[channel])}; see this module's docstring"
