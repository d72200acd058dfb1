"""LayerLens's kernel side: every number against a slow reference, the order of dictionaries, traits, errors as data, pages."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import traitlets
from dashboard_made import ask, check_inert, good
from front_end import recorded

import saewidgets as sw
from saewidgets.errors import FeatureIndexError, ReadoutError, SaewidgetsError, TokenIdError

pytestmark = pytest.mark.usefixtures("fake_comm")

TEXT = "In the beginning God created 日本語</script> and the"
LENS = ["blocks.0.hook_resid_pre", "blocks.1.hook_resid_pre", "blocks.1.hook_resid_post"]
CORPUS = [{"text": f"In the beginning God created the heaven and the earth. {i}"} for i in range(6)]


def dictionaries() -> dict[str, Any]:
    torch.manual_seed(5)
    return {
        "end": tiny.sae("topk", "blocks.1.hook_resid_post"),
        "transcoder": tiny.sae("transcoder", "blocks.1.mlp.hook_in", hook_out="blocks.1.hook_mlp_out"),
        "probes": sw.Directions(torch.randn(7, tiny.D_MODEL), "blocks.0.hook_resid_post"),
        "start": tiny.sae("jumprelu", "blocks.0.hook_resid_pre"),
        "neurons": sw.Neurons("blocks.0.mlp.hook_post"),
        "middle": tiny.sae("standard", "blocks.1.hook_resid_mid"),
    }


# Of each, the hook of the lens that it stands with, and whether it reads something else after it.
PLACES = {
    "start": (0, False),
    "neurons": (0, True),
    "probes": (1, False),  # what block 0 gives is what block 1 is given
    "middle": (1, True),
    "transcoder": (1, True),
    "end": (2, False),
}


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), dictionaries()) as engine:
        yield engine


@pytest.fixture
def index(engine: sw.Engine, tmp_path: Path) -> sw.FeatureIndex:
    """Of a dictionary that is not the engine's first."""
    return sw.build_index(engine, CORPUS, tmp_path / "index", sae="start", progress=False, wait=True)


def lens_params(text: Any = TEXT, **changed: Any) -> dict[str, Any]:
    return {"text": text, "target": "", "k": 5, "ladder": None, **changed}


def ladder_params(text: Any = TEXT, **changed: Any) -> dict[str, Any]:
    return {"text": text, "target": "", "k": 5, "position": None, "top": 5, "chosen": None, **changed}


def streams(engine: sw.Engine, model: Any, ids: list[int], hooks: list[str]) -> dict[str, torch.Tensor]:
    """[pos, ...] values at hooks and the logits of another model like the engine's, by plain hooks of PyTorch."""
    found: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
            found[name] = output[0].detach()

        return hook

    handles = [model.get_submodule(engine.model.resolve(name)).register_forward_hook(keep(name)) for name in hooks]
    try:
        with torch.no_grad():
            found["logits"] = model(torch.tensor([ids]))[0]
    finally:
        for handle in handles:
            handle.remove()
    return found


# -- the lens


