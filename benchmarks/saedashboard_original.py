"""SAEDashboard's own code beside ours: 512 features of the demo's dictionary on the same tokens.

It needs TransformerLens 2 and an older transformers than ours, so it lives in an environment of its own, which is made once, from PyPI,
in the cache folder, with the torch that runs here. It is given the demo's model, dictionary and tokens as files.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from saewidgets import demo
from saewidgets.demo.model import demo_model_dir
from saewidgets.engine.engine import Engine
from saewidgets.errors import SaewidgetsError
from saewidgets.storage.places import cache_dir
from saewidgets.storage.process_lock import process_lock

__all__ = ["VERSION", "Original", "OriginalError", "run_original"]

VERSION = "0.8.0"
# It asks for TransformerLens 2, that for NumPy 1; the pyarrow that pip would choose (26 today) refuses to be imported beside it.
_BESIDE = ("pyarrow<22",)
# What it does not use, and whose builds of PyPI refuse to be imported beside a torch from elsewhere.
_UNUSED = ("torchvision", "torchaudio")
_CHILD = Path(__file__).with_name("saedashboard_child.py")


class OriginalError(SaewidgetsError):
    """SAEDashboard could not be installed or run; says why in its own words."""


@dataclass(frozen=True)
class Original:
    """What its run took.

    Attributes:
        features: how many. computing, forwards, writing: seconds for the data, of them those of the model, and for the page.
        page: bytes of the page. at_once: features that share a forward.
        largest: the largest activation of each feature as its page says it, to three decimals.
    """

    features: int
    computing: float
    forwards: float
    writing: float
    page: int
    at_once: int
    largest: dict[int, float]

    @property
    def seconds(self) -> float:
        return self.computing + self.writing


def run_original(engine: Engine, tokens: Tensor, features: Sequence[int], folder: Path) -> Original:
    """Run it for some features of the demo.

    Args:
        engine: of the demo. tokens: [prompts, length] token ids. folder: for what it is given and writes.

    Raises:
        OriginalError: if it cannot be installed or run.
    """
    python = _environment()
    model = _model_for_it(folder / "model")
    np.save(folder / "tokens.npy", tokens.numpy())
    asked = folder / "asked.json"
    with as_file(files(demo) / "assets") as assets:
        content = {
            "model": str(model),
            "sae": str(assets),
            "tokens": str(folder / "tokens.npy"),
            "hook": engine.dictionary().hook_name,
            "context": tokens.shape[1],
            "features": list(features),
            "ignored": sorted(engine.tokenizer.special_ids),
            "outliers": engine.counting.factor,
            "threads": torch.get_num_threads(),
            "page": str(folder / "page.html"),
        }
        asked.write_text(json.dumps(content))
        said = _done([str(python), str(_CHILD), str(asked)], "run")
    found = json.loads(said.splitlines()[-1])
    largest = {int(feature): float(value) for feature, value in found.pop("largest").items()}
    return Original(len(features), largest=largest, **found)


def _environment() -> Path:
    """The Python of an environment that has it; whole or not there."""
    folder = cache_dir() / "benchmarks" / f"sae-dashboard-{VERSION}-torch-{torch.__version__}"
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = folder / "ready"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with process_lock(folder.parent / ".lock", lambda: _say(f"Waiting for another process that makes {folder}")):
        if not ready.exists():
            shutil.rmtree(folder, ignore_errors=True)
            _say(f"Installing sae-dashboard {VERSION} into {folder} (minutes, once)")
            venv.create(folder, with_pip=True)
            version = torch.__version__.partition("+")[0]
            pip = [str(python), "-m", "pip", "--quiet"]
            _done([*pip, "install", f"sae-dashboard=={VERSION}", f"torch=={version}", *_BESIDE], "installed")
            _done([*pip, "uninstall", "--yes", *_UNUSED], "installed")
            ready.touch()
    return python


def _model_for_it(folder: Path) -> Path:
    """The demo's model with its configuration in the words of transformers 4."""
    source, _ = demo_model_dir()
    folder.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).symlink_to(source / name)
    config = json.loads((source / "config.json").read_text())
    config |= {"architectures": ["LlamaForCausalLM"], "rope_theta": config["rope_parameters"]["rope_theta"]}
    del config["rope_parameters"]
    (folder / "config.json").write_text(json.dumps(config))
    words = json.loads((source / "tokenizer_config.json").read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(words))
    return folder


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _done(command: Sequence[str], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = [line for line in done.stderr.splitlines() if line.strip()][-3:]
        raise OriginalError(f"SAEDashboard {VERSION} could not be {what}: {' '.join(last)}")
    return done.stdout
