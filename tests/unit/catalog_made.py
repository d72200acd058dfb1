"""A hub that is a folder: the cache of huggingface_hub with a repository of tiny SAEs in it, and their release in sae-lens'
own directory. What loads one goes the way of every published SAE, but for the download."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tiny
from huggingface_hub import constants
from sae_lens.loading.pretrained_saes_directory import PretrainedSAELookup, get_pretrained_saes_directory

RELEASE, REPO = "tiny-release", "tiny-owner/tiny-saes"
HERE = "blocks.1.hook_resid_pre"
"""The SAE whose files are in the cache;"""
ABSENT = "blocks.0.hook_resid_post_240"
"""one whose files are not."""


def into_cache(root: Path, repo: str, save: Any) -> Path:
    """The folder of `repo` in a cache, filled by `save(folder)`, as a download leaves it."""
    folder = root / f"models--{repo.replace('/', '--')}"
    snapshot = folder / "snapshots" / "0123456789abcdef"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(snapshot.name)
    save(snapshot)
    return snapshot


def tiny_sae() -> Any:
    return tiny.sae("jumprelu", HERE, model_name="tiny", context_size=32, dataset_path="tiny texts")


@contextmanager
def hub(root: Path) -> Iterator[Path]:
    """Inside, the hub is out of reach, its cache is in `root`, and sae-lens knows one release more."""
    into_cache(root, REPO, lambda folder: tiny_sae().save_model(str(folder / HERE)))
    known = get_pretrained_saes_directory()
    lookup = PretrainedSAELookup(
        release=RELEASE,
        repo_id=REPO,
        model="tiny",
        conversion_func=None,
        saes_map={HERE: HERE, ABSENT: ABSENT, "nameless": "nameless"},
        expected_var_explained={HERE: 0.75, ABSENT: 1.0, "nameless": 1.0},
        expected_l0={HERE: 5.5, ABSENT: 0.0, "nameless": 0.0},
        neuronpedia_id={HERE: "tiny/1-tiny-res", ABSENT: None, "nameless": None},  # type: ignore[dict-item]
        norm_scaling_factor={},
        config_overrides=None,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(root))
        patch.setattr(constants, "HF_HUB_OFFLINE", True)
        patch.setitem(known, RELEASE, lookup)
        yield root
