"""A tiny model with an SAE in which shapes were planted: seven tokens on a circle, some on a line, and noise.

Token embeddings and SAE weights are set by hand: which features fire, and how strongly, follows from the token and, by noise
in the positional embeddings, from where it stands.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tiny
import torch

import saewidgets as sw

HOOK = "blocks.0.hook_resid_pre"
CIRCLE, LINE, NOISE = list(range(7)), list(range(7, 11)), list(range(11, 16))
"""Features."""
TWINS = [16, 17]
"""Features with one decoder row; the second fires half as strongly as the first."""
SILENT = [18, 19, 20]
"""Features that never fire, whose decoder rows are close to each other."""
DAYS, RISING, OTHERS = list(range(10, 17)), list(range(20, 50)), list(range(60, 160))
"""Token ids on the circle, on the line, and of noise."""
PLANE = np.eye(tiny.D_MODEL)[:2]
"""The circle's plane."""
_ANGLE = 2 * np.pi * np.arange(7) / 7
_D = tiny.D_MODEL


def directions() -> npt.NDArray[np.float64]:
    """Decoder rows [48, 16]. The circle: dimensions 0 and 1, with a share of dimension 2 in common; the line: 3, spread a little
    over 4 and 5; noise: 6 in common, and each an own one of 7 to 11; twins: 12; silent ones: 13. Others are 0."""
    rows = np.zeros((tiny.D_SAE, _D))
    rows[CIRCLE, 0], rows[CIRCLE, 1], rows[CIRCLE, 2] = np.cos(_ANGLE), np.sin(_ANGLE), 0.5
    rows[LINE, 3] = 1.0
    rows[LINE, 4], rows[LINE, 5] = [0.1, -0.1, 0.1, -0.1], [0.1, 0.1, -0.1, -0.1]
    rows[NOISE, 6] = 1.5
    rows[NOISE, range(7, 12)] = 1.0
    rows[TWINS, 12] = 1.0
    rows[SILENT, 13], rows[SILENT, 14] = 1.0, [0.1, 0.0, -0.1]
    return rows


def model() -> object:
    """Embeddings that put tokens where the features look."""
    made, dice = tiny.hooked(), np.random.default_rng(7)
    embedding, place = np.zeros((len(tiny.tokenizer()), _D)), np.zeros((tiny.N_CTX, _D))
    embedding[DAYS, 0], embedding[DAYS, 1] = 4 * np.cos(_ANGLE), 4 * np.sin(_ANGLE)
    embedding[RISING, 3] = np.linspace(1.5, 6, len(RISING))
    embedding[np.ix_(OTHERS, range(7, 12))] = dice.normal(0, 2, (len(OTHERS), 5))
    embedding[OTHERS[:9], 12] = np.arange(1, 10)
    place[:, [0, 1, 3, 4, 5]] = dice.normal(0, 0.15, (tiny.N_CTX, 5))
    place[:, 7:12] = dice.normal(0, 0.3, (tiny.N_CTX, 5))
    with torch.no_grad():
        made.W_E.copy_(torch.from_numpy(embedding))
        made.W_pos.copy_(torch.from_numpy(place))
    return made


def sae(decoder: npt.NDArray[np.float64] | None = None, **metadata: object) -> object:
    """Each feature of the circle sees its own token alone; those of the line see how far a token is along it."""
    made = tiny.sae("standard", HOOK, **metadata)
    encoder, bias = np.zeros((_D, tiny.D_SAE)), np.full(tiny.D_SAE, -1.0)
    encoder[0, CIRCLE], encoder[1, CIRCLE], bias[CIRCLE] = np.cos(_ANGLE), np.sin(_ANGLE), -3.0
    encoder[3, LINE], bias[LINE] = 1.0, [-0.5, -0.6, -0.7, -0.8]
    encoder[4, LINE], encoder[5, LINE] = [1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]
    encoder[range(7, 12), NOISE], bias[NOISE] = 1.0, -0.5
    encoder[12, TWINS], bias[TWINS] = [1.0, 0.5], 0.0
    with torch.no_grad():
        for name, value in (("W_enc", encoder), ("b_enc", bias), ("b_dec", np.zeros(_D))):
            getattr(made, name).copy_(torch.from_numpy(value))
        made.W_dec.copy_(torch.from_numpy(directions() if decoder is None else decoder))
    return made


def engine(**metadata: object) -> sw.Engine:
    return sw.Engine(model(), sae(**metadata), outlier_factor=None)  # type: ignore[arg-type]


def corpus(texts: int = 60, seed: int = 3) -> list[list[int]]:
    """Token ids: of each kind a third, in any order."""
    dice = np.random.default_rng(seed)
    kinds = [DAYS, RISING, OTHERS]
    return [[int(dice.choice(kinds[k])) for k in dice.integers(0, 3, 40)] for _ in range(texts)]


def index(path: Path, of: sw.Engine, texts: list[list[int]] | None = None, **how: object) -> sw.FeatureIndex:
    return sw.build_index(of, corpus() if texts is None else texts, path, progress=False, wait=True, **how)  # type: ignore[arg-type]
