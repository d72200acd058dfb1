"""What the names of a published SAE say plainly: hook, layer, width, L0, architecture.

The directory has an id and a path for each. Where sae-lens' loader of a release makes the configuration of such a name, the same
is read here in the same way; where the loader reads it from a file that must be downloaded first, it stays unknown (None),
even if everybody knows it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .directory import Entry

__all__ = ["Facts", "facts"]


@dataclass(frozen=True)
class Facts:
    """What is known of an SAE before it is loaded; None where it is not."""

    hook_name: str | None
    layer: int | None
    width: int | None
    l0: float | None
    architecture: str | None


# By loader, what it makes of the layer.
_HOOKS = {
    "connor_rob_hook_z": "attn.hook_z",
    "deepseek_r1": "hook_resid_post",
    "dictionary_learning_1": "hook_resid_post",
    "gemma_2_transcoder": "ln2.hook_normalized",
    "goodfire": "hook_resid_post",
    "mwhanna_transcoder": "mlp.hook_in",
    "qwen_scope": "hook_resid_post",
    "temporal": "hook_resid_post",
}
_ARCHITECTURES = {
    "connor_rob_hook_z": "standard",
    "deepseek_r1": "standard",
    "gemma_2": "jumprelu",
    "gemma_2_transcoder": "jumprelu_transcoder",
    "goodfire": "standard",
    "llama_scope": "jumprelu",
    "llama_scope_r1_distill": "jumprelu",
    "mntss_clt_layer_transcoder": "transcoder",
    "mwhanna_transcoder": "transcoder",
    "qwen_scope": "topk",
    "temporal": "temporal",
}
_WIDTHS = {"deepseek_r1": 65536, "goodfire": 65536}
# Folders of Gemma Scope 2, in the order in which its loader looks for them.
_FOLDERS = {
    "resid_post": "hook_resid_post",
    "attn_out": "attn.hook_z",
    "mlp_out": "hook_mlp_out",
    "transcoder": "hook_mlp_in",
    "clt": "hook_mlp_in",
}
# Repositories of Gemma Scope, likewise.
_REPOSITORIES = {"res": "hook_resid_post", "mlp": "hook_mlp_out", "att": "attn.hook_z"}

# "blocks.8.hook_resid_pre_768" and "blocks.12.hook_resid_post__trainer_0" are of these hooks and something else.
_HOOK = re.compile(r"^blocks\.\d+\.(?:[a-z]\w*\.)*hook_[a-z]+(?:_[a-z]+)*")
_LAYER = re.compile(r"(?:^|[/_])layer_?(\d+)(?![0-9])")
_SCOPE_LAYER = re.compile(r"^l(\d+)[ramt](?:_|$)")
_BLOCK = re.compile(r"^blocks\.(\d+)\.")
_AVERAGE_L0 = re.compile(r"average_l0_(\d+)")


def facts(entry: Entry) -> Facts:
    """What the names of `entry` say."""
    hook = _hook(entry)
    return Facts(hook, _layer(entry, hook), _width(entry), _l0(entry), _architecture(entry))


def _hook(entry: Entry) -> str | None:
    layer = _said_layer(entry)
    end = _HOOKS.get(entry.loader)
    if entry.loader == "gemma_2":
        if "embedding" in entry.path and "res" in entry.repo_id:
            return "hook_embed"
        end = next((hook for name, hook in _REPOSITORIES.items() if name in entry.repo_id), None)
    if entry.loader == "gemma_3":
        end = next((hook for name, hook in _FOLDERS.items() if name in entry.path), None)
    if end is not None and layer is not None:
        return f"blocks.{layer}.{end}"
    said = _HOOK.match(entry.sae_id)
    return said[0] if said else None


def _said_layer(entry: Entry) -> int | None:
    found = _BLOCK.match(entry.sae_id) or _LAYER.search(entry.sae_id) or _LAYER.search(entry.path)
    if found is None and entry.loader.startswith("llama_scope"):
        found = _SCOPE_LAYER.match(entry.sae_id)
    return int(found[1]) if found else None


def _layer(entry: Entry, hook: str | None) -> int | None:
    if hook is None:
        return _said_layer(entry)
    of_hook = _BLOCK.match(hook)  # the embedding is of no layer
    return int(of_hook[1]) if of_hook else None


def _width(entry: Entry) -> int | None:
    if entry.loader in _WIDTHS:
        return _WIDTHS[entry.loader]
    for text, pattern in (
        (entry.sae_id, r"width_(\d+)([km])"),
        (entry.path, r"width_(\d+)([km])"),
        (entry.repo_id, r"(?i)-w-?(\d+)(k)(?![a-z0-9])"),  # "-w-32k-", "-W80K-"
        (entry.path, r"^v5_(\d+)(k)_layer"),
        (entry.neuronpedia, r"-(\d+)([km])(?:__.*)?$"),  # "12-gemmascope-res-16k__l0-114"
    ):
        if found := re.search(pattern, text):
            return _thousands(int(found[1]), found[2].lower())
    if found := re.search(r"width-2pow(\d+)", entry.repo_id):
        return int(2 ** int(found[1]))
    # "hook_resid_pre_768", "hook_mlp_out_24576:v1", "hook_resid_post_16384_anthropic"; "ds24576"
    for text, pattern in ((entry.path, r"hook_[a-z_]+_(\d{3,})(?:[:_]|$)"), (entry.path, r"_ds(\d+)_")):
        if found := re.search(pattern, text):
            return int(found[1])
    return None


def _thousands(n: int, unit: str) -> int:
    """16k is 16384, 65k 65536, 80k 81920, 1m 1048576: a power of two of so many thousands, or else so many times 1024."""
    if unit == "m":
        return n * 2**20
    power = 2 ** math.ceil(math.log2(n * 1000))
    return power if power // 1000 == n else n * 1024


def _l0(entry: Entry) -> float | None:
    if not math.isnan(entry.l0):
        return entry.l0
    found = _AVERAGE_L0.search(entry.sae_id) or _AVERAGE_L0.search(entry.path)
    return float(found[1]) if found else None


def _architecture(entry: Entry) -> str | None:
    if entry.loader == "gemma_3":
        if not re.search("transcoder|clt", entry.path):
            return "jumprelu"
        return "jumprelu_skip_transcoder" if "affine" in entry.path else "jumprelu_transcoder"
    return _ARCHITECTURES.get(entry.loader)
