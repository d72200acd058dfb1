"""Runs SAEDashboard's own code, in an environment that has it and nothing of ours: told by a JSON file, it prints JSON.

    python saedashboard_child.py asked.json

Its public calls as its README has them, with its defaults but for the tokens that are left out, which are ours:
`SaeVisRunner(SaeVisConfig(...)).run(...)`, then `save_feature_centric_vis`. Model, SAE and tokens come from files; nothing is fetched.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from sae_dashboard.data_writing_fns import save_feature_centric_vis
from sae_dashboard.sae_vis_data import SaeVisConfig
from sae_dashboard.sae_vis_runner import SaeVisRunner
from sae_dashboard.transformer_lens_wrapper import TransformerLensWrapper
from sae_lens import SAE, HookedSAETransformer
from transformer_lens import HookedTransformerConfig
from transformer_lens import loading_from_pretrained as loading
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(asked["threads"])
    model = made_model(Path(asked["model"]), asked["context"])
    sae = SAE.load_from_disk(asked["sae"], device="cpu")
    tokens = torch.from_numpy(np.load(asked["tokens"], allow_pickle=False))
    config = SaeVisConfig(
        hook_point=asked["hook"],
        features=asked["features"],
        device="cpu",
        ignore_tokens=set(asked["ignored"]),
        ignore_high_activation_norm_multiple=asked["outliers"],  # of the median, where ours takes a reference text's
    )
    forwards = [0.0]
    forward = TransformerLensWrapper.forward

    def timed(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return forward(*args, **kwargs)
        finally:
            forwards[0] += time.perf_counter() - start

    TransformerLensWrapper.forward = timed
    with torch.no_grad():
        model(tokens[:1], return_type=None)  # what is done on first use
    start = time.perf_counter()
    data = SaeVisRunner(config).run(encoder=sae, model=model, tokens=tokens)
    computed = time.perf_counter()
    page = Path(asked["page"])
    save_feature_centric_vis(sae_vis_data=data, filename=page)
    written = time.perf_counter()
    found = {
        "computing": computed - start,
        "forwards": forwards[0],
        "writing": written - computed,
        "page": page.stat().st_size,
        "at_once": config.minibatch_size_features,
        "largest": {feature: largest(one.sequence_data) for feature, one in data.feature_data_dict.items()},
    }
    print(json.dumps(found))


def made_model(folder: Path, context: int) -> HookedSAETransformer:
    """The model in a folder, with nothing folded or centred.

    By the parts of TransformerLens 2's `from_pretrained`, which knows no SmolLM2 by name: its table of names is all that is left out.
    """
    loaded = AutoModelForCausalLM.from_pretrained(folder, torch_dtype=torch.float32)
    described = loading.convert_hf_model_config(str(folder)) | {
        "model_name": folder.name,
        "rotary_base": int(loaded.config.rope_theta),
        "n_ctx": context,
        "init_weights": False,
        "device": "cpu",
        "dtype": torch.float32,
    }
    config = HookedTransformerConfig.from_dict(described)
    weights = loading.get_pretrained_state_dict(str(folder), config, loaded)
    model = HookedSAETransformer(config, AutoTokenizer.from_pretrained(folder))
    kept_as_it_is = ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases")
    model.load_and_process_state_dict(weights, **dict.fromkeys(kept_as_it_is, False))
    return model


def largest(sequences: Any) -> float:
    """A feature's largest activation, as its page says it."""
    found = re.search(r"MAX = (-?[\d.]+)", sequences.seq_group_data[0].title)
    return float(found[1]) if found else float("nan")


if __name__ == "__main__":
    main()