@pytest.mark.parametrize("wrapper", tiny.MODELS)
@pytest.mark.parametrize(("target", "k"), [("", 3), (" God", 5)])
def test_every_cell_is_final_norm_and_unembedding_of_the_stream(wrapper: str, target: str, k: int) -> None:
    model = tiny.MODELS[wrapper]()
    with sw.Engine(model, tiny.sae()) as engine:
        widget = sw.LayerLens(engine, TEXT, target=target)
        r, arrays = good(widget, "lens", lens_params(target=target, k=k))
        ids = engine.to_ids(TEXT)[0]
        wanted = engine.tokenizer.answer_ids(target)
        found = streams(engine, tiny.MODELS[wrapper](), ids, LENS)
        n = len(ids)
        assert [hook["name"] for hook in r["hooks"]] == LENS and r["n"] == n and r["k"] == k
        assert arrays["tok_id"].tolist() == ids and r["str"] == engine.tokenizer.display(ids).strings
        assert [hook["short"] for hook in r["hooks"]] == ["0 resid_pre", "1 resid_pre", "1 resid_post"]
        next_ids = arrays["next_id"][arrays["next"]].reshape(3, n, k)
        for h, hook in enumerate(LENS):
            with torch.no_grad():
                p = model.unembed(model.ln_final(found[hook][None]))[0].double().softmax(-1).numpy()
            for at in range(n):
                order = np.argsort(-p[at], kind="stable")[:k]
                np.testing.assert_allclose(arrays["p"].reshape(3, n, k)[h, at], p[at, order], rtol=1e-4, atol=1e-7)
                np.testing.assert_allclose(p[at, next_ids[h, at]], p[at, order], rtol=1e-4, atol=1e-7)
                entropy = -sum(x * np.log(x) for x in p[at] if x > 0)
                assert arrays["entropy"].reshape(3, n)[h, at] == pytest.approx(entropy, rel=1e-3)
                if target:
                    assert arrays["target_p"].reshape(3, n)[h, at] == pytest.approx(p[at, wanted[0]], rel=1e-3)
                    assert arrays["target_rank"].reshape(3, n)[h, at] == (p[at] > p[at, wanted[0]] * (1 + 1e-6)).sum()
        strings = [r["next_str"][i] for i in arrays["next"]]
        assert strings == [engine.tokenizer.display([int(i)]).strings[0] for i in next_ids.ravel()]
        assert r["target"] == ({"str": target, "id": wanted[0]} if target else None) and r["target_error"] == ""
        assert len(arrays["target_p"]) == (3 * n if target else 0)
        # The last hook is what the model says itself.
        assert r["own"]
        own = found["logits"].double().softmax(-1).max(-1).values
        np.testing.assert_allclose(arrays["p"].reshape(3, n, k)[-1, :, 0], own, rtol=1e-4)
        assert (widget.lens.top.shape, widget.lens.hooks) == ((3, n, 5), tuple(LENS))


def test_where_the_last_hook_is_not_the_model_s_own_prediction_it_is_not_said(engine: sw.Engine) -> None:
    widget = sw.LayerLens(engine, TEXT)
    assert good(widget, "lens", lens_params())[0]["own"]
    handle = engine.model.raw.unembed.register_forward_hook(lambda m, i, out: out * 3)
    try:
        widget.refresh()
        assert not good(widget, "lens", lens_params())[0]["own"]
        assert "own prediction" not in widget.fallback_html()
    finally:
        handle.remove()
    widget.refresh()
    assert "own prediction" in widget.fallback_html()


# -- dictionaries


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_dictionaries_stand_where_a_forward_comes_to_them(wrapper: str) -> None:
    names = list(dictionaries())
    random.Random(1).shuffle(names)
    made = dictionaries()
    with sw.Engine(tiny.MODELS[wrapper](), {name: made[name] for name in names}) as engine:
        saes = good(sw.LayerLens(engine, TEXT), "lens", lens_params())[0]["saes"]
    assert {one["name"]: (one["row"], one["between"]) for one in saes} == PLACES
    shown = [one["name"] for one in saes]
    assert [name for name in shown if name != "transcoder"] == [name for name in PLACES if name != "transcoder"]
    assert shown.index("probes") < shown.index("transcoder") < shown.index("end")


def test_what_is_read_before_the_first_hook() -> None:
    made = {"late": tiny.sae("topk", "blocks.1.hook_attn_out"), "first": tiny.sae("topk", "hook_embed")}
    with sw.Engine(tiny.hooked(), made) as engine:
        widget = sw.LayerLens(engine, TEXT)
        saes = good(widget, "lens", lens_params())[0]["saes"]
        assert [(one["name"], one["row"], one["between"]) for one in saes] == [("first", -1, True), ("late", 1, True)]
        assert "embed" in widget.fallback_html()


def by_hand(engine: sw.Engine, text: str) -> dict[str, np.ndarray]:
    """[pos, features] of each dictionary: its own encode of the values at its hook."""
    ids = engine.to_ids(text)[0]
    made = dictionaries()
    found = streams(engine, tiny.hooked(), ids, sorted({one.hook_name for one in engine.dictionaries.values()}))
    dense = {}
    for name, one in engine.dictionaries.items():
        x = found[one.hook_name]
        with torch.no_grad():
            if name == "neurons":
                dense[name] = x.numpy()
            elif name == "probes":
                dense[name] = (x @ made[name].vectors.T).numpy()
            else:
                dense[name] = made[name].encode(x).numpy()
    return dense


