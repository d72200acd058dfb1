"""The live pages of the documentation: each widget as one HTML file, of the demo, made anew at each build.

Run as `python -m scripts.docs.live FOLDER`. The same sources give the same pages, but for the time that a blind test was kept at and the
seconds that an effect took.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import saewidgets as sw
from saewidgets.demo.index import unpacked

from .made_up_graph import made_up_graph

CREATION = "In the beginning, God created the heavens and the"
WEEK = "The shop is closed on Monday, opens on Tuesday, and on Sunday we sing."
WEEKDAYS, ON, EGYPT = 2717, 2489, 4720
# Fires on "local"; rare enough that the demo's index has all of its activations, as a blind test needs.
LOCAL = 1384


@dataclass(frozen=True)
class Demo:
    """What pages are made of. The index is a copy: maps and results of blind tests are kept beside an index."""

    engine: sw.Engine
    index: sw.FeatureIndex


def heatmap(demo: Demo) -> str:
    return sw.TokenFeatureHeatmap(demo.engine, text=WEEK, features=[WEEKDAYS, ON], index=demo.index, limit=15).page()


def dashboard(demo: Demo) -> str:
    shown = [WEEKDAYS, *near(demo.index, 2), EGYPT]
    return sw.FeatureDashboard(demo.engine, demo.index, feature=WEEKDAYS, features=shown).page()


def steering(demo: Demo) -> str:
    panel = sw.SteeringPanel(
        demo.engine,
        demo.index,
        prompt="I went out and saw",
        recipe=sw.add(EGYPT, 0.75, unit="max"),
        n_tokens=24,
        temperature=0.0,
    )
    return panel.page(views=("text", "effect"))


def comparison(demo: Demo) -> str:
    texts = [CREATION, CREATION.replace("heavens", "cat")]
    return sw.PromptComparison(demo.engine, demo.index, texts=texts, limit=15).page()


def layers(demo: Demo) -> str:
    return sw.LayerLens(demo.engine, CREATION, index=demo.index, target=" earth").page()


def attribution(demo: Demo) -> str:
    return sw.AttributionPanel(demo.engine, demo.index, CREATION, " earth", " sky").page()


def graph(_demo: Demo) -> str:
    view = sw.AttributionGraphView(made_up_graph(), threshold=1.0)
    view.selected = "10_4162_10"
    return view.page()


def browser(demo: Demo) -> str:
    return sw.FeatureBrowser(demo.index, feature=WEEKDAYS, filters={"density": [None, 0.1]}).page(rows=300, cards=30)


def map_(demo: Demo) -> str:
    return sw.FeatureMap(demo.index, feature=WEEKDAYS).page()


def subspace(demo: Demo) -> str:
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    months = ["January", "March", "May", "July", "September", "October", "December"]
    texts = [f"We met on {day} night, the {2 * i + 3}th of {months[i]}." for i, day in enumerate(days)]
    texts += [f"In {month} the shop is closed on {days[i]} evening." for i, month in enumerate(months)]
    return sw.FeatureSubspace(demo.engine, [WEEKDAYS, *near(demo.index, 3)], texts=texts).page()


def beside(demo: Demo) -> str:
    (nearest,) = near(demo.index, 1)
    return sw.FeatureComparison((demo.index, WEEKDAYS), (demo.index, nearest), text=WEEK, read=1000).page()


def blindtest(demo: Demo) -> str:
    """A page has finished tests only, so this one is answered: "fires" where the text has the word."""
    test = sw.BlindTest(demo.index, LOCAL, n=10)
    test.answers = ["local" in text.lower() for text in test.texts]
    test.check()
    return test.page()


def catalog(_demo: Demo) -> str:
    chosen = {"release": "gpt2-small-res-jb", "sae_id": "blocks.7.hook_resid_pre"}
    return sw.SAEBrowser(query="gpt2-small", selected=chosen).page(rows=300)


def near(index: sw.FeatureIndex, k: int) -> list[int]:
    """The features whose decoder rows are nearest to that of the weekdays'."""
    return [int(feature) for feature in sw.neighbours(index, WEEKDAYS, k=k).index]


def explore(demo: Demo) -> str:
    bench = sw.explore(demo.engine, demo.index, feature=WEEKDAYS, text=WEEK, prompt="I went out and saw")
    bench.steering.n_tokens = 16
    return bench.page(views=["browser", "map", "heatmap", "layers", "dashboard", "steering"], strengths=[1])


MADE: dict[str, Callable[[Demo], str]] = {
    "heatmap": heatmap,
    "dashboard": dashboard,
    "steering": steering,
    "comparison": comparison,
    "layers": layers,
    "attribution": attribution,
    "graph": graph,
    "browser": browser,
    "map": map_,
    "subspace": subspace,
    "beside": beside,
    "blindtest": blindtest,
    "catalog": catalog,
    "explore": explore,
}


def make(folder: Path) -> None:
    """Write all pages into `folder`, which holds nothing else."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "demo"  # which is what the views call it
        shutil.copytree(unpacked(), copy)
        # On the CPU in float32: the same numbers on every machine.
        with sw.load_demo(device="cpu") as engine:
            demo = Demo(engine, sw.FeatureIndex.open(copy, engine=engine))
            for name, page in MADE.items():
                (folder / f"{name}.html").write_text(page(demo), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    make(parser.parse_args().folder)
