"""sae-lens' directory as the catalog reads it: all of it, without torch, and what the names in it say."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from sae_lens.loading import pretrained_sae_loaders as loaders
from sae_lens.loading.pretrained_saes_directory import PretrainedSAELookup, get_pretrained_saes_directory
from sae_lens.util import extract_layer_from_tlens_hook_name

from saewidgets.errors import DirectoryError
from saewidgets.widgets.catalog.directory import Entry, directory, read
from saewidgets.widgets.catalog.facts import Facts, facts

# Of each kind of name one: release, id -> hook, layer, width, L0, architecture.
SAID: list[tuple[str, str, Facts]] = [
    ("gpt2-small-res-jb", "blocks.7.hook_resid_pre", Facts("blocks.7.hook_resid_pre", 7, None, 54.0, None)),
    (
        "gpt2-small-res-jb-feature-splitting",
        "blocks.8.hook_resid_pre_768",
        Facts("blocks.8.hook_resid_pre", 8, 768, 36.0, None),
    ),
    (
        "gemma-scope-2b-pt-res",
        "layer_20/width_16k/average_l0_71",
        Facts("blocks.20.hook_resid_post", 20, 16384, 71.0, "jumprelu"),
    ),
    # Its id does not say the L0, but the path that it stands for does.
    (
        "gemma-scope-2b-pt-res-canonical",
        "layer_20/width_65k/canonical",
        Facts("blocks.20.hook_resid_post", 20, 65536, 114.0, "jumprelu"),
    ),
    ("gemma-scope-2b-pt-res", "embedding/width_4k/average_l0_6", Facts("hook_embed", None, 4096, 6.0, "jumprelu")),
    (
        "gemma-scope-2b-pt-transcoders",
        "layer_0/width_16k/average_l0_76",
        Facts("blocks.0.ln2.hook_normalized", 0, 16384, 76.0, "jumprelu_transcoder"),
    ),
    (
        "gemma-scope-2-4b-pt-att",
        "layer_17_width_16k_l0_big",
        Facts("blocks.17.attn.hook_z", 17, 16384, 150.0, "jumprelu"),
    ),
    (
        "gemma-scope-2-4b-pt-transcoders-all",
        "layer_10_width_262k_l0_small_affine",
        Facts("blocks.10.hook_mlp_in", 10, 262144, 18.0, "jumprelu_skip_transcoder"),
    ),
    (
        "gemma-scope-2-4b-pt-res",
        "layer_17_width_1m_l0_big",
        Facts("blocks.17.hook_resid_post", 17, 2**20, 150.0, "jumprelu"),
    ),
    (
        "sae_bench_gemma-2-2b_topk_width-2pow14_date-1109",
        "blocks.12.hook_resid_post__trainer_0",
        Facts("blocks.12.hook_resid_post", 12, 2**14, None, None),
    ),
    (
        "sae_bench_pythia70m_sweep_standard_ctx128_0712",
        "blocks.3.hook_resid_post__trainer_10",
        Facts("blocks.3.hook_resid_post", 3, 16384, None, None),
    ),
    ("gpt2-small-attn-out-v5-128k", "blocks.0.hook_attn_out", Facts("blocks.0.hook_attn_out", 0, 131072, None, None)),
    ("gpt2-small-mlp-tm", "blocks.0.hook_mlp_out", Facts("blocks.0.hook_mlp_out", 0, 24576, 15.0, None)),
    ("gpt2-small-hook-z-kk", "blocks.0.hook_z", Facts("blocks.0.attn.hook_z", 0, 24576, 3.0, "standard")),
    # The letter in "l0r" is not plain enough for a hook: its loader reads it from a file.
    ("llama_scope_lxr_32x", "l0r_32x", Facts(None, 0, 131072, 50.0, "jumprelu")),
    ("llama_scope_r1_distill", "l3r_800m_slimpajama", Facts(None, 3, 32768, None, "jumprelu")),
    ("mwhanna-qwen3-4b-transcoders", "layer_0", Facts("blocks.0.mlp.hook_in", 0, None, None, "transcoder")),
    ("mntss-gemma-2-2b-2.5m-clt-as-per-layer", "layer_0", Facts(None, 0, None, None, "transcoder")),
    ("qwen-scope-3.5-27b-w80k-l100", "layer5", Facts("blocks.5.hook_resid_post", 5, 81920, 100.0, "topk")),
    (
        "llama-3.1-8b-instruct-andyrdt",
        "resid_post_layer_3_trainer_1",
        Facts("blocks.3.hook_resid_post", 3, None, None, None),
    ),
    ("goodfire-llama-3.3-70b-instruct", "layer_50", Facts("blocks.50.hook_resid_post", 50, 65536, 121.0, "standard")),
    ("gemma-2b-res-jb", "blocks.6.hook_resid_post", Facts("blocks.6.hook_resid_post", 6, 16384, 56.0, None)),
    (
        "gemma-2-9b-res-matryoshka-dc",
        "blocks.0.hook_resid_post",
        Facts("blocks.0.hook_resid_post", 0, 32768, 60.0, None),
    ),
    (
        "temporal-sae-gemma-2-2b",
        "blocks.12.hook_resid_post",
        Facts("blocks.12.hook_resid_post", 12, None, 192.0, "temporal"),
    ),
]


@pytest.fixture(scope="module")
def entries() -> dict[tuple[str, str], Entry]:
    return {(entry.release, entry.sae_id): entry for entry in directory().entries}


def entry(**changed: Any) -> Entry:
    plain = {"release": "r", "sae_id": "s", "model": "m", "repo_id": "o/r", "path": "p", "loader": "sae_lens"}
    return Entry(**{**plain, "l0": math.nan, "variance_explained": math.nan, "neuronpedia": "", **changed})


@pytest.mark.slow
def test_every_sae_that_sae_lens_has(entries: dict[tuple[str, str], Entry]) -> None:
    theirs = get_pretrained_saes_directory()
    assert set(entries) == {(release, sae_id) for release, one in theirs.items() for sae_id in one.saes_map}
    assert len(theirs) >= 170 and len(entries) > 13_000
    for (release, sae_id), mine in entries.items():
        one = theirs[release]
        assert (mine.model, mine.repo_id, mine.path) == (one.model, one.repo_id, one.saes_map[sae_id])
        assert mine.loader == loaders.get_conversion_loader_name(release)
        assert (mine.neuronpedia or None) == one.neuronpedia_id[sae_id]
        # Where the directory says nothing, sae-lens says 0 and 1.
        assert (0.0 if math.isnan(mine.l0) else mine.l0) == one.expected_l0[sae_id]
        assert (1.0 if math.isnan(mine.variance_explained) else mine.variance_explained) == one.expected_var_explained[
            sae_id
        ]


@pytest.mark.parametrize(("release", "sae_id", "wanted"), SAID, ids=[f"{one[0]}/{one[1]}" for one in SAID])
def test_what_the_names_say(entries: dict[tuple[str, str], Entry], release: str, sae_id: str, wanted: Facts) -> None:
    assert facts(entries[release, sae_id]) == wanted


@pytest.mark.slow
def test_hooks_layers_widths_and_architectures_are_those_of_sae_lens_own_loaders(
    entries: dict[tuple[str, str], Entry], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the loaders that make a configuration of names: what they make of every one. Files are not there."""

    def absent(*_args: object, **_kwargs: object) -> str:
        raise LocalEntryNotFoundError("no such file")

    def shapes(_repo: str, _file: str) -> dict[str, list[int]]:
        return {"w_enc": [1, 1], "w_dec": [1, 1]}

    monkeypatch.setattr(loaders, "hf_hub_download", absent)
    monkeypatch.setattr(loaders, "get_safetensors_tensor_shapes", shapes)
    makers = {
        "gemma_2": loaders.get_gemma_2_config_from_hf,
        "gemma_3": loaders.get_gemma_3_config_from_hf,
        "goodfire": loaders.get_goodfire_config_from_hf,
        "deepseek_r1": loaders.get_deepseek_r1_config_from_hf,
        "qwen_scope": loaders.get_qwen_scope_config_from_hf,
    }
    compared: dict[str, int] = {}
    for one in entries.values():
        if one.loader not in makers:
            continue
        try:
            theirs = makers[one.loader](one.repo_id, one.path, "cpu", False, None)
        except LocalEntryNotFoundError:
            continue  # it reads a file after all
        mine = facts(one)
        where = f"{one.release} {one.sae_id}"
        assert mine.hook_name == theirs["hook_name"], where
        assert mine.layer == extract_layer_from_tlens_hook_name(theirs["hook_name"]), where
        assert mine.architecture == theirs["architecture"], where
        if theirs["d_sae"] != 1:  # else of a file's shape
            assert mine.width == theirs["d_sae"], where
        compared[one.loader] = compared.get(one.loader, 0) + 1
    assert compared["gemma_2"] > 2000 and compared["gemma_3"] > 8000 and compared["goodfire"] == 2