@pytest.mark.parametrize("top", [0, 3])
def test_features_at_every_position_by_their_own_encode(engine: sw.Engine, top: int) -> None:
    widget = sw.LayerLens(engine, TEXT)
    dense = by_hand(engine, TEXT)
    lens, lens_arrays = good(widget, "lens", lens_params())
    names = [one["name"] for one in lens["saes"]]
    flags = lens_arrays["sae_flags"].reshape(len(names), lens["n"])
    counted = {name: (flags[i] & 3) == 0 for i, name in enumerate(names)}
    assert not counted["start"][0] and counted["start"][1:].any()
    for at in range(lens["n"]):
        r, arrays = good(widget, "ladder", ladder_params(position=at, top=top, chosen={"sae": "neurons", "f": 9}))
        assert (r["key"], r["position"]) == (lens["key"], at)
        listed = [(names[row["sae"]], row["f"]) for row in r["rows"][: r["listed"]]]
        for i, name in enumerate(names):
            values = dense[name][at]
            active = np.flatnonzero(values)
            assert r["active"][i] == len(active)
            wanted = sorted(active, key=lambda f: (-abs(values[f]), f))[:top]
            mine = [f for sae, f in listed if sae == name]
            np.testing.assert_allclose(np.abs(values[mine]), np.abs(values[wanted]), rtol=1e-4, atol=1e-6)
        assert [names.index(sae) for sae, _ in listed] == sorted(names.index(sae) for sae, _ in listed)
        assert ("neurons", 9) in [(names[row["sae"]], row["f"]) for row in r["rows"]]
        for k, row in enumerate(r["rows"]):
            column = dense[names[row["sae"]]][:, row["f"]]
            part = slice(*arrays["col_ptr"][k : k + 2])
            shown = np.zeros(lens["n"])
            shown[arrays["col_tok"][part]] = arrays["col_act"][part]
            np.testing.assert_allclose(shown, column, rtol=1e-4, atol=1e-5)
            assert row["a"] == pytest.approx(column[at], rel=1e-4, abs=1e-5)
            scale = np.abs(column[counted[names[row["sae"]]]]).max()
            assert row["scale"] == pytest.approx(scale, rel=1e-4, abs=1e-5)
        strings = [widget.lens.top_tokens[h][at][j] for h in range(3) for j in range(5)]
        ids = widget.lens.top_ids[:, at].ravel().tolist()
        typed = [engine.tokenizer.answer_ids(text) == [i] for text, i in zip(strings, ids, strict=True)]
        assert arrays["typed"].astype(bool).tolist() == typed


def test_lens_and_ladder_come_in_one_answer(engine: sw.Engine) -> None:
    widget = sw.LayerLens(engine, TEXT)
    lens, arrays = good(widget, "lens", lens_params(ladder=ladder_params(text="", position=3, top=2)))
    ladder, more = good(widget, "ladder", ladder_params(position=3, top=2))
    assert lens["ladder"] == ladder
    for name, array in more.items():
        assert np.array_equal(arrays[name], array), name
    last = good(widget, "ladder", ladder_params(position=999))[0]
    assert last["position"] == lens["n"] - 1 == good(widget, "ladder", ladder_params())[0]["position"]


def test_one_forward_serves_all_dictionaries_one_the_lens_and_one_what_the_model_says(engine: sw.Engine) -> None:
    widget = sw.LayerLens(engine, TEXT)
    good(widget, "lens", lens_params("the"))  # what is measured once
    forwards: list[int] = []
    handle = engine.model.raw.blocks[0].register_forward_hook(lambda *_: forwards.append(1))
    try:
        good(widget, "lens", lens_params(ladder=ladder_params()))
        good(widget, "ladder", ladder_params(position=2))
        assert widget.features is not None and len(forwards) == 3
        good(widget, "lens", lens_params(target=" the", ladder=ladder_params()))
        assert len(forwards) == 4, "the activations are of the text, whatever the target, and so is what the model says"
    finally:
        handle.remove()


