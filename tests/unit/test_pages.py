"""Pages of any widget: what is shared, what they may weigh, which options they have, and what their readers choose."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from front_end import inner_of, recorded, unpacked, views_in

import saewidgets as sw
from saewidgets import cli
from saewidgets.errors import FeatureIndexError, PageSizeError, SaewidgetsError
from saewidgets.index.store.orders import ORDERS
from saewidgets.interventions.recipe.errors import RecipeError
from saewidgets.snapshot.html_text import shown
from saewidgets.snapshot.page import pack
from saewidgets.snapshot.sharing import share
from saewidgets.widgets.explore.widget import LEFT, RIGHT

pytestmark = pytest.mark.usefixtures("fake_comm")

TEXT = "In the beginning God created the heaven and the earth. "


@pytest.fixture(scope="module")
def engine() -> sw.Engine:
    return sw.Engine(tiny.hooked(), tiny.sae())


@pytest.fixture(scope="module")
def index(engine: sw.Engine, tmp_path_factory: pytest.TempPathFactory) -> sw.FeatureIndex:
    folder = tmp_path_factory.mktemp("index") / "of"
    return sw.build_index(engine, [TEXT * 5, "God created the day " * 4], folder, progress=False, wait=True)


# -- sharing


def some_json(dice: random.Random, depth: int) -> Any:
    kind = dice.random()
    if depth == 0 or kind < 0.3:
        return dice.choice([None, True, 1, 0.5, "", "$", "a longer text, of which there may be several", "x" * 40])
    if kind < 0.6:
        return [some_json(dice, depth - 1) for _ in range(dice.randint(0, 4))]
    return {
        dice.choice(["$", "$$", "", "a", "b$", "$c"]): some_json(dice, depth - 1) for _ in range(dice.randint(0, 4))
    }


def test_whatever_is_packed_comes_out_again_and_what_is_there_twice_is_there_once() -> None:
    dice = random.Random(0)
    for _ in range(100):
        value = [some_json(dice, 5) for _ in range(4)]
        assert unpacked(pack(value)) == value
    row = {"f": 3, "said": {"text": "fires on words", "by": "somebody who looked at it"}, "numbers": [0.25] * 20}
    shared, value = share([{"rows": [row, row]}, {"rows": [dict(row)]}])
    assert json.dumps([shared, value]).count("fires on words") == 1
    assert share([1, [2], [2]]) == ([], [1, [2], [2]]), "what is shorter than its reference stays"


# -- what a page may weigh, and be told


def test_a_page_that_would_be_too_large_is_refused_with_what_takes_the_room(
    index: sw.FeatureIndex, tmp_path: Path
) -> None:
    widget = sw.FeatureDashboard(index=index, features=[1, 2, 3])
    size = len(str(widget.to_html()).encode())
    path = tmp_path / "page.html"
    path.write_text("an older page")
    with pytest.raises(PageSizeError) as refused:
        widget.to_html(path, max_bytes=size - 1)
    told = str(refused.value)
    assert f"{size:,} bytes" in told and "examples" in told and "(3 answers)" in told and "program and styles" in told
    assert "FeatureDashboard.to_html" in told and "features" in told
    assert path.read_text() == "an older page" and [one.name for one in tmp_path.iterdir()] == ["page.html"]
    widget.to_html(path, max_bytes=size)
    assert len(path.read_bytes()) == size


@pytest.mark.slow
def test_options_that_a_widget_does_not_have_are_named_with_those_that_it_has(
    engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path
) -> None:
    for widget, option, told in (
        (sw.FeatureDashboard(index=index), "strengths", "It can be told features, sources"),
        (sw.FeatureDashboard(index=index), "feature", "Did you mean features"),
        (sw.LayerLens(engine, "a"), "prompts", "none of its own"),
    ):
        with pytest.raises(TypeError, match=f"{type(widget).__name__}.to_html has no option {option!r}.*{told}"):
            widget.to_html(tmp_path / "page.html", **{option: [1]})
    assert list(tmp_path.iterdir()) == []


# -- what a reader chooses


@pytest.mark.slow
def test_a_heatmap_of_several_texts(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.TokenFeatureHeatmap(engine, text="God created", index=index, features=[1], selected_tokens=[1])
    html = widget.page(prompts=["the day", "God created", "the night"], features=[7, 3])
    assert html == widget.page(prompts=["the day", "God created", "the night"], features=[7, 3])
    state, answers = recorded(html)
    assert (state["text"], state["features"], state["feature"], state["selected_tokens"]) == (
        "God created",
        [7, 3],
        3,
        [1],
    )
    texts = ["God created", "the day", "the night"]
    (choice,) = views_in(html)[""]["choices"]
    assert choice["options"] == [[text, {"text": text, "selected_tokens": []}] for text in texts]
    assert [a["p"]["text"] for a in answers if a["ch"] == "tokens"] == texts
    for text in texts:
        acts = engine.activations(text)
        whole = [a for a in answers if a["ch"] == "rank" and a["p"]["text"] == text and not a["p"]["tokens"]]
        best = next(a["r"]["rows"] for a in whole if a["p"]["sort"] == "max" and not a["p"]["include_special"])
        largest = acts.to_pandas()["activation"][
            ~np.isin(acts.to_pandas()["position"], np.flatnonzero(~acts.counted))
        ].max()
        assert best[0]["max"] == pytest.approx(largest)
    assert {a["p"]["f"] for a in answers if a["ch"] == "card"} >= {7, 3}
    with pytest.raises(FeatureIndexError):
        widget.page(features=[tiny.D_SAE])
    with pytest.raises(TypeError, match="prompts is a list of texts"):
        widget.page(prompts=[1])


@pytest.mark.slow
def test_a_panel_at_several_strengths_and_prompts(engine: sw.Engine) -> None:
    recipe = sw.add(5, 4.0)
    panel = sw.SteeringPanel(engine, prompt="God", recipe=recipe, n_tokens=3, temperature=0)
    html = panel.page(prompts=["the day"], strengths=[0, 40, 4])
    prompts, strengths = views_in(html)[""]["choices"]
    assert [says for says, _ in prompts["options"]] == ["God", "the day"]
    assert [says for says, _ in strengths["options"]] == ["0", "4", "40"] and "raw" in strengths["name"]
    _, answers = recorded(html)
    runs = [a for a in answers if a["ch"] == "generate"]
    assert len(runs) == 6
    for run in runs:
        value = run["p"]["recipe"]["interventions"][0]["value"]
        made = sw.generate(engine, run["p"]["prompt"], sw.add(5, value), n_tokens=3, temperature=0)
        assert run["r"]["edited"][0]["ids"] == made.edited[0].token_ids.tolist()
    for _, traits in [*prompts["options"], *strengths["options"]]:
        assert any(traits.items() <= run["p"].items() for run in runs)
    with pytest.raises(RecipeError, match="strengths"):
        sw.SteeringPanel(engine, prompt="God", recipe=sw.ablate(5)).page(strengths=[1])


# -- folders


def test_runs_that_took_longer_are_the_same_page(engine: sw.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> str:
        panel = sw.SteeringPanel(engine, prompt=TEXT, recipe=sw.add(3, 2), n_tokens=2, seed=1)
        panel.run()
        return str(panel.to_html())

    first = written()
    clock = iter(range(0, 1000, 7))
    monkeypatch.setattr("saewidgets.widgets.steering.widget.time.perf_counter", lambda: float(next(clock)))
    assert written() == first


def test_a_folder_has_what_a_page_has(index: sw.FeatureIndex, tmp_path: Path) -> None:
    widget = sw.FeatureDashboard(index=index)
    folder = widget.to_folder(tmp_path / "made", features=range(7), per_part=3)
    html = (folder / "index.html").read_text("utf-8")
    inner = inner_of(html)
    assert inner["parts"]["features"] == [[0, 1, 2], [3, 4, 5], [6]]
    answers = list(inner["views"][0]["recorded"])
    for number, path in enumerate(sorted((folder / "parts").iterdir())):
        call, key, given, packed = path.read_text("utf-8").rstrip(");\n").replace("(", ",", 1).split(",")
        assert (path.name, call, json.loads(key), int(given)) == (
            f"{number:04}.js",
            "saewPart",
            inner["parts"]["key"],
            number,
        )
        answers += unpacked(json.loads(packed))
    _, whole = recorded(widget.page(features=range(7)))
    by = lambda one: json.dumps([one["ch"], one["p"]], sort_keys=True)  # noqa: E731
    assert sorted(answers, key=by) == sorted(whole, key=by)
    before = {path.name: path.read_bytes() for path in folder.rglob("*.*")}
    widget.to_folder(folder, features=range(7), per_part=3)
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*")} == before
    widget.to_folder(folder, features=[1])
    assert [path.name for path in (folder / "parts").iterdir()] == ["0000.js"]


def test_a_folder_of_somebody_else_is_left_alone(index: sw.FeatureIndex, tmp_path: Path) -> None:
    widget = sw.FeatureDashboard(index=index)
    (tmp_path / "thesis.tex").write_text("dear")
    with pytest.raises(SaewidgetsError, match=r"holds thesis\.tex"):
        widget.to_folder(tmp_path, features=[1])
    (tmp_path / "thesis.tex").rename(tmp_path / "index.html")
    with pytest.raises(SaewidgetsError, match=r"another index\.html"):
        widget.to_folder(tmp_path, features=[1])
    assert [one.name for one in tmp_path.iterdir()] == ["index.html"]


# -- a workbench


@pytest.mark.slow
def test_a_workbench_is_one_page_of_its_views_linked(engine: sw.Engine, index: sw.FeatureIndex, tmp_path: Path) -> None:
    bench = sw.explore(engine, index, feature=3, text="God created")
    html = bench.page(views=["browser", "dashboard", "heatmap", "attribution"], features=[3, 4])
    assert html == bench.page(views=["browser", "dashboard", "heatmap", "attribution"], features=[3, 4])
    views = views_in(html)
    assert set(views) == {"bar", *LEFT, *RIGHT}
    assert "was not open" in views["map"]["missing"] and "'map'" in views["map"]["missing"]
    assert "could not be recorded" in views["attribution"]["missing"], "it has no target"
    assert not views["heatmap"]["missing"] and views["dashboard"]["state"]["features"] == [3, 4]
    alone = sw.FeatureDashboard(index=index, feature=3).page(features=[3, 4])
    assert views["dashboard"]["recorded"] == recorded(alone)[1]
    features = next(link for link in inner_of(html)["links"] if ["browser", "feature"] in link)
    assert ["heatmap", "feature"] in features and ["dashboard", "feature"] in features
    assert "nothing was generated" in views_in(bench.page(views=["steering"]))["steering"]["missing"]
    with pytest.raises(SaewidgetsError, match="no view 'mapp'"):
        bench.page(views=["mapp"])
    with pytest.raises(TypeError, match="has no option 'rows'"):
        bench.to_html(tmp_path / "x.html", rows=3)
    with pytest.raises(PageSizeError, match="browser: rows"):
        bench.to_html(tmp_path / "x.html", max_bytes=1000, views=["browser"])
    with pytest.raises(SaewidgetsError, match="of one view"):
        bench.to_folder(tmp_path / "x", views=["browser"])
    assert list(tmp_path.iterdir()) == []
    bench.close()


# -- from the command line


def test_a_snapshot_of_an_index_needs_no_model(
    index: sw.FeatureIndex, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sw, "load_demo", lambda: pytest.fail("the model was loaded"))
    page, of = tmp_path / "page.html", str(index.path)
    assert cli.main(["snapshot", of, str(page), "--features", "4,2"]) == 0
    assert page.read_text("utf-8") == sw.FeatureDashboard(index=index).page(features=[4, 2])
    assert capsys.readouterr().out == f"{page} ({page.stat().st_size / 1000:,.0f} kB)\n"
    assert cli.main(["snapshot", of, str(page), "--top", "3", "--by", "max", "--title", "Mine"]) == 0
    largest = index.features["max"].to_numpy().argsort(kind="stable")[::-1][:3]
    assert sorted(recorded(page.read_text("utf-8"))[0]["features"]) == sorted(largest.tolist())
    assert cli.main(["snapshot", of, str(tmp_path / "many"), "--top", "30"]) == 0
    assert len(list((tmp_path / "many" / "parts").iterdir())) == 2
    for wrong, told in (
        (["snapshot", of, str(tmp_path / "small.html"), "--max-bytes", "100"], "more than max_bytes=100"),
        (["snapshot", of, str(tmp_path / "no" / "page.html")], "make it first"),
        (["snapshot", str(tmp_path), str(tmp_path / "x.html")], "no index"),
        (["snapshot", of, str(tmp_path / "folder"), "--text", "a"], "name a file"),
    ):
        assert cli.main(wrong) == 1
        assert told in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["snapshot", str(tmp_path / "x.html")])
    assert "--text" in capsys.readouterr().err
    assert not (tmp_path / "small.html").exists() and not (tmp_path / "x.html").exists()
    assert cli.ORDERS == ORDERS


# -- what cannot be: said before anything is computed, with the remedy


@pytest.mark.parametrize(
    ("place", "error", "told"),
    [
        ("no/page.html", FileNotFoundError, "There is no folder .*no: make it first"),
        ("", IsADirectoryError, "is a folder: name a file in it, such as .*page.html"),
        (".", IsADirectoryError, "is a folder: name a file in it"),
    ],
)
def test_a_place_that_no_page_can_have_is_found_before_it_is_made(
    place: str,
    error: type[Exception],
    told: str,
    index: sw.FeatureIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    widget = sw.FeatureDashboard(index=index)
    monkeypatch.setattr(widget, "shot", lambda **_: pytest.fail("it was computed"))
    with pytest.raises(error, match=told):
        widget.to_html(place)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_no_largest_size(index: sw.FeatureIndex, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="max_bytes is of to_html"):
        sw.FeatureDashboard(index=index).to_folder(tmp_path / "made", max_bytes=10)


def test_less_than_the_program_alone_says_what_that_takes(index: sw.FeatureIndex, engine: sw.Engine) -> None:
    for widget in (sw.FeatureDashboard(index=index), sw.LayerLens(engine, "a")):
        with pytest.raises(PageSizeError) as refused:
            widget.page(max_bytes=1000)
        least = int(re.findall(r"program and styles ([\d,]+)", str(refused.value))[0].replace(",", ""))
        assert str(refused.value).endswith(f"The program and its styles alone have {least:,} bytes: allow more.")


@pytest.mark.parametrize("many", [-1, 1.5, "3", None, True])
def test_how_many_is_a_number_from_0_on(many: Any, index: sw.FeatureIndex) -> None:
    for widget, option in ((sw.FeatureBrowser(index), "cards"), (sw.SAEBrowser(query="gpt2-small"), "rows")):
        with pytest.raises((TypeError, ValueError), match=f"{option}={many!r}.*how many, from 0 on"):
            widget.page(**{option: many})


def test_how_many_of_the_strongest_is_any_integer(engine: sw.Engine) -> None:
    panel = sw.AttributionPanel(engine, prompt="God created", target=" the")
    assert panel.page(features=np.int64(2)) == panel.page(features=2)
    with pytest.raises(ValueError, match="features=-1"):
        panel.page(features=-1)


@pytest.mark.parametrize("given", ["12", ["1"], [None], [float("nan")], [float("inf")], [True], None])
def test_strengths_are_finite_numbers(given: Any, engine: sw.Engine, index: sw.FeatureIndex) -> None:
    panel = sw.SteeringPanel(engine, prompt="God", recipe=sw.add(5, 4.0), n_tokens=1)
    with pytest.raises((TypeError, ValueError), match="strengths"):
        panel.page(strengths=given)
    bench = sw.explore(engine, index)
    bench.steering.recipe = sw.add(5, 4.0)
    with pytest.raises((TypeError, ValueError), match="strengths"):
        bench.page(views=["steering"], strengths=given)
    bench.close()


def test_strengths_of_an_array_and_one_view_alone_are_as_good_as_lists(
    engine: sw.Engine, index: sw.FeatureIndex
) -> None:
    panel = sw.SteeringPanel(engine, prompt="God", recipe=sw.add(5, 4.0), n_tokens=1, temperature=0)
    wanted = panel.page(views=["effect"], strengths=[0, 1])
    assert panel.page(views="effect", strengths=np.array([0, 1])) == wanted
    assert panel.page(strengths=2) == panel.page(strengths=[2])
    bench = sw.explore(engine, index)
    bench.steering.recipe = sw.add(5, 4.0)
    made = views_in(bench.page(views="steering", strengths=np.array([0.0, 1.0])))
    assert [says for says, _ in made["steering"]["choices"][0]["options"]] == ["0", "1", "4"]
    bench.steering.recipe = sw.ablate(5)
    with pytest.raises(RecipeError, match="strengths"):
        bench.page(views=["steering"], strengths=[1])
    bench.close()


def test_the_picture_of_a_panel_is_of_its_own_recipe_and_a_page_is_no_run_of_the_panel(engine: sw.Engine) -> None:
    def of(strength: float) -> sw.Generation:
        return sw.generate(engine, "God", sw.add(5, strength), n_tokens=3, temperature=0)

    def picture(html: str) -> str:
        return html.split('<div id="saew-static">')[1].split("</main>")[0]

    panel = sw.SteeringPanel(engine, prompt="God", recipe=sw.add(5, 4.0), n_tokens=3, temperature=0)
    first = panel.page(strengths=[40])
    assert panel.result is None and panel.page(strengths=[40]) == first
    assert shown(of(4).edited[0].text) in picture(first) and "Nothing was generated" not in picture(first)
    made = panel.run()
    panel.recipe = sw.add(5, 40.0)
    later = picture(panel.page(strengths=[4]))
    assert panel.result is made
    assert shown(of(40).edited[0].text) in later and "add feature 5: 40" in later
    assert of(40).edited[0].text != of(4).edited[0].text


def test_an_empty_text_can_be_chosen_by_a_name(engine: sw.Engine) -> None:
    panel = sw.SteeringPanel(engine, prompt="God", n_tokens=1)
    for widget in (sw.TokenFeatureHeatmap(engine, text="God"), panel):
        (choice,) = views_in(widget.page(prompts=[""]))[""]["choices"]
        assert [says for says, _ in choice["options"]] == ["God", "(empty)"]
