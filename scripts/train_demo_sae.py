"""Train an SAE like the one shipped as the demo, with sae-lens's own trainer.

It is here so that the demo SAE is no unexplained file, and as an example of an SAE that opens in saewidgets. The
defaults take a few minutes on a CPU and give a small, rough SAE of the shipped corpus. The shipped SAE's setting is

    python scripts/train_demo_sae.py OUT --texts FOLDER --features 6144 --k 32 --tokens 20000000 --batch 4096 \\
        --lr 1e-3 --device cuda --half

on 11 million tokens of texts of your own; those it was trained on are not part of this repository.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch
from sae_lens import SAE, BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.tokenization_and_batching import concat_and_batch_sequences
from sae_lens.training.mixing_buffer import mixing_buffer
from sae_lens.training.sae_trainer import SAETrainer
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from saewidgets import load_corpus
from saewidgets.demo.model import demo_model_dir
from saewidgets.demo.sources import MODEL_NAME

LAYER = 15
HOOK = f"blocks.{LAYER}.hook_resid_pre"
OUTLIER = 10.0
"""Tokens whose norm is over this many times the median are left out: attention sinks would own the loss."""


class Residuals:
    """An endless stream of residuals before block `LAYER`, without BOS positions and norm outliers."""

    def __init__(self, texts: Sequence[str], context: int, batch_texts: int, device: str, dtype: torch.dtype) -> None:
        folder, self.weights = demo_model_dir()
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).model.to(device).eval()
        # Cut off what comes after the hook: the output of what is left is the residual, at half the cost.
        model.layers = model.layers[:LAYER]
        model.norm = nn.Identity()
        self.model = model
        self.texts, self.context, self.batch_texts, self.device = texts, context, batch_texts, device
        self.width = int(model.config.hidden_size)

    def stretches(self) -> Iterator[Tensor]:
        """Stretches of `context` tokens with BOS in front, over the texts again and again in new orders."""

        def ids() -> Iterator[Tensor]:
            while True:
                for index in torch.randperm(len(self.texts)).tolist():
                    yield torch.tensor(self.tokenizer(self.texts[index])["input_ids"], dtype=torch.long)

        return concat_and_batch_sequences(ids(), self.context, begin_batch_token_id=self.tokenizer.bos_token_id)

    @torch.no_grad()
    def __iter__(self) -> Iterator[Tensor]:
        stretches = self.stretches()
        while True:
            ids = torch.stack([next(stretches) for _ in range(self.batch_texts)]).to(self.device)
            found = self.model(ids, use_cache=False).last_hidden_state.float()
            kept = found[ids != self.tokenizer.bos_token_id]
            norms = kept.norm(dim=-1)
            yield kept[norms <= OUTLIER * norms.median()]


def train(residuals: Residuals, features: int, k: float, tokens: int, batch: int, lr: float) -> BatchTopKTrainingSAE:
    """A trained SAE, its input normalisation folded into the weights."""
    device, steps = residuals.device, tokens // batch
    sae = BatchTopKTrainingSAE(
        BatchTopKTrainingSAEConfig(
            d_in=residuals.width,
            d_sae=features,
            k=k,
            device=device,
            # The threshold is a running mean that starts at zero. With sae-lens's rate of 0.01, a run of some hundred
            # steps would end with a much too low one, and the saved SAE would fire on everything.
            topk_threshold_lr=max(0.01, min(0.5, 10 / steps)),
            # Residual norms here are over 100, and the default learning rates are meant for about sqrt(d_in).
            normalize_activations="expected_average_only_in",
            metadata=SAEMetadata(
                model_name=MODEL_NAME, hook_name=HOOK, context_size=residuals.context, prepend_bos=True
            ),
        )
    )
    # Most of a residual is the mean of all; from zero, a short run would only learn that.
    first = next(iter(residuals))
    sae.b_dec.data = first.mean(0) * residuals.width**0.5 / first.norm(dim=-1).mean()
    config = SAETrainerConfig(
        total_training_samples=steps * batch,
        train_batch_size_samples=batch,
        lr=lr,
        lr_end=0.0,
        lr_warm_up_steps=steps // 20,
        lr_decay_steps=steps // 2,
        device=device,
        dead_feature_window=150,
        n_batches_for_norm_estimate=min(100, max(1, steps // 20)),
        logger=LoggingConfig(log_to_wandb=False),
    )
    # Neighbouring tokens are alike: without mixing, a batch would be a few texts.
    shuffled = mixing_buffer(min(16 * batch, max(tokens // 4, 2 * batch)), batch, iter(residuals))
    trainer = SAETrainer(cfg=config, sae=sae, data_provider=shuffled)
    return trainer.fit()


def save(sae: BatchTopKTrainingSAE, out: Path, half: bool) -> None:
    """Save for inference, as JumpReLU: what `SAE.load_from_disk(out)` reads."""
    weights, _ = sae.save_inference_model(out)
    if half:
        # The matrices only: a threshold off by a rounding decides whether a feature fires.
        stored = load_file(weights)
        save_file({n: v.half().contiguous() if v.ndim == 2 else v for n, v in stored.items()}, weights)


@torch.no_grad()
def measure(folder: Path, residuals: Residuals) -> dict[str, float]:
    """What the saved SAE does to fresh activations: features a token, variance explained, features that are silent."""
    sae = SAE.load_from_disk(folder, device=residuals.device)
    stream = iter(residuals)
    x = torch.cat([next(stream) for _ in range(2)])
    acts = sae.encode(x)
    rest = (x - sae.decode(acts)).pow(2).sum() / (x - x.mean(0)).pow(2).sum()
    return {
        "tokens": float(len(x)),
        "L0": float((acts > 0).sum(-1).float().mean()),
        "variance explained": 1 - float(rest),
        "silent features": float((acts.amax(0) <= 0).sum()),
        "largest deviation of a decoder norm from 1": float((sae.W_dec.norm(dim=-1) - 1).abs().max()),
    }


def texts_of(path: Path | None) -> list[str]:
    """The shipped corpus, or every .txt file and every row of every .parquet file below `path`."""
    if path is None:
        return [str(text) for text in load_corpus()["text"]]
    found = [file.read_text(encoding="utf-8") for file in sorted(path.rglob("*.txt"))]
    for table in sorted(path.rglob("*.parquet")):
        try:
            found += pd.read_parquet(table, columns=["text"])["text"].astype(str).tolist()
        except (KeyError, ValueError) as error:
            raise SystemExit(f"{table} has no column named text ({error}).") from error
    if not any(text.strip() for text in found):
        raise SystemExit(f"There is no text in {path}: --texts is a folder with .txt (UTF-8) or .parquet files.")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Train, save, load again and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the SAE")
    parser.add_argument(
        "--texts", type=Path, help="folder with .txt or .parquet files (column text); default: the shipped corpus"
    )
    parser.add_argument("--features", type=int, default=1024)
    parser.add_argument("--k", type=float, default=32, help="features a token, on average")
    parser.add_argument("--tokens", type=int, default=60_000, help="activations to train on")
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--batch", type=int, default=256, help="activations of one step")
    parser.add_argument("--batch-texts", type=int, default=8, help="stretches of one forward pass")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"], help="of the model")
    parser.add_argument("--half", action="store_true", help="store the matrices as float16")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(argv)
    if given.tokens < 2 * given.batch:
        parser.error("--tokens must be at least two batches (--batch)")

    torch.manual_seed(given.seed)
    residuals = Residuals(
        texts_of(given.texts), given.context, given.batch_texts, given.device, getattr(torch, given.dtype)
    )
    sae = train(residuals, given.features, given.k, given.tokens, given.batch, given.lr)
    save(sae, given.out, given.half)
    for name, value in measure(given.out, residuals).items():
        print(f"{name}: {value:.4g}")
    print(f"Open it: sw.Engine(model, SAE.load_from_disk({str(given.out)!r}))")
    return 0


if __name__ == "__main__":
    sys.exit(main())