def test_the_table_is_what_is_listed(engine: sw.Engine) -> None:
    engine.dictionary("start").labels.set(3, "a name")
    widget = sw.LayerLens(engine, TEXT, position=4, top_features=2)
    r, _ = good(widget, "ladder", ladder_params(position=4, top=2))
    saes = good(widget, "lens", lens_params())[0]["saes"]
    table = widget.features
    assert list(table) == ["sae", "hook", "position", "token", "feature", "description", "activation"]
    assert [(saes[row["sae"]]["name"], row["f"]) for row in r["rows"]] == list(
        zip(table["sae"], table["feature"], strict=True)
    )
    np.testing.assert_allclose(table["activation"], [row["a"] for row in r["rows"]])
    assert set(table["position"]) == {4} and set(table["token"]) == {widget.lens.tokens[4]}
    named = table[(table["sae"] == "start") & (table["feature"] == 3)]
    assert set(named["description"]) <= {"a name"}
    assert list(sw.LayerLens(engine, TEXT, top_features=0).features) == list(table)


def test_an_engine_of_one_dictionary_of_neurons() -> None:
    with sw.Engine(tiny.hooked(), sw.Neurons("blocks.1.mlp.hook_post")) as engine:
        widget = sw.LayerLens(engine, [0, 5, 6])
        r, _ = good(widget, "lens", lens_params([0, 5, 6], ladder=ladder_params()))
        assert (r["n"], len(r["saes"]), r["saes"][0]["signed"]) == (3, 1, True)
        assert len(r["ladder"]["rows"]) == 5
        assert "neuron value" in {one["activation_name"] for one in r["saes"]}
        assert widget.sae == engine.default and len(widget.activations) == 1


# -- traits


def test_what_goes_with_an_old_value_goes_and_what_comes_along_stays(engine: sw.Engine) -> None:
    widget = sw.LayerLens(engine, TEXT, position=3, sae="neurons", feature=30)
    assert widget.value == {"text": TEXT, "position": 3, "target": "", "sae": "neurons", "feature": 30}
    widget.sae = "start"
    assert widget.feature is None
    widget.feature = np.int64(47)
    widget.text = "the heaven"
    assert (widget.position, widget.feature) == (None, 47)
    widget.comm.view_sets(text="the earth", position=1)
    assert widget.position == 1
    widget.comm.view_sets(sae="probes", feature=6)
    assert (widget.sae, widget.feature) == ("probes", 6)
    widget.comm.view_sets(feature=11, sae="neurons")
    assert (widget.sae, widget.feature) == ("neurons", 11)
    assert repr(widget).startswith("LayerLens(3 hooks, 6 dictionaries")


def test_bad_input(engine: sw.Engine) -> None:
    widget = sw.LayerLens(engine, TEXT, sae="probes")
    with pytest.raises(FeatureIndexError):
        widget.feature = 7
    with pytest.raises(KeyError, match="no dictionary"):
        widget.sae = "nope"
    with pytest.raises(traitlets.TraitError, match="one text"):
        widget.text = [TEXT, TEXT]
    with pytest.raises(TokenIdError):
        widget.text = [10**6]
    with pytest.raises(TypeError, match="positio"):
        sw.LayerLens(engine, TEXT, positio=3)
    for name, value in (("k", 0), ("top_features", -1), ("position", -1)):
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)
    message, _ = ask(widget, "ladder", ladder_params(chosen={"sae": "probes", "f": 7}))
    assert not message["ok"] and message["e"]["type"] == "FeatureIndexError"
    message, _ = ask(widget, "card", {"f": 1, "sae": None})
    assert not message["ok"] and "index=index" in message["e"]["message"]


