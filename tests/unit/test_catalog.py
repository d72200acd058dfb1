"""SAEBrowser without a browser: its traits, its table, its code, its page, and what bad input is told."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import catalog_made
import pytest
import tiny
import traitlets
from catalog_made import ABSENT, HERE, RELEASE
from front_end import ask, good, recorded, recording

import saewidgets as sw
from saewidgets import errors
from saewidgets.widgets.catalog import widget as module
from saewidgets.widgets.catalog.fields import FIELDS, LATER

JB = {"release": "gpt2-small-res-jb", "sae_id": "blocks.7.hook_resid_pre"}
TINY = {"release": RELEASE, "sae_id": HERE}


@pytest.fixture(autouse=True)
def front_end() -> Iterator[None]:
    with recording():
        yield


def fields(browser: sw.SAEBrowser, **sae: Any) -> dict[str, str | None]:
    return {field["name"]: field["value"] for field in good(browser, "details", **sae)["fields"]}


@pytest.mark.slow
def test_selected_is_what_is_known() -> None:
    browser = sw.SAEBrowser()
    assert browser.selected is None
    browser.selected = JB
    assert browser.selected == {
        **JB,
        "model": "gpt2-small",
        "hook_name": "blocks.7.hook_resid_pre",
        "layer": 7,
        "width": None,
        "l0": 54.0,
        "variance_explained": 0.9,
        "architecture": None,
        "neuronpedia_id": "gpt2-small/7-res-jb",
        "repo_id": "jbloom/GPT2-Small-SAEs-Reformatted",
    }
    # What a view sends is the row that it was given, so that nothing comes back to it.
    row = good(browser, "rows", chosen={"query": "gpt2-small-res-jb blocks.7"}, first=0, count=200)["rows"][0]
    sent = len(browser.comm.sent)  # type: ignore[union-attr, attr-defined]
    browser.comm.view_sets(selected=row)  # type: ignore[union-attr, attr-defined]
    assert browser.selected == row
    browser.comm.view_sets(selected=None)  # type: ignore[union-attr, attr-defined]
    browser.comm.view_sets(selected=row)  # type: ignore[union-attr, attr-defined]
    told = [data for data, _ in browser.comm.sent[sent:] if "selected" in data.get("state", {})]  # type: ignore[union-attr, attr-defined]
    assert all(data["method"] == "echo_update" for data in told)
    assert "gpt2-small-res-jb" in repr(browser)


@pytest.mark.slow
def test_the_table_as_a_data_frame() -> None:
    browser = sw.SAEBrowser(
        query="gpt2-small-res-jb hook_resid", sort="layer", descending=True, filters={"layer": [3, 6]}
    )
    table = browser.to_pandas()
    assert list(table.columns) == ["release", "sae_id", *FIELDS]
    ids = table[table["release"] == "gpt2-small-res-jb"]["sae_id"]
    assert list(ids) == [f"blocks.{layer}.hook_resid_pre" for layer in (6, 5, 4, 3)]
    assert str(table["layer"].dtype) == "Int64" and table["l0"].dtype == float
    assert len(sw.SAEBrowser(query="no such thing").to_pandas()) == 0
    browser = sw.SAEBrowser(of_model="Qwen/Qwen3-8B-Base", architecture="topk")
    assert len(browser.to_pandas()) == 72 and set(browser.to_pandas()["model"]) == {"Qwen/Qwen3-8B-Base"}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"selected": {"release": "gpt2-small-res-jbb", "sae_id": "x"}}, "Nearest: 'gpt2-small-res-jb'"),
        ({"selected": {"release": "gpt2-small-res-jb"}}, "release and sae_id"),
        ({"selected": "gpt2-small-res-jb"}, "selected"),
        ({"of_model": "gpt2-smal"}, "Nearest: 'gpt2-small'"),
        ({"architecture": "gate"}, "No SAE has the architecture 'gate'"),
        ({"sort": "size"}, "sort is one of"),
        ({"filters": {"loss": [0, 1]}}, "no column 'loss'.*layer, width, l0, variance_explained"),
        ({"filters": {"layer": 3}}, r"\[low, high\]"),
        ({"filters": {"layer": [1, 2, 3]}}, r"\[low, high\]"),
        ({"filters": {"layer": [math.nan, None]}}, r"\[low, high\]"),
        ({"filters": {"layer": [True, None]}}, r"\[low, high\]"),
        ({"filters": {"layer": ["1", None]}}, r"\[low, high\]"),
        ({"query": 3}, "query"),
    ],
)
def test_bad_settings_are_told(bad: dict[str, Any], told: str) -> None:
    with pytest.raises(traitlets.TraitError, match=told):
        sw.SAEBrowser(**bad)
    browser = sw.SAEBrowser(selected=JB)
    with pytest.raises(traitlets.TraitError, match=told):
        setattr(browser, *next(iter(bad.items())))
    assert browser.selected["sae_id"] == JB["sae_id"]


def test_bad_arguments_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="no setting 'modle'"):
        sw.SAEBrowser(modle=None)
    with pytest.raises(TypeError):
        sw.SAEBrowser("gpt2-small")  # type: ignore[arg-type]
    browser = sw.SAEBrowser()
    with pytest.raises(ValueError, match="select an SAE first"):
        browser.load()
    with pytest.raises(ValueError, match="select an SAE first"):
        browser.load("gpt2-small-res-jb")
    with pytest.raises(ValueError, match="Select an SAE"):
        browser.code()
    with pytest.raises(LookupError, match="Nearest"):
        browser.load("gpt2-small-res-jb", "blocks.7.hook_resid")
    with pytest.raises(RuntimeError, match="Nothing is loaded"):
        _ = browser.engine
    message = ask(browser, "rows", chosen={"sort": "size"}, first=0, count=10)
    assert not message["ok"] and "no column 'size'" in message["e"]["message"]
    message = ask(browser, "details", release="gpt2-small-res-jb", sae_id="x")
    assert not message["ok"] and "no SAE 'x'" in message["e"]["message"]
    browser.close()
    with pytest.raises(RuntimeError, match="closed"):
        _ = browser.engine

    def absent() -> None:
        raise errors.DirectoryError("/somewhere/pretrained_saes.yaml", OSError("gone"))

    monkeypatch.setattr(module, "directory", absent)
    with pytest.raises(errors.DirectoryError, match=r"/somewhere/pretrained_saes\.yaml.*OSError: gone"):
        sw.SAEBrowser()


def test_every_field_has_a_sentence() -> None:
    assert all(title and says.endswith(".") and len(says) < 130 for title, says in [*FIELDS.values(), *LATER.values()])
    browser = sw.SAEBrowser()
    told = good(browser, "details", **JB)
    values = {field["name"]: field["value"] for field in told["fields"]}
    assert values == {
        "model": "gpt2-small",
        "hook_name": "blocks.7.hook_resid_pre",
        "layer": "7",
        "width": None,
        "l0": "54",
        "variance_explained": "0.9",
        "architecture": None,
        "neuronpedia_id": "neuronpedia.org/gpt2-small/7-res-jb",
        "repo_id": "jbloom/GPT2-Small-SAEs-Reformatted",
    }
    assert told["later"] and told["engine"] is None and told["misfit"] is None
    negative = fields(browser, release="gpt2-small-hook-z-kk", sae_id="blocks.7.hook_z")
    assert negative["variance_explained"] == "\u22127.55"
    assert (
        fields(browser, release="gemma-scope-2b-pt-res", sae_id="layer_5/width_1m/average_l0_114")["width"]
        == "1,048,576"
    )


def called(code: str, **names: Any) -> dict[str, Any]:
    """The names after running the code without what it imports."""
    lines = [line for line in code.splitlines() if not line.startswith(("import ", "from "))]
    space = dict(names)
    exec("\n".join(lines), space)
    return space


class Said:
    """Something called, with what it was given."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.args, self.kwargs = args, kwargs


