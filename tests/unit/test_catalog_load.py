"""Loading from the catalog, by sae-lens' own loader out of a hub's cache: the engine, its steps, stopping, what to do offline."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import catalog_made
import pytest
import tiny
import torch
from catalog_made import ABSENT, HERE, RELEASE, REPO
from front_end import ask, good, recording

import saewidgets as sw
from saewidgets import errors
from saewidgets.engine.model import loading
from saewidgets.widgets.catalog import load as module

TINY = {"release": RELEASE, "sae_id": HERE}
JB = {"release": "gpt2-small-res-jb", "sae_id": "blocks.7.hook_resid_pre"}
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def hub(tmp_path: Path) -> Iterator[Path]:
    with recording(), catalog_made.hub(tmp_path / "hub") as folder:
        yield folder


@pytest.fixture
def with_its_model(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The tiny SAE's model is there, and how it was asked for is kept."""
    asked: list[dict[str, Any]] = []

    def load(name: str | None, sae: Any, device: Any, dtype: Any) -> Any:
        asked.append({"name": name, "sae": sae, "device": device, "dtype": dtype, "grad": torch.is_grad_enabled()})
        return tiny.hooked()

    monkeypatch.setattr("saewidgets.engine.engine.load_model", load)
    return asked


def parts(browser: sw.SAEBrowser) -> list[str]:
    messages = [content for content, _ in browser.comm.customs()]  # type: ignore[union-attr, attr-defined]
    return [message["r"]["step"] for message in messages if message["t"] == "part"]


def test_into_one_s_own_model() -> None:
    model = tiny.hooked()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    browser = sw.SAEBrowser(model, selected=TINY)
    assert good(browser, "load", **TINY) == {"loaded": True}
    assert parts(browser) == [f"the SAE {HERE} of {RELEASE}", "the SAE together with your model"]
    engine = browser.engine
    assert engine.model.raw is model and list(engine.dictionaries) == [f"{RELEASE}/{HERE}"]
    # The numbers are those of the SAE that was saved, on this model.
    text = "In the beginning God created"
    with sw.Engine(model, catalog_made.tiny_sae()) as wanted:
        mine, truth = engine.activations(text), wanted.activations(text)
    assert mine.to_pandas().equals(truth.to_pandas()) and len(mine.to_pandas()) > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    # Views hear that there is more to ask for, before they hear that it is done.
    messages = [content for content, _ in browser.comm.customs()]  # type: ignore[union-attr, attr-defined]
    kinds = [message["t"] for message in messages]
    assert kinds.index("names") < len(kinds) - 1 and messages[-1]["ok"]


def test_with_its_own_model(with_its_model: list[dict[str, Any]]) -> None:
    browser = sw.SAEBrowser()
    assert good(browser, "load", **TINY, device="cpu", dtype="float32") == {"loaded": True}
    (asked,) = with_its_model
    assert (asked["name"], asked["device"], asked["dtype"], asked["grad"]) == (None, "cpu", "float32", True)
    assert parts(browser) == [f"the SAE {HERE} of {RELEASE}", "the model tiny", "both together"]
    assert browser.load(RELEASE, HERE) is browser.engine
    assert with_its_model[1]["device"] is None


def test_more_is_known_of_what_was_loaded() -> None:
    browser = sw.SAEBrowser(tiny.hooked())
    before = good(browser, "details", **TINY)
    names = [field["name"] for field in before["fields"]]
    assert "context_size" not in names and before["later"] and before["engine"] is None
    comm: Any = browser.comm
    sent = len(comm.sent)
    browser.load(RELEASE, HERE)
    assert {"t": "names"} in [data.get("content") for data, _ in comm.sent[sent:]], "views are told to ask again"
    after = good(browser, "details", **TINY)
    said = {field["name"]: field["value"] for field in after["fields"]}
    told = {"width": "48", "architecture": "jumprelu", "d_in": "16", "context_size": "32", "prepend_bos": "yes"}
    more = {
        "normalize_activations": "none",
        "apply_b_dec_to_input": "yes",
        "dtype": "float32",
        "dataset_path": "tiny texts",
    }
    assert {name: said[name] for name in told | more} == told | more
    assert after["later"] == "" and after["engine"] == {**TINY, "device": "cpu", "dtype": "float32"}
    # Of the others it is not known, and the engine is the same.
    other = good(browser, "details", **JB)
    assert other["later"] and other["engine"] == after["engine"]


