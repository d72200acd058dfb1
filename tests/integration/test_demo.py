"""The demo model and SAE: the numbers that its documentation promises, through our engine and through sae-lens."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets import cli
from saewidgets.errors import DeviceError

if TYPE_CHECKING:
    from saewidgets.engine.engine import Engine

SOURCE = Path(__file__).parents[2] / "src"
WEEKDAY = 2717
DAYS = {" Monday", " Tuesday", " Wednesday", " Thursday", " Friday", " Saturday", " Sunday"}
SENTENCES = [
    "See you on Monday at noon, or on Tuesday if it rains.",
    "The shop is closed every Wednesday and Thursday.",
    "On Friday we work, on Saturday we rest, and on Sunday we sing.",
    "The cat slept on the warm stones of the old church.",
    "In January the river froze and nobody came to town.",
]


def test_the_weekday_feature_fires_on_weekdays(demo_engine: Engine) -> None:
    """45 to 57 on every weekday of these sentences; elsewhere it is silent, but for 5 to 7 on the month's name."""
    acts = demo_engine.activations(SENTENCES, features=[WEEKDAY])
    fired = {
        token: value
        for token, value, counted in zip(acts.tokens, acts[:, WEEKDAY].tolist(), acts.counted, strict=True)
        if value and counted
    }
    assert {token for token in fired if token in DAYS} == DAYS
    assert all(40 <= fired[token] <= 65 for token in DAYS), fired
    assert all(value < 10 for token, value in fired.items() if token not in DAYS), fired
    assert set(fired) - DAYS <= {" January"}, fired


def test_the_text_starts_with_the_special_token(demo_engine: Engine) -> None:
    acts = demo_engine.activations("Monday")
    assert acts.special.tolist()[0] and not acts.special[1:].any()
    assert int(acts.token_ids[0]) == demo_engine.tokenizer.bos_id


def test_activations_equal_sae_lens(demo_engine: Engine) -> None:
    text = "In the beginning, God created the heavens and the earth. It was a Monday."
    ours = demo_engine.activations(text)
    model, sae = demo_engine.model.raw, tiny.sae_of(demo_engine)
    tokens = torch.tensor([ours.token_ids.tolist()])
    with torch.no_grad():
        _, cache = model.run_with_cache_with_saes(tokens, saes=[sae])
    theirs = cache[model.get_sae_hook_name(sae)][0]
    assert int((theirs > 0).sum()) > 100
    torch.testing.assert_close(torch.as_tensor(ours[:, :]), theirs, atol=1e-3, rtol=0)


def test_the_model_knows_paris(demo_engine: Engine) -> None:
    ids = torch.tensor([demo_engine.to_ids("The capital of France is")[0]])
    with torch.no_grad():
        for _ in range(8):
            logits = demo_engine.model.raw(ids)
            ids = torch.cat([ids, logits[:, -1].argmax(-1, keepdim=True)], dim=1)
    assert "Paris" in demo_engine.model.tokenizer.decode(ids[0])


def test_the_tokenizer_is_the_model_s_own(demo_engine: Engine) -> None:
    tokenizer = demo_engine.model.raw.tokenizer
    assert (tokenizer.bos_token, tokenizer.bos_token_id) == ("<|im_start|>", 1)
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|im_end|>", 2)
    text = "In the beginning, God created"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert ids == [788, 260, 3616, 28, 1839, 2312] and tokenizer.decode(ids) == text
    asked = [{"role": "user", "content": "hi"}]
    chat = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert chat.endswith("<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n")


def test_predictions_rank_paris_high(demo_engine: Engine) -> None:
    found = sw.predictions(demo_engine, "The capital of France is", " Paris")
    assert found.clean.answer[0].rank < 5
    assert found.spliced is not None and found.spliced.answer[0].rank < 20


def test_provenance_says_which_weights(demo_engine: Engine) -> None:
    assert demo_engine.provenance()["weights"]


def test_the_corpus() -> None:
    corpus = sw.load_corpus()
    assert isinstance(corpus, pd.DataFrame)
    assert list(corpus.columns) == ["id", "text", "source", "licence"]
    assert len(corpus) == 1397 and corpus["id"].is_unique
    assert corpus["text"].str.len().min() > 0 and corpus["licence"].str.len().min() > 0


def test_a_missing_cuda_device_is_an_error_before_any_download() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(DeviceError, match="device='cpu'"):
        sw.load_demo(device="cuda")