@pytest.mark.parametrize(("device", "dtype"), [("", "float32"), ("cuda", "bfloat16")])
def test_the_code_says_what_load_does(device: str, dtype: str) -> None:
    browser = sw.SAEBrowser(selected=JB)
    told = good(browser, "details", **JB, device=device, dtype=dtype)
    assert browser.code(device=device, dtype=dtype) == told["code"]
    more = {**({"device": device} if device else {}), **({"dtype": dtype} if dtype != "float32" else {})}

    class Saewidgets:
        class Engine:
            from_pretrained = Said

    assert called(told["code"], sw=Saewidgets)["engine"].kwargs == {**JB, **more}

    class Sae(Said):
        from_pretrained: Any
        model_name, model_from_pretrained_kwargs = "gpt2-small", None
        cfg: Any
        metadata: Any

    Sae.from_pretrained = Sae
    Sae.cfg = Sae.metadata = Sae

    class Hooked:
        from_pretrained_no_processing = Said

    made = called(told["sae_lens_code"], SAE=Sae, HookedSAETransformer=Hooked)
    plain = {"device": device or "cpu", **{k: v for k, v in more.items() if k == "dtype"}}
    assert made["sae"].kwargs == {**JB, **plain}
    assert made["model"].args == ("gpt2-small",) and made["model"].kwargs == plain