def test_nothing_is_guessed() -> None:
    assert facts(entry()) == Facts(None, None, None, None, None)
    # Numbers that are of something else.
    assert facts(entry(path="800M-Slimpajama-0-OpenR1-Math-220k/L0R", loader="llama_scope_r1_distill")).width is None
    assert facts(entry(sae_id="player_3", path="relayer_4")).layer is None
    assert facts(entry(sae_id="hook_resid_pre")).hook_name is None
    assert facts(entry(loader="of_a_later_version", sae_id="layer_3", path="resid_post")) == Facts(
        None, 3, None, None, None
    )


@pytest.mark.parametrize(
    ("said", "features"),
    [
        ("4k", 4096),
        ("16k", 16384),
        ("24k", 24576),
        ("32k", 32768),
        ("64k", 65536),
        ("65k", 65536),
        ("80k", 81920),
        ("128k", 131072),
        ("131k", 131072),
        ("262k", 262144),
        ("524k", 524288),
        ("1m", 1048576),
        ("2m", 2097152),
    ],
)
def test_widths_in_thousands(said: str, features: int) -> None:
    assert facts(entry(sae_id=f"layer_1/width_{said}/canonical")).width == features


def test_releases_that_were_added_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = PretrainedSAELookup(
        "mine", "o/r", "m", None, {"a": "a", "b": "b"}, {"a": 0.5, "b": 1.0}, {"a": 3.0, "b": 0.0}, {}, {}, None
    )
    monkeypatch.setitem(get_pretrained_saes_directory(), "mine", mine)
    a, b = (one for one in directory().entries if one.release == "mine")
    assert (a.sae_id, a.l0, a.variance_explained, a.loader, a.neuronpedia) == ("a", 3.0, 0.5, "sae_lens", "")
    assert math.isnan(b.l0) and math.isnan(b.variance_explained)
    monkeypatch.undo()
    assert not [one for one in directory().entries if one.release == "mine"]