def test_an_engine_outlives_its_browser() -> None:
    browser = sw.SAEBrowser(tiny.hooked())
    engine = browser.load(RELEASE, HERE)
    browser.close()
    assert len(engine.activations("In the beginning").to_pandas()) > 0
    engine.close()


def test_out_of_reach_says_what_to_do(hub: Path) -> None:
    message = ask(sw.SAEBrowser(tiny.hooked()), "load", release=RELEASE, sae_id=ABSENT)
    assert message["e"]["type"] == "HubError"
    said = message["e"]["message"]
    assert f"Could not load the SAE {ABSENT} of {RELEASE}" in said and str(hub) in said
    assert f'hf download {REPO} --include "{ABSENT}*"' in said and "HF_HOME" in said and "HF_HUB_OFFLINE=1" in said
    assert "load_from_disk" in said and "SAEBrowser(model" not in said
    assert "LocalEntryNotFoundError" in message["e"]["traceback"]
    with pytest.raises(errors.HubError, match="hf download jbloom/GPT2-Small-SAEs-Reformatted"):
        sw.SAEBrowser(selected=JB).load()


def test_a_model_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its SAE is here. TransformerLens' own way to the hub says it in its own words."""
    sae = catalog_made.tiny_sae()
    sae.cfg.metadata.model_name = "gpt2-small"
    monkeypatch.setattr("saewidgets.engine.engine.load_sae", lambda *_args, **_more: sae)
    browser = sw.SAEBrowser()
    said = ask(browser, "load", **TINY)["e"]["message"]
    assert "Could not load the model gpt2-small" in said and "hf download gpt2\n" in said
    assert "sw.SAEBrowser(model=model)" in said
    with pytest.raises(RuntimeError, match="Nothing is loaded"):
        _ = browser.engine


def test_a_release_whose_loader_asks_the_hub_each_time() -> None:
    said = ask(sw.SAEBrowser(), "load", release="gemma-scope-2-270m-pt-res", sae_id="layer_12_width_16k_l0_big")["e"][
        "message"
    ]
    assert "a cache is not enough" in said and "save_model" in said and "hf download" not in said


def made(kind: str, text: str) -> Exception:
    """An error of a library that is not there, with its name."""
    return type(kind, (Exception,), {})(text)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (made("ConnectError", "[Errno -3] Temporary failure in name resolution"), "out of reach"),
        (made("MaxRetryError", "Max retries exceeded"), "out of reach"),
        (OSError("We couldn't connect to 'https://huggingface.co' to load the files"), "out of reach"),
        (ConnectionError("refused"), "out of reach"),
        (made("GatedRepoError", "401 Client Error"), "licence"),
        (made("RepositoryNotFoundError", "401 Client Error"), "log in"),
    ],
)
def test_failures_of_the_way_to_the_hub(monkeypatch: pytest.MonkeyPatch, error: Exception, told: str) -> None:
    def fail(*_args: object, **_more: object) -> None:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("wrapped") from cause

    monkeypatch.setattr(loading, "load_sae", fail)
    message = ask(sw.SAEBrowser(tiny.hooked()), "load", **TINY)
    assert message["e"]["type"] == "HubError" and told in message["e"]["message"]


