"""The command line: what it writes, what it says, and that asking for help is quick."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import numpy as np
import pytest
import tiny
from notebook_cells import run_cells

import saewidgets as sw
from saewidgets import cli
from saewidgets.demo import lab
from saewidgets.interventions.effects.answers import AnswerEffects
from saewidgets.interventions.effects.result import EditEffects

if TYPE_CHECKING:
    from saewidgets.engine.engine import Engine

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"]
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.ipynb"
STEERING = QUICKSTART.with_name("steering.ipynb")
FIND = QUICKSTART.with_name("find.ipynb")
WHY = QUICKSTART.with_name("why.ipynb")
SHAPES = QUICKSTART.with_name("shapes.ipynb")


@pytest.fixture
def with_demo(demo_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's engine instead of loading another, and kept open."""
    as_demo(demo_engine, monkeypatch)


def as_demo(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Kept:
        def __init__(self, **_: object) -> None:
            pass

        def __enter__(self) -> Engine:
            return engine

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(sw, "load_demo", Kept)


@pytest.mark.usefixtures("with_demo")
def test_a_page_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert cli.main(["demo", "--html", str(out), "--text", "See you on Monday", "--features", "2717,3626"]) == 0
    page = out.read_text(encoding="utf-8")
    assert " Monday" in page and "2717" in page and "3626" in page
    told = capsys.readouterr()
    assert told.out == f"{out} ({out.stat().st_size / 1000:,.0f} kB)\n" and not told.err


@pytest.mark.usefixtures("with_demo")
def test_a_wrong_feature_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--html", str(tmp_path / "page.html"), "--features", "6144"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("saewidgets: ") and "6144" in error and error.count("\n") == 1
    assert not (tmp_path / "page.html").exists()


def test_a_missing_folder_is_found_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sw, "load_demo", lambda: pytest.fail("the model was loaded"))
    assert cli.main(["demo", "--html", str(tmp_path / "no" / "page.html")]) == 1
    assert "make it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required"),
        (["demo", "--text", "x"], "add --html"),
        (["demo", "--features", "1"], "add --html"),
        (["demo", "--html", "x", "--features", "a"], "no list of numbers"),
        (["index"], "required: OUT\n"),
        (["index", "out", "--features", "1"], "add --html"),
        (["index", "out", "--model", "gpt2"], "--model is of an SAE of yours"),
        (["snapshot", "x.html", "--text", "x", "--model", "gpt2"], "it is the demo's"),
        (["snapshot", "x.html", "--text", "x", "--sae-id", "blocks.7"], "add --release"),
        (["snapshot", "x.html", "--text", "x", "--sae-path", "a", "--release", "b"], "one of the two"),
        (["snapshot", "x.html", "--text", "x", "--top", "3"], "--top and --by choose features of an index"),
        (["snapshot", "x.html", "--text", "x", "--by", "max"], "--top and --by choose features of an index"),
        (["snapshot", "index", "x.html", "--features", "1", "--by", "max"], "--features have their own"),
        (["snapshot", "index", "x.html", "--sae-path", "a"], "--sae-path is of a page of a text: add --text"),
        (["snapshot", "index", "x.html", "--dtype", "bfloat16"], "--dtype is of a page of a text: add --text"),
    ],
)
def test_wrong_arguments_are_usage_errors(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sw, "load_demo", lambda **_: pytest.fail("the model was loaded"))
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    error = capsys.readouterr().err
    assert caught.value.code == 2 and "usage:" in error and told in error


def test_an_unknown_device_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["snapshot", str(tmp_path / "x.html"), "--text", "x", "--device", "abacus"]) == 1
    error = capsys.readouterr().err
    assert "no device 'abacus'" in error and error.count("\n") == 1


def test_features_of_the_page_are_looked_at_before_the_corpus_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus.txt").write_text("See you on Monday", encoding="utf-8")
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        as_demo(engine, monkeypatch)
        command = ["index", str(tmp_path / "index"), str(tmp_path / "corpus.txt"), "--html", str(tmp_path / "x.html")]
        assert cli.main([*command, "--features", str(tiny.D_SAE)]) == 1
    assert f"Feature {tiny.D_SAE} is outside" in capsys.readouterr().err
    assert not (tmp_path / "index").exists()


def test_the_notebook_is_copied_and_one_that_is_there_is_kept(tmp_path: Path) -> None:
    assert lab.copy_notebook(tmp_path).read_bytes() == QUICKSTART.read_bytes()
    (tmp_path / "quickstart.ipynb").write_text("my work")
    assert lab.copy_notebook(tmp_path).read_text() == "my work"


