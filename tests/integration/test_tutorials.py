"""The notebooks through SAELens' tutorial and Anthropic's interface: every cell runs, every view leaves a picture, and what their
text promises of the demo is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pandas as pd
import pytest
from notebook_cells import Ran, run_cells

import saewidgets as sw
from saewidgets.demo import sources
from saewidgets.index.remaining import background

if TYPE_CHECKING:
    from saewidgets.engine.engine import Engine

EXAMPLES = Path(__file__).parents[2] / "examples"
TUTORIAL = EXAMPLES / "tutorial.ipynb"
INTERFACE = EXAMPLES / "anthropic_interface.ipynb"
# The headings of tutorial_2_0.ipynb, as they stand there, spelling included.
HEADINGS = [
    "SAE Lens + Neuronpedia Tutorial",
    "Set Up (Just Run / Not Important)",
    "Loading a pretrained Sparse Autoencoder",
    "Basics: What are SAE Features?",
    "Opening a feature dashboard on Neuronpedia",
    "Downloading / Searching Autointerp",
    "Basics: Getting Features Using SAEs",
    "Using a HookedSAETransformer",
    "The Contrast Pairs Trick",
    "Making Feature Dashboards (Optional)",
    "Local: Finding Max Activating Examples",
    "Getting Feature Activation Histogram",
    "Getting the Top 10 Logit Weights",
    "Putting it all together: Compare against the Neuronpedia Dashboard",
    "Optional: Co-occurence Networks and Irreducible Subspaces",
    "Basics: Intervening on SAE Features",
    "Feature Steering",
    "Feature Ablation",
    "Feature Attribution",
    "Advanced: Making U-Maps",
]
ADDRESS = "https://github.com/decoderesearch/SAELens/blob/main/tutorials/tutorial_2_0.ipynb"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Indexes and exports of this module only; the demo's index is unpacked into it once. And what the notebooks set of pandas."""
    with pytest.MonkeyPatch.context() as patch, pd.option_context("display.max_colwidth", 50):
        patch.setenv("SAEWIDGETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def test_the_tutorial_s_headings_are_its_own_and_lead_to_it() -> None:
    found = [
        line.lstrip("# ")
        for cell in nbformat.read(TUTORIAL, as_version=4).cells
        if cell.cell_type == "markdown"
        for line in cell.source.splitlines()
        if line.startswith("#") and line.endswith(f"]({ADDRESS})")
    ]
    assert found == [f"[{heading}]({ADDRESS})" for heading in HEADINGS]


def first_cell(path: Path) -> str:
    source = next(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")
    assert 'WANTED = "demo"' in source
    return source.replace('WANTED = "demo"', 'WANTED = "gpt2-small"')


@pytest.mark.usefixtures("cache")
@pytest.mark.parametrize("problem", ["no route", None])
def test_the_tutorial_s_own_model_where_the_hub_answers_and_the_demo_elsewhere(
    demo_engine: Engine, problem: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(sources, "unreachable", lambda url: problem)
    monkeypatch.setattr(sw, "load_demo", lambda: demo_engine)
    monkeypatch.setattr(sw.Engine, "from_pretrained", lambda **names: asked.append(names) or "GPT-2")
    monkeypatch.setattr(sw, "build_index", lambda engine, *_, **__: f"{engine}'s index")
    names: dict[str, object] = {}
    exec(first_cell(TUTORIAL), names)
    said = capsys.readouterr().out
    if problem is None:
        assert asked == [{"release": "gpt2-small-res-jb", "sae_id": "blocks.7.hook_resid_pre"}]
        assert (names["engine"], names["index"]) == ("GPT-2", "GPT-2's index") and said.strip() == "GPT-2"
    else:
        assert not asked and names["engine"] is demo_engine
        assert said.strip() == f"{demo_engine} (the hub does not answer: no route)"


def check_views(ran: Ran, cells: set[str]) -> None:
    pictures = ran.views()
    assert set(pictures) == cells
    # A map that nobody has looked at is not made yet, and its picture says so.
    short = {cell for cell, picture in pictures.items() if len(picture) < 1000}
    assert short <= {"map"} and all(pictures.values()), short


def check_printed(capsys: pytest.CaptureFixture[str]) -> None:
    told = capsys.readouterr()
    assert not {"Error", "Traceback", "Warning"} & set(re.findall(r"[A-Z][a-z]+", told.out + told.err)), told


@pytest.mark.usefixtures("cache")
def test_the_tutorial(
    demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    smaller = {"read=4_000": "read=500", "tokens=3_000": "tokens=300"}
    ran = run_cells(TUTORIAL, demo_engine, tmp_path, monkeypatch, smaller)
    background.stop(ran.names["mine"].path)  # what it still computes, nobody looks at
    check_printed(capsys)
    check_views(
        ran,
        {"browse", "dashboard", "guess", "table", "heatmap", "pair", "theirs", "subspace", "panel", "why", "map"},
    )
    names = ran.names
    heaven, egypt, weekdays = (names[name] for name in ("heaven", "egypt", "weekdays"))
    table = {cell: value for cell, value in ran.shown.items() if hasattr(value, "to_dict")}
    assert (tmp_path / "tutorial.html").stat().st_size > 10_000

    # Features are what they were looked up as.
    top = ran.names["index"].features["top_token"]
    days = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
    assert set(table["dashboard-values"]["token"].str.strip()) <= days
    assert top[heaven].strip() == "heaven" and top[egypt].strip() == "Egypt" and weekdays != heaven
    assert list(table["explained"].index) == [heaven]

    # "The demo's model is sure of " earth" (0.81). With its SAE spliced in it is not (0.16)"; " earth" falls far in the other prompt.
    sure = table["prompt"].set_index("model")["probability"]
    assert sure["clean"] == pytest.approx(0.81, abs=0.01) and sure["spliced"] == pytest.approx(0.16, abs=0.01)
    falls = table["pair-predictions"].set_index("kind")
    assert falls.loc["answer", "rank"] > 200
    assert {"dog", "mouse", "cat", "wolf"} <= {token.strip() for token in falls.loc["top", "token"]}
    assert ran.shown["equal"] < 1e-3
    l0 = table["l0"].T.set_index("token")["l0"]
    assert l0.iloc[0] > len(top) / 2 > 10 * l0.iloc[1:].max()

    # The files are the demo's own, and say the same; the group is of digits.
    assert ran.shown["verify"].reproduces
    assert len({str(digit) for digit in range(1, 10)} & {token.strip() for token in names["numbers"].tokens}) >= 5

    steered(names["made"], table["sweep"])
    answers = table["answer"].set_index("error")["probability"]
    clean = answers.iloc[0]
    assert answers["dropped"].max() < answers["kept"] < clean - 0.03
    assert ran.shown["why-values"]["feature"].iloc[0] == ran.shown["why-heavens"]["feature"].iloc[0] == heaven
    told = table["true"].set_index("measure")["pearson"]
    assert told["attribution"] == pytest.approx(0.94, abs=0.02) and told["activation"] == pytest.approx(0.13, abs=0.02)


def steered(made: sw.Generation, sweep: pd.DataFrame) -> None:
    """At 0.5 English, about the Lord; at 2 and beyond no more; below zero it repeats itself."""
    assert "Lord" in made.edited[0].text and "Lord" not in made.baseline[0].text
    by = sweep.set_index("strength")
    plain = by.loc[by.index.isna(), "perplexity"].iloc[0]
    assert (by.loc[[-4.0, -2.0], "repetition"] > 0.5).all() and by.loc[0.5, "repetition"] < 0.1
    assert by.loc[0.5, "perplexity"] < 2 * plain and (by.loc[[2.0, 4.0], "perplexity"] > 5 * plain).all()


@pytest.mark.usefixtures("cache")
def test_anthropic_s_interface(
    demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = run_cells(INTERFACE, demo_engine, tmp_path, monkeypatch)
    check_printed(capsys)
    check_views(ran, {"browser", "dashboard", "map", "texts", "steering", "attribution", "finding-view"})
    names = ran.names
    feature = names["feature"]
    assert names["index"].features["top_token"][feature].strip() == "Egypt"
    intervals = ran.shown["intervals"]
    assert (
        len(intervals) == 10 and intervals["low"].min() == 0 and intervals["share"].sum() == pytest.approx(1, abs=0.01)
    )
    # An activation shows its effect on the tokens after it, and nothing is changed before the feature fires.
    effects = ran.shown["ablation"]
    fires = effects.index[(effects[f"demo_{feature}_clean"] > 0) & ~effects["special"]]
    assert (effects.loc[1 : fires[0], "delta"] == 0).all() and effects.loc[fires[0] + 1 :, "delta"].abs().max() > 0.3
    told = ran.shown["attribution-values"].set_index("measure")["pearson"]
    assert told["attribution"] == pytest.approx(0.94, abs=0.02) and told["activation"] == pytest.approx(0.13, abs=0.02)
    assert feature in ran.shown["finding"].index