def test_it_loads_without_network_and_without_noise(demo_engine: Engine) -> None:
    """In a fresh process whose every connection attempt is an error: nothing printed, nothing warned, no call made."""
    code = """
import socket
def refuse(*args, **kwargs):
    raise SystemExit(f"a network call: {args}")
socket.socket.connect = socket.getaddrinfo = refuse
import saewidgets as sw
sw.load_demo(device="cpu").close()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stderr[-2000:]


def test_the_users_warning_filters_are_left_alone() -> None:
    from saewidgets.demo.quiet import quiet

    before = list(warnings.filters)
    with quiet():
        pass
    assert list(warnings.filters) == before


# -- the command that opens it

FAKE_LAB = """
import signal, sys, time
asked = []
signal.signal(signal.SIGINT, lambda *_: asked.append(1))
print("up", sys.argv[1:], flush=True)
while not asked:
    time.sleep(0.05)
time.sleep(1.5)  # JupyterLab asks whether to shut down, and shuts its kernels down
print("down", flush=True)
"""


def start_lab(folder: Path, source: str, *options: str) -> subprocess.Popen[str]:
    """`saewidgets demo` with another program in JupyterLab's place, as the leader of a process group."""
    (folder / "jupyterlab").mkdir()
    (folder / "jupyterlab" / "__init__.py").touch()
    (folder / "jupyterlab" / "__main__.py").write_text(source)
    return subprocess.Popen(
        [sys.executable, "-m", "saewidgets.cli", "demo", *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{SOURCE}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="process groups of POSIX")
def test_ctrl_c_lets_jupyterlab_shut_down(tmp_path: Path) -> None:
    process = start_lab(tmp_path, FAKE_LAB, "--", "--port", "9000")
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith("up"):
        assert line, process.communicate()
    assert line.startswith(f"up ['{tmp_path / 'quickstart.ipynb'}', ") and line.endswith("'--port', '9000']\n")
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.communicate(timeout=240) == ("down\n", "")
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="process groups of POSIX")
def test_jupyterlab_says_where_the_notebook_is_and_nothing_else(tmp_path: Path) -> None:
    """The whole output, with a Node.js on the PATH: JupyterLab runs it, and prints all that it prints when it fails."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    (tmp_path / "bin").mkdir()
    if node := shutil.which("node"):
        (tmp_path / "bin" / "node").symlink_to(node)  # without its npm, which a language server would ask
    with (tmp_path / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "saewidgets.cli", "demo", "--", "--no-browser", "--allow-root", "--port=0"],
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
            | {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")}
            # Without what this environment has beside JupyterLab: those say what they like.
            | {"JUPYTER_NO_CONFIG": "1", "PATH": str(tmp_path / "bin"), "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(5)]
    try:
        page = urllib.request.urlopen(told[2].strip(), timeout=240).read()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=240)
    assert told == [f"Starting JupyterLab on {folder / 'quickstart.ipynb'}\n", "\n", told[2], "\n", "Ctrl-C ends it\n"]
    assert re.fullmatch(r"http://localhost:\d+/lab/tree/quickstart\.ipynb\?token=[0-9a-f]{48}", told[2].strip())
    assert b"<title>JupyterLab</title>" in page
    complaints = [line for line in (tmp_path / "stderr").read_text().splitlines() if "Shutting down..." not in line]
    assert (rest, complaints, process.returncode) == ("", [], 0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="not root")
def test_root_is_told_how(tmp_path: Path) -> None:
    process = start_lab(tmp_path, "raise SystemExit(1)")
    assert "saewidgets demo -- --allow-root" in process.communicate(timeout=240)[1]
    assert process.returncode == 1


def test_options_for_jupyterlab_need_a_jupyterlab(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["demo", "--html", "page.html", "--", "--no-browser"])
    assert "opens no JupyterLab" in capsys.readouterr().err


@pytest.mark.gpu
def test_a_gpu_gives_the_same_activations(demo_engine: Engine) -> None:
    text = SENTENCES[0]
    expected = demo_engine.activations(text, features=[WEEKDAY])[:, WEEKDAY]
    with sw.load_demo(device="cuda") as engine:
        found = engine.activations(text, features=[WEEKDAY])[:, WEEKDAY]
    torch.testing.assert_close(torch.as_tensor(found), torch.as_tensor(expected), atol=0.1, rtol=1e-2)