def test_entries_with_missing_fields(tmp_path: Path) -> None:
    file = tmp_path / "saes.yaml"
    saes = [
        {"id": "full", "path": 0, "l0": 5, "variance_explained": -7.5, "neuronpedia": "a/b"},
        {"id": "bare"},
        {"path": "x"},
    ]
    odd = [{"id": 7, "l0": "many", "variance_explained": True}, "no entry", {"id": "bare", "l0": 0}]
    file.write_text(
        json.dumps(
            {"whole": {"model": "m", "repo_id": "o/r", "saes": saes}, "half": {"saes": odd}, "none": {}, "text": "x"}
        )
    )
    found = read(file)
    assert [(one.release, one.sae_id) for one in found.entries] == [
        ("whole", "full"),
        ("whole", "bare"),
        ("half", "7"),
        ("half", "bare"),
    ]
    full, bare, seven, _ = found.entries
    assert (full.path, full.l0, full.variance_explained, full.neuronpedia) == ("0", 5.0, -7.5, "a/b")
    assert (bare.model, bare.path, bare.neuronpedia) == ("m", "", "")
    assert all(math.isnan(one) for one in (bare.l0, bare.variance_explained, seven.l0, seven.variance_explained))
    assert (seven.model, seven.repo_id) == ("", "")
    assert found.left_out == 4  # an SAE without an id, one that is none, and two releases without SAEs


@pytest.mark.parametrize("text", [None, "a: [", "- a\n- b", "\x00"], ids=["no file", "no YAML", "a list", "no text"])
def test_a_directory_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "pretrained_saes.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(DirectoryError, match=str(file)):
        read(file)


def test_without_sae_lens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(DirectoryError, match="sae-lens is not installed"):
        directory()


@pytest.mark.slow
def test_listing_imports_no_torch() -> None:
    script = """if True:
        import sys
        import saewidgets as sw
        browser = sw.SAEBrowser(query="gpt2 res", sort="l0")
        assert len(browser.to_pandas()) > 10
        browser.selected = {"release": "gpt2-small-res-jb", "sae_id": "blocks.7.hook_resid_pre"}
        browser.page(), browser.code(), repr(browser)
        print("loaded:", *sorted({"torch", "transformers", "sae_lens", "transformer_lens"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", script], env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "loaded:"
