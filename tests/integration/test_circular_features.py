"""The circles of Engels et al. 2024, "Not All Language Model Features Are Linear", on the SAE that they were found in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest

import saewidgets as sw

# gpt2-small-res-jb, blocks.7.hook_resid_pre: the groups of their figure 1 and the mean pairwise cosine of the decoder rows, from the
# README of github.com/JoshEngels/MultiDimensionalFeatures.
GROUPS = {
    "days": ([2592, 4445, 4663, 4733, 6531, 8179, 9566, 20927, 24185], 0.63),
    "months": (
        [3977, 4140, 5993, 7299, 9104, 9401, 10449, 11196, 12661, 14715, 17068, 17528, 19589, 21033, 22043, 23304],
        0.53,
    ),
    "years": ([1052, 2753, 4427, 6382, 8314, 9576, 9606, 13551, 19734, 20349], 0.55),
}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
TEXTS = [
    text.format(day)
    for day in DAYS
    for text in (
        "The meeting was moved to {} afternoon, and nobody complained.",
        "He arrived on {} morning with two suitcases.",
        "The shop is closed every {} in the winter.",
        "We will see each other next {} at the station.",
        "Police said on {} that the road would stay closed.",
        "By {} the snow had melted.",
    )
]

pytestmark = pytest.mark.hub


@pytest.fixture(scope="module")
def gpt2() -> Iterator[sw.Engine]:
    with sw.Engine.from_pretrained(
        "gpt2-small", release="gpt2-small-res-jb", sae_id="blocks.7.hook_resid_pre", device="cpu"
    ) as engine:
        yield engine


@pytest.mark.parametrize("name", GROUPS)
def test_the_paper_s_groups_point_the_same_way(gpt2: sw.Engine, name: str) -> None:
    features, published = GROUPS[name]
    rows = next(iter(gpt2.dictionaries.values())).decoder().numpy()[features].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cosines = [rows[i] @ rows[j] for i, j in combinations(range(len(rows)), 2)]
    assert np.mean(cosines) == pytest.approx(published, abs=0.01)


def test_the_days_of_the_week_lie_on_a_circle_in_their_order(gpt2: sw.Engine) -> None:
    """In the paper on the second and third component: the first is how much of a day it is."""
    found = sw.subspace(gpt2, GROUPS["days"][0], texts=TEXTS)
    frame = found.to_pandas()
    days = frame[frame["token"].str.strip().isin(DAYS)]
    centres = days.groupby(days["token"].str.strip())[["pc2", "pc3"]].mean().loc[DAYS]
    angle = np.arctan2(centres["pc3"], centres["pc2"]).to_numpy()
    round_it = np.argsort(angle)
    steps = np.diff([*round_it, round_it[0]]) % len(DAYS)
    assert set(steps.tolist()) in ({1}, {len(DAYS) - 1}), dict(zip(DAYS, angle, strict=True))