@pytest.mark.parametrize("error", [ValueError("another shape"), MemoryError("no"), FileNotFoundError("cfg.json")])
def test_other_failures_stay_what_they_are(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(loading, "load_sae", fail)
    browser = sw.SAEBrowser(tiny.hooked())
    message = ask(browser, "load", **TINY)
    assert (message["e"]["type"], message["e"]["message"]) == (type(error).__name__, str(error))
    assert good(browser, "rows", chosen={}, first=0, count=1)["total"] > 0  # still usable


@pytest.mark.parametrize(
    ("bad", "told"), [({"dtype": "float33"}, "no floating point dtype"), ({"device": "cuda:77"}, "CUDA|cuda")]
)
def test_bad_options_are_told(bad: dict[str, str], told: str) -> None:
    message = ask(sw.SAEBrowser(tiny.hooked()), "load", **TINY, **bad)
    assert not message["ok"]
    import re

    assert re.search(told, message["e"]["message"])


def held(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, Callable[[], None]]:
    """A download that goes on until it is let go: (set once it runs, let it go)."""
    runs, goes = threading.Event(), threading.Event()
    load = loading.load_sae

    def slow(*args: Any, **more: Any) -> Any:
        runs.set()
        assert goes.wait(240)
        return load(*args, **more)

    monkeypatch.setattr(loading, "load_sae", slow)
    return runs, goes.set


def test_the_table_answers_while_something_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, let_go = held(monkeypatch)
    browser = sw.SAEBrowser(tiny.hooked())
    comm: Any = browser.comm
    comm.view_sends({"t": "req", "id": "v:1", "ch": "load", "p": TINY, "enc": "binary"})
    assert runs.wait(240)
    assert good(browser, "rows", chosen={"query": "gpt2"}, first=0, count=1)["total"] > 100
    assert good(browser, "details", **JB)["release"] == JB["release"]
    assert not [m for m, _ in comm.customs() if m.get("id") == "v:1" and m["t"] == "res"]
    let_go()
    message, _ = comm.response("v:1")
    assert message["ok"]


def test_stopped_before_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The view has its answer at once; what runs goes on to its end, and nothing comes after it."""
    runs, let_go = held(monkeypatch)
    browser = sw.SAEBrowser(tiny.hooked())
    comm: Any = browser.comm
    comm.view_sends({"t": "req", "id": "v:1", "ch": "load", "p": TINY, "enc": "binary"})
    assert runs.wait(240)
    comm.view_sends({"t": "cancel", "id": "v:1"})
    message, _ = comm.response("v:1")
    assert not message["ok"] and message["e"]["type"] == "Cancelled"
    let_go()
    browser._loader.run(lambda _ticket: None)  # after what ran
    with pytest.raises(RuntimeError, match="Nothing is loaded"):
        _ = browser.engine
    assert parts(browser) == [f"the SAE {HERE} of {RELEASE}"]
    # And the next one loads.
    assert good(browser, "load", **TINY) == {"loaded": True}


def test_an_interrupted_cell_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = module.Ticket()
    ticket.cancel()
    with pytest.raises(errors.CancelledError):
        module.load_engine(sw.SAEBrowser()._saes.entry(RELEASE, HERE), None, "", "float32", ticket)


def test_a_browser_that_is_closed_while_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    runs, let_go = held(monkeypatch)
    browser = sw.SAEBrowser(tiny.hooked())
    comm: Any = browser.comm
    comm.view_sends({"t": "req", "id": "v:1", "ch": "load", "p": TINY, "enc": "binary"})
    assert runs.wait(240)
    threading.Timer(0.05, let_go).start()
    browser.close()
    with pytest.raises(RuntimeError, match="closed"):
        _ = browser.engine


SCRIPT = """if True:
    import sys
    sys.path.insert(0, {unit!r})
    from pathlib import Path
    import catalog_made, tiny
    from transformers import GPT2Config, GPT2LMHeadModel
    from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory
    root = Path({root!r})
    with catalog_made.hub(root):
        sae = catalog_made.tiny_sae()
        sae.cfg.metadata.model_name = "gpt2-small"
        catalog_made.into_cache(root, "tiny-owner/of-gpt2", lambda folder: sae.save_model(str(folder / "x")))
        lookup = get_pretrained_saes_directory()[catalog_made.RELEASE]
        lookup.repo_id, lookup.saes_map["x"] = "tiny-owner/of-gpt2", "x"
        config = GPT2Config(
            vocab_size=len(tiny.tokenizer()), n_positions=tiny.N_CTX, n_embd=tiny.D_MODEL, n_layer=2, n_head=tiny.N_HEADS,
            bos_token_id=0, eos_token_id=1, n_ctx=tiny.N_CTX,
        )
        def save(folder):
            GPT2LMHeadModel(config).save_pretrained(folder)
            tiny.tokenizer().save_pretrained(folder)
        catalog_made.into_cache(root, "gpt2", save)
        import saewidgets as sw
        browser = sw.SAEBrowser(selected={{"release": catalog_made.RELEASE, "sae_id": "x"}})
        engine = browser.load(device="cpu")
        print(engine.model.name, len(engine.activations("In the beginning").to_pandas()) > 0)
"""


def test_the_whole_way_offline(tmp_path: Path) -> None:
    """SAE, model and tokenizer out of a cache, with HF_HUB_OFFLINE: as the error says it works."""
    root = tmp_path / "home" / "hub"
    script = SCRIPT.format(unit=str(Path(__file__).parent), root=str(root))
    env = os.environ | {"HF_HOME": str(root.parent), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split()[-2:] == ["gpt2", "True"]
