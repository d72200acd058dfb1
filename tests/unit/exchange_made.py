"""Files of Neuronpedia and SAEDashboard, written by their definitions and not by our writers."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]

WORDS = [
    *(
        " the",
        " God",
        "\n",
        "日本",
        "é",
        " naïve",
        "ãĤ±",
        "ï¸ı",
        "�",
        "\u0000",
        "</script>",
        "\u202e",
        "\ud83d",
        "😀",
        " ",
    ),
    *("<|endoftext|>", "Ġthe", "▁word", "<0x0A>", '"', "\\", "'; DROP TABLE", "a" * 40, "Ċ"),
]


def numbers(dice: random.Random, n: int, low: float = -1, high: float = 1) -> list[float]:
    """As many digits as SAEDashboard writes."""
    return [round(dice.uniform(low, high), 3) for _ in range(n)]


def histogram(dice: random.Random, low: float, high: float, most: int) -> tuple[list[float], list[int]]:
    """Centres of 50 equal bars, and their heights."""
    edges = np.linspace(low, high, 51)
    return [round(float(x), 5) for x in (edges[:-1] + edges[1:]) / 2], [dice.randrange(1, most) for _ in range(50)]


def dashboard_window(dice: random.Random, low: float, high: float, contains: float, *, dfa: bool = False) -> Row:
    n = dice.randrange(2, 12)
    values = [dice.choice([0.0, round(dice.uniform(0, max(high, 0.1)), 3)]) for _ in range(n)]
    row: Row = {
        "bin_min": low,
        "bin_max": high,
        "bin_contains": contains,
        "tokens": [dice.choice(WORDS) for _ in range(n)],
        "values": values,
        "qualifying_token_index": dice.randrange(-1, n),
    }
    if dfa:
        row |= {"dfa_values": numbers(dice, n), "dfa_maxValue": 1.5, "dfa_targetIndex": dice.randrange(n)}
    return row


def dashboard_feature(dice: random.Random, index: int, width: int, *, dead: bool = False, dfa: bool = False) -> Row:
    high = round(dice.uniform(1, 20), 3)
    values, heights = ([], []) if dead else histogram(dice, 0.001, high, 40)
    logit_values, logit_heights = histogram(dice, -2, 2, 900)
    windows = [dashboard_window(dice, -1, high, -1, dfa=dfa) for _ in range(dice.randrange(1, 5))]
    for at in dice.sample(range(10), 0 if dead else 3):
        bounds = round(high * at / 10, 3), round(high * (at + 1) / 10, 3)
        windows += [dashboard_window(dice, *bounds, round(dice.random(), 5)) for _ in range(2)]
    if dead:
        for window in windows:
            window["values"] = [0.0] * len(window["values"])
    return {
        "feature_index": index,
        **{f"neuron_alignment_{k}": v for k, v in _three(dice, 3, 576).items()},
        **{f"correlated_neurons_{k}": v for k, v in _three(dice, 3, 576, "pearson").items()},
        **{f"correlated_features_{k}": v for k, v in _three(dice, 3, width, "pearson").items()},
        "neg_str": [dice.choice(WORDS) for _ in range(10)],
        "neg_values": [*numbers(dice, 9, -2, 0), -10000],
        "pos_str": [dice.choice(WORDS) for _ in range(10)],
        "pos_values": numbers(dice, 10, 0, 2),
        "frac_nonzero": 0.0 if dead else round(sum(heights) / 100_000, 5),
        "freq_hist_data_bar_values": values,
        "freq_hist_data_bar_heights": heights,
        "logits_hist_data_bar_values": logit_values,
        "logits_hist_data_bar_heights": logit_heights,
        "n_prompts_total": 1000,
        "n_tokens_in_prompt": 100,
        "dataset": "some/corpus",
        "decoder_weights_dist": numbers(dice, 4, 0, 1),
        "vector": numbers(dice, 5),
        "activations": windows,
    }


def _three(dice: random.Random, n: int, width: int, second: str = "values") -> dict[str, list[Any]]:
    return {
        "indices": [dice.randrange(width) for _ in range(n)],
        second: numbers(dice, n),
        "l1": numbers(dice, n, 0, 1),
    }


def batch(features: Sequence[Row], **head: Any) -> Row:
    return {"model_id": "gpt2-small", "layer": 7, "sae_set": "res-jb", "features": list(features), **head}


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def lines(rows: Sequence[Mapping[str, Any] | str]) -> bytes:
    return b"".join((row if isinstance(row, str) else json.dumps(row)).encode() + b"\n" for row in rows)


def write_gz(path: Path, rows: Sequence[Mapping[str, Any] | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(lines(rows)))
    return path


def read_gz(path: Path) -> list[Row]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


OF: Row = {"modelId": "gpt2-small", "layer": "7-res-jb"}


def np_activation(index: int, tokens: Sequence[str], values: Sequence[float], **more: Any) -> Row:
    return {
        **OF,
        "index": str(index),
        "tokens": list(tokens),
        "values": list(values),
        "maxValue": max(values),
        "maxValueTokenIndex": int(np.argmax(values)),
        "minValue": min(values),
        "binMin": -1,
        "binMax": max(values),
        "binContains": -1,
        "qualifyingTokenIndex": int(np.argmax(values)),
        **more,
    }


def np_feature(dice: random.Random, index: int, width: int) -> Row:
    """A row of features/batch-N.jsonl.gz."""
    row = dashboard_feature(dice, index, width)
    left = ("feature_index", "n_prompts_total", "n_tokens_in_prompt", "dataset", "activations")
    return {
        **OF,
        "index": str(index),
        "sourceSetName": "res-jb",
        "creatorId": "somebody",
        "hasVector": True,
        "hookName": "blocks.7.hook_resid_pre",
        "maxActApprox": row["activations"][0]["bin_max"],
        "vectorDefaultSteerStrength": 10,
        "topkCosSimIndices": [dice.randrange(width) for _ in range(4)],
        "topkCosSimValues": numbers(dice, 4, 0, 1),
        "umap_x": 0.25,
        **{key: value for key, value in row.items() if key not in left},
    }


def bulk(folder: Path, dice: random.Random, n: int = 4) -> tuple[Path, list[Row], list[Row]]:
    """A bulk export of n features; its folder, its rows of features, and those of activations."""
    features = [np_feature(dice, i, n) for i in range(n)]
    acts = [
        np_activation(
            i,
            [dice.choice(WORDS) for _ in range(6)],
            numbers(dice, 6, 0.001, 5),
            dataIndex=str(k),
            createdAt="2024-01-01",
            dfaValues=numbers(dice, 6),
            dfaTargetIndex=2,
            dfaMaxValue=0.5,
        )
        for i in range(n)
        for k in range(3)
    ]
    dice.shuffle(acts)  # joined on the index, wherever they stand
    home = folder / "gpt2-small" / "7-res-jb"
    write_gz(home / "features" / "batch-0.jsonl.gz", features[: n // 2])
    write_gz(home / "features" / "batch-1.jsonl.gz", features[n // 2 :])
    write_gz(home / "activations" / "batch-0.jsonl.gz", acts)
    source = {"id": "7-res-jb", "modelId": "gpt2-small", "setName": "res-jb", "num_prompts": 1000}
    source |= {"num_tokens_in_prompt": 100, "dataset": "some/corpus", "hasDashboards": True}
    (home / "source.jsonl").write_bytes(lines([source]))
    (home / "release.jsonl").write_bytes(lines([{"name": "res-jb", "description": "SAEs"}]))
    said = [
        {**OF, "index": str(i), "description": f"about {i}", "explanationModelName": "gpt-4o-mini"} for i in range(n)
    ]
    write_gz(home / "explanations" / "batch-0.jsonl.gz", said)
    return home, features, acts