def test_missing_jupyterlab_names_the_extra(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    assert cli.main(["demo"]) == 1
    assert "pip install 'saewidgets[demo]'" in capsys.readouterr().err


def test_help_imports_no_torch() -> None:
    code = """
import sys
from saewidgets import cli
try:
    cli.main(["demo", "--help"])
except SystemExit:
    pass
sys.exit(str([m for m in ("torch", "sae_lens", "transformers", "pandas", "anywidget") if m in sys.modules] or ""))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "--features" in done.stdout and not done.stderr.strip(), done.stderr


def test_the_shipped_notebook_is_the_example() -> None:
    shipped = files("saewidgets.demo") / "assets" / "quickstart.ipynb"
    assert shipped.read_bytes() == QUICKSTART.read_bytes()


@pytest.mark.parametrize("path", sorted(QUICKSTART.parent.glob("*.ipynb")), ids=lambda path: path.stem)
def test_the_notebook_is_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(not cell.outputs and cell.execution_count is None for cell in code)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)


def run_notebook(path: Path, demo_engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    return run_cells(path, demo_engine, folder, monkeypatch).names


def test_the_notebook_runs(demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_notebook(QUICKSTART, demo_engine, tmp_path, monkeypatch)
    assert (tmp_path / "heatmap.html").stat().st_size > 10_000


def test_the_steering_notebook_steers(demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_notebook(STEERING, demo_engine, tmp_path, monkeypatch)
    assert (tmp_path / "steering.html").stat().st_size > 10_000
    made = names["made"]
    assert isinstance(made, sw.Generation)
    # What it promises: the edited text is about the feature, and the unedited one is not.
    assert "Egypt" in made.edited[0].text
    assert "Egypt" not in made.baseline[0].text
    assert made.edited[0].text in str(names["text"]), "the user's own generate writes the same"
    # Tables that show something: the feature fires on the text, taking it out changes what follows, and nothing is -0.0.
    effects, answers = names["effects"], names["answers"]
    assert isinstance(effects, EditEffects) and isinstance(answers, AnswerEffects)
    tables = effects.to_pandas(), answers.to_pandas()
    assert (tables[0]["demo_4720_clean"][1:] > 20).sum() >= 2 and (tables[0]["delta"].abs() > 0.3).sum() >= 2
    rows = tables[1].set_index("model")["logprob"]
    assert rows["all of the recipe, error kept"] < rows["the model as it is"] - 0.2
    for table in tables:
        numbers = table.select_dtypes("number").to_numpy(float)
        assert not (np.signbit(numbers) & (numbers == 0)).any()


def test_the_finding_notebook_finds(demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = run_notebook(FIND, demo_engine, tmp_path, monkeypatch)
    found, dashboard, index = names["found"], names["dashboard"], names["index"]
    assert isinstance(dashboard, sw.FeatureDashboard) and isinstance(index, sw.FeatureIndex)
    assert dashboard.feature == found.index[0]  # type: ignore[attr-defined]
    # What was found fires on words for days, by the index's own table.
    tokens = [token.token.strip().lower() for token in index.feature(dashboard.feature).tokens[:5]]
    assert {"day", "days", "week"} & set(tokens)
    assert 2717 in index.search("weekdays such as Monday and Tuesday", by="meaning", k=10).index
    assert index.search("mondya").index[0] == 2717
    browser, bench = names["browser"], names["bench"]
    assert isinstance(browser, sw.FeatureBrowser) and isinstance(bench, sw.Workbench)
    kept = index.features["density"] <= 0.1
    assert browser.features.tolist() == [f for f in index.search(browser.query, by="meaning", k=500).index if kept[f]]
    assert bench.feature == bench.heatmap.feature == bench.steering.feature
    assert bench.feature == found.index[0]  # type: ignore[attr-defined]
    browser.close()
    bench.close()
    dashboard.close()


def test_an_index_of_files_is_made_and_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a tiny model for the demo's, which takes half a minute for the weights of all features, twice."""
    corpus = tmp_path / "corpus.jsonl"
    texts = [f"See you on {day}" for day in DAYS]
    corpus.write_text(
        "".join(f'{{"text": "{text}", "day": "{day}"}}\n' for text, day in zip(texts, DAYS, strict=True)),
        encoding="utf-8",
    )
    page = tmp_path / "page.html"
    command = ["index", str(tmp_path / "index"), str(corpus), "--tokens"]
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        as_demo(engine, monkeypatch)
        read = engine.activations(texts)
        feature = next(iter(read.top(1)))
        assert cli.main([*command, "10"]) == 0
        assert cli.main([*command, "1000", "--html", str(page), "--features", str(feature)]) == 0
    told = capsys.readouterr().out
    assert f"{tiny.D_SAE} features" in told and f"{page} (" in told
    index = sw.FeatureIndex.open(tmp_path / "index")
    assert set(index.documents["day"]) == set(DAYS)
    assert index.feature(feature).count == int((read[:, feature][read.counted] != 0).sum()) > 0
    assert f"Feature {feature}" in page.read_text(encoding="utf-8")


def test_a_bounded_index_is_made_and_a_cluster_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "corpus.txt").write_text("See you on Monday", encoding="utf-8")
    command = ["index", str(tmp_path / "index"), str(tmp_path / "corpus.txt"), "--bounded"]
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        as_demo(engine, monkeypatch)
        assert cli.main([*command, "--shards", str(tmp_path / "shards")]) == 0
        assert sw.FeatureIndex.open(tmp_path / "index").kept is not None
        asked: dict[str, object] = {}
        monkeypatch.setattr(sw, "build_index", lambda *_, **given: asked.update(given))
        given = ["--cluster", "head:6379", "--actors", "3", "--gpus-per-actor", "0.5", "--shards", "s3://bucket/a"]
        assert cli.main([*command, *given]) == 0
    assert (asked["cluster"], asked["actors"], asked["gpus_per_actor"]) == ("head:6379", 3, 0.5)
    assert asked["shards"] == "s3://bucket/a" and asked["keep_activations"] is False
    # An actor makes the engine by the same words; here that is the stand-in of the demo.
    assert callable(asked["make_engine"]) and asked["make_engine"]().__enter__() is engine
    for wrong in (["--cluster", "auto"], ["--bounded", "--actors", "2"], ["--shards", "x"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(["index", "out", *wrong])
        assert caught.value.code == 2 and "add " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["missing.parquet"], "There is no file missing.parquet"),
        (["--release", "gpt2-small-res-jb"], "--sae-id"),
        (["--sae-path", "nowhere"], "There is no SAE at nowhere"),
        (["--html", "no/page.html"], "make it first"),
        (["--html", "."], "is a folder: name a file in it"),
    ],
)
def test_a_wrong_index_command_is_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sw, "load_demo", lambda **_: pytest.fail("the model was loaded"))
    assert cli.main(["index", "out", *arguments]) == 1
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_notebook_of_reasons_gives_them(
    demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run_notebook(WHY, demo_engine, tmp_path, monkeypatch)
    comparison, found, checked, panel = (names[name] for name in ("comparison", "found", "checked", "panel"))
    assert isinstance(comparison, sw.PromptComparison) and isinstance(found, sw.Attribution)
    assert isinstance(checked, sw.TrueEffects) and isinstance(panel, sw.AttributionPanel)
    # The two prompts differ in a word, and so do features at their last, common token.
    assert (comparison.comparison.differences(k=5)["difference"].abs() > 0.5).all()
    # What matters most fires on "heavens", and is truly lost: attribution tells it, activation does not.
    assert found.by_feature()["top_token"][0] == " heavens"
    told = checked.correlations().set_index(["measure", "among"])["pearson"]
    assert told["attribution", "all"] > 0.8 > told["activation", "all"]
    assert list(panel.attribution.features) == list(found.features)


def test_the_shapes_notebook_finds_numbers_and_no_days(
    demo_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As its text says: few tokens are read here, on which groups are the same and their scores rough."""
    monkeypatch.setenv("SAEWIDGETS_CACHE", str(tmp_path))  # where the map is kept
    fewer = {
        "sw.candidate_groups(index": "sw.candidate_groups(index, read=2_000",
        "sw.FeatureSubspace(index, numbers.features": "sw.FeatureSubspace(index, numbers.features, read=2_000",
        "sw.cooccurrence(index, numbers.features": "sw.cooccurrence(index, numbers.features, read=2_000",
    }
    names = run_cells(SHAPES, demo_engine, tmp_path, monkeypatch, fewer).names
    groups, view, layout, pair = (names[name] for name in ("groups", "view", "layout", "pair"))
    assert isinstance(groups, sw.CandidateGroups) and isinstance(view, sw.FeatureSubspace)
    assert isinstance(layout, sw.FeatureLayout) and isinstance(pair, sw.FeatureComparison)
    days = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}
    assert all(len(days & {token.strip() for token in group.tokens}) < 3 for group in groups.groups)
    points = view.result.to_pandas()
    digits = points[points["token"].str.strip().isin(["1", "2", "3"])]
    assert len(digits) > len(points) / 10