@pytest.mark.slow
def test_code_for_one_s_own_model(tmp_path: Path) -> None:
    """It runs: the same engine as `load` makes."""
    model = tiny.hooked()
    with catalog_made.hub(tmp_path):
        browser = sw.SAEBrowser(model, selected=TINY)
        space: dict[str, Any] = {"model": model}
        exec(browser.code(), space)
        with space["engine"] as one, browser.load() as other:
            text = "In the beginning"
            assert one.activations(text).to_pandas().equals(other.activations(text).to_pandas())


@pytest.mark.slow
def test_which_saes_are_for_the_user_s_model() -> None:
    model = tiny.hooked()
    model.cfg.model_name = "gpt2"
    browser = sw.SAEBrowser(model, query="gpt2-small-res-jb")
    summary = good(browser, "summary")
    assert (summary["model"], summary["fitting"]) == ("gpt2", ["gpt2-small"])
    assert good(browser, "details", **JB)["misfit"] is None
    other = good(browser, "details", release="gemma-scope-2b-pt-res", sae_id="layer_5/width_1m/average_l0_114")
    assert "trained on gemma-2-2b, and your model is gpt2" in other["misfit"]
    # A model without a name: nothing is said of any.
    nameless = sw.SAEBrowser(tiny.hooked())
    assert good(nameless, "summary")["fitting"] == [] and good(nameless, "details", **JB)["misfit"] is None


@pytest.mark.slow
def test_a_page_answers_the_first_rows_and_what_is_selected(tmp_path: Path) -> None:
    browser = sw.SAEBrowser(query="gemma", selected=JB)
    html = browser.page(rows=300, cards=3)
    state, answers = recorded(html)
    assert state["query"] == "gemma" and state["selected"]["release"] == JB["release"]
    windows = [one for one in answers if one["ch"] == "rows"]
    assert [one["p"]["first"] for one in windows] == [0, 100, 200]
    first = browser.to_pandas().head(400)
    assert [row["sae_id"] for row in windows[2]["r"]["rows"]] == list(first["sae_id"])[200:400]
    told = [one["p"] for one in answers if one["ch"] == "details"]
    assert [(one["release"], one["sae_id"]) for one in told[:1]] == [(JB["release"], JB["sae_id"])]
    assert len(told) == 4 and told[1]["sae_id"] == first["sae_id"][0]
    assert not [one for one in answers if one["ch"] == "load"]
    assert "<td>gemma-2-2b-res-matryoshka-dc</td>" in browser.fallback_html()
    assert html == sw.SAEBrowser(query="gemma", selected=JB).page(rows=300, cards=3)
    browser.save(tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 1_000_000


@pytest.mark.slow
def test_an_entry_of_which_little_is_known(tmp_path: Path) -> None:
    with catalog_made.hub(tmp_path):
        browser = sw.SAEBrowser(query=RELEASE)
        table = browser.to_pandas().set_index("sae_id")
        assert table.loc["nameless"].isna().sum() == 7  # all but release, model and repository
        assert table.loc[ABSENT, "width"] == 240
        assert fields(browser, release=RELEASE, sae_id="nameless")["hook_name"] is None