def test_a_target_of_several_tokens_says_its_first_and_the_lens_goes_on(engine: sw.Engine) -> None:
    parts = engine.tokenizer.display(engine.tokenizer.answer_ids(" God created")).strings
    assert len(parts) == 2
    widget = sw.LayerLens(engine, TEXT, target=" God created")
    r, arrays = good(widget, "lens", lens_params(target=" God created"))
    assert repr(parts[0]) in r["target_error"] and r["target"] is None
    plain = good(widget, "lens", lens_params())[1]
    assert np.array_equal(arrays["p"], plain["p"]) and len(arrays["target_p"]) == 0
    with pytest.raises(SaewidgetsError, match="Its first is ' God'"):
        widget.lens  # noqa: B018
    assert "Its first is" in widget.fallback_html()
    error = good(widget, "lens", lens_params(target="God"))[0]["target_error"]
    assert "With a space before it, ' God' is one" in error


@pytest.mark.parametrize(
    ("text", "says"), [("the " * 100, "more than the context of 64"), ("", "The text has no tokens")]
)
def test_a_text_that_has_no_lens_is_an_error_in_the_view(text: str, says: str) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae(), prepend_bos=False) as engine:
        widget = sw.LayerLens(engine, text)
        message, _ = ask(widget, "lens", lens_params(text))
        assert not message["ok"] and says in message["e"]["message"]
        assert good(widget, "lens", lens_params("the earth"))[0]["n"] > 0
        assert "text/html" in widget._repr_mimebundle_()[0]


def test_a_model_that_overflows_is_an_error() -> None:
    model = tiny.hooked()
    with sw.Engine(model, tiny.sae("jumprelu", "blocks.0.hook_resid_pre")) as engine:
        widget = sw.LayerLens(engine, TEXT)
        with torch.no_grad():
            model.blocks[1].mlp.b_out[:] = torch.inf
        message, _ = ask(widget, "lens", lens_params())
    assert message["e"]["type"] == "NonFiniteError" and "blocks.1.hook_resid_post" in message["e"]["message"]


def test_a_model_without_an_unembedding(engine: sw.Engine) -> None:
    unembed = engine.model.raw.unembed
    engine.model.raw.unembed = torch.nn.Identity()
    try:
        with pytest.raises(ReadoutError, match="LayerLens needs a language model"):
            sw.LayerLens(engine, TEXT)
    finally:
        engine.model.raw.unembed = unembed


# -- which tokens count


def test_norm_outliers_are_those_of_each_dictionary_s_layer() -> None:
    model = tiny.hooked()
    # A sink from block 1 on: whatever stands at position 2 there is far too long.
    model.blocks[0].hook_mlp_out.add_hook(lambda x, hook: _longer(x), is_permanent=True)
    saes = {"early": tiny.sae("topk", "blocks.0.hook_resid_pre"), "late": tiny.sae("topk", "blocks.1.hook_resid_post")}
    with sw.Engine(model, saes) as engine:
        widget = sw.LayerLens(engine, TEXT)
        r, arrays = good(widget, "lens", lens_params(ladder=ladder_params(position=2, top=3)))
    flags = arrays["sae_flags"].reshape(2, -1)
    assert [one["name"] for one in r["saes"]] == ["early", "late"]
    assert flags[0, 2] & 2 == 0 and flags[1, 2] & 2 and arrays["flags"][2] & 2 == 0
    assert any(note.startswith("late: 1 norm outlier") for note in r["notes"])
    late = [row for row in r["ladder"]["rows"] if row["sae"] == 1]
    assert late and all(abs(row["a"]) > row["scale"] for row in late), "the outlier is in no scale"


def _longer(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    if x.shape[1] > 100 or x.shape[1] < 5:
        return x  # the reference text, and what is probed
    x[:, 2] *= 1e4
    return x


# -- weights and names that change


def test_after_a_refresh_everything_is_of_the_weights_as_they_are(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.LayerLens(engine, TEXT, index=index)
    assert (widget.sae, widget.indexed) == ("start", ["start"])
    lens, before = good(widget, "lens", lens_params(ladder=ladder_params(position=4)))
    assert good(widget, "card", {"f": 3, "sae": "start"})[0]["f"] == 3
    with torch.no_grad():
        tiny_sae = engine.dictionary("start").sae  # type: ignore[attr-defined]
        tiny_sae.W_enc.mul_(2)
        engine.model.raw.unembed.W_U.mul_(1.5)
    assert np.array_equal(good(widget, "lens", lens_params())[1]["p"], before["p"])
    widget.refresh()
    now, after = good(widget, "lens", lens_params(ladder=ladder_params(position=4)))
    assert not np.allclose(after["p"], before["p"]) and now["key"] != lens["key"]
    fresh, made = good(sw.LayerLens(engine, TEXT), "lens", lens_params(ladder=ladder_params(position=4)))
    assert [(r["sae"], r["f"], r["a"]) for r in now["ladder"]["rows"]] == [
        (r["sae"], r["f"], r["a"]) for r in fresh["ladder"]["rows"]
    ]
    assert np.array_equal(after["col_act"], made["col_act"])
    assert not np.array_equal(after["col_act"], before["col_act"])
    assert any("no longer" in note for note in now["notes"]) and widget.indexed == []
    message, _ = ask(widget, "card", {"f": 3, "sae": "start"})
    assert not message["ok"] and "no longer" in message["e"]["message"]


def test_names_are_those_of_now_and_views_are_told(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    index.add_explanations(dict.fromkeys(range(48), "an explanation"), "a set")
    widget = sw.LayerLens(engine, TEXT, index=index)
    rows = good(widget, "ladder", ladder_params(position=4))[0]["rows"]
    mine = [row for row in rows if row["said"]]
    assert mine and {row["said"]["text"] for row in mine} == {"an explanation"}
    assert len({row["sae"] for row in mine}) == 1
    engine.dictionary("neurons").labels.set(int(widget.features.query("sae == 'neurons'")["feature"].iloc[0]), "mine")
    assert {"t": "names"} in [content for content, _ in widget.comm.customs()]
    assert "mine" in [row["label"] for row in good(widget, "ladder", ladder_params())[0]["rows"]]


# -- without a kernel


def test_a_page_answers_every_position_of_a_short_text(engine: sw.Engine, index: sw.FeatureIndex) -> None:
    widget = sw.LayerLens(engine, TEXT, index=index, position=2, target=" God", feature=3)
    html = widget.page()
    check_inert(html)
    assert html == widget.page()
    state, answers = recorded(html)
    assert (state["editable"], state["live"], state["position"], state["sae"]) == (False, False, 2, "start")
    n = len(widget.lens.tokens)
    ladders = [one for one in answers if one["ch"] == "ladder"]
    assert sorted(one["p"]["position"] for one in ladders) == list(range(n))
    assert [one["p"] for one in answers if one["ch"] == "lens"] == [lens_params(target=" God")]
    for one in ladders:
        assert one["p"] == ladder_params(target=" God", position=one["p"]["position"], chosen={"sae": "start", "f": 3})
        assert one["r"] == good(widget, "ladder", one["p"])[0]
    here = widget.features.query("sae == 'start'")["feature"].tolist()
    assert {one["p"]["f"] for one in answers if one["ch"] == "card"} == {3, *here}


def test_of_a_long_text_a_page_has_the_chosen_position(engine: sw.Engine) -> None:
    ids = [0, *([5, 6, 7] * 20)]
    _, answers = recorded(sw.LayerLens(engine, ids, position=7).page())
    assert [one["p"]["position"] for one in answers if one["ch"] == "ladder"] == [7]


def test_the_picture_without_scripts(engine: sw.Engine) -> None:
    widget = sw.LayerLens(engine, TEXT, position=3, target=" God", sae="start", feature=3, k=2, top_features=1)
    html = widget.fallback_html()
    assert "<script" not in html
    rows = html.split("<tr>")[2:]
    # The last layer on top; between the hooks what is read there.
    assert [row.split("</td>")[0].removeprefix("<td>") for row in rows] == [
        "1 resid_post", "1 mlp.in", "1 resid_mid", "1 resid_pre", "0 mlp.post", "0 resid_pre",
    ]  # fmt: skip
    lens = widget.lens
    assert f"{lens.top[-1, 3, 0]:.1%}" in rows[0] and f"{lens.probability[-1, 3, 0]:.2%}" in rows[0]
    best = widget.features.set_index("sae").loc["end"]
    assert f"end: {best['feature']} {best['activation']:.4g}" in rows[0]
    assert "feature 3 of start" in html and "own prediction" in html
