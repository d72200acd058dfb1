"""`sw.verify` on files of which one thing is false, by the definition of what SAEDashboard writes: it names no cause that is none,
and calls nothing reproduced that was not compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from exchange_made import batch, write_json

import saewidgets as sw

TEXTS = ["In the beginning God created the heaven and the earth. " * 2, "heaven and earth and heaven God"]
FEATURES = [1, 5, 9, 20]
Change = Callable[[np.ndarray, int, torch.Tensor], np.ndarray]

pytestmark = pytest.mark.slow


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae("standard")) as engine:
        yield engine


def activations(ids: torch.Tensor, **how: int) -> np.ndarray:
    """[tokens, features] what sae-lens computes."""
    sae: Any = tiny.sae("standard", **how)
    _, cache = tiny.hooked().run_with_cache(ids)
    return sae.encode(cache[sae.cfg.metadata.hook_name])[0].detach().numpy()


def file(path: Path, change: Change, *, digits: int | None = 3, begin: int = 1) -> Path:
    """A batch of texts with a BOS, without their first `begin` tokens."""
    features = []
    for feature in FEATURES:
        windows = []
        for text in TEXTS:
            ids = tiny.hooked().to_tokens(text, prepend_bos=True)
            values = change(activations(ids)[:, feature].copy(), feature, ids)[begin:]
            numbers = [float(v) if digits is None else round(float(v), digits) for v in values]
            tokens = [tiny.tokenizer().decode([i]) for i in ids[0].tolist()][begin:]
            windows.append(
                {"bin_min": -1, "bin_max": 9.0, "bin_contains": -1, "qualifying_token_index": 1}
                | {"tokens": tokens, "values": numbers}
            )
        features.append({"feature_index": feature, "frac_nonzero": 0.1, "activations": windows})
    return write_json(path / "batch-0.json", batch(features))


def without_bos(values: np.ndarray, _f: int, _ids: torch.Tensor) -> np.ndarray:
    values[0] = 0
    return values


def one_changed(values: np.ndarray, _f: int, _ids: torch.Tensor) -> np.ndarray:
    values[1 + int(values[1:].argmax())] += 0.02
    return values


def of_another(_values: np.ndarray, feature: int, ids: torch.Tensor) -> np.ndarray:
    return activations(ids)[:, (feature + 3) % tiny.D_SAE]


def of_another_sae(_values: np.ndarray, feature: int, ids: torch.Tensor) -> np.ndarray:
    return activations(ids, seed=9)[:, feature]


def in_bfloat16(values: np.ndarray, _f: int, _ids: torch.Tensor) -> np.ndarray:
    return torch.from_numpy(values * 1.03).to(torch.bfloat16).float().numpy()


def test_a_zero_at_a_token_that_is_left_out_is_no_activation(engine: sw.Engine, tmp_path: Path) -> None:
    """SAEDashboard's mask puts 0 at BOS, on which the feature may fire all the same."""
    ids = tiny.hooked().to_tokens(TEXTS[0], prepend_bos=True)
    assert activations(ids)[0, FEATURES].any()
    assert sw.verify(engine, file(tmp_path, without_bos, begin=0), FEATURES).reproduces


@pytest.mark.parametrize("form", ["neuronpedia", "saedashboard"])
def test_what_an_index_writes_reproduces(form: str, engine: sw.Engine, tmp_path: Path) -> None:
    index = sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
    if form == "neuronpedia":
        index.to_neuronpedia(tmp_path / "files")
    else:
        index.to_saedashboard(tmp_path / "files")
    found = sw.verify(engine, tmp_path / "files", FEATURES)
    assert found.reproduces, found


def test_an_activation_that_was_not_computed_is_not_reproduced(engine: sw.Engine, tmp_path: Path) -> None:
    """Of a text that is run without its BOS all that is compared may be silent; what is not is the BOS."""
    ids = tiny.hooked().to_tokens(TEXTS[0], prepend_bos=True)[0, :2].tolist()
    alone = activations(torch.tensor([ids[1:]]))[0]
    feature = int(np.flatnonzero(alone == 0)[0])
    tokens = [tiny.tokenizer().decode([i]) for i in ids]
    row = {"feature_index": feature, "activations": [{"tokens": tokens, "values": [9.25, 0.0], "bin_min": -1}]}
    (one,) = sw.verify(engine, write_json(tmp_path / "batch-0.json", batch([row])), [feature]).examples
    assert not one.reproduces
    assert one.cause.startswith("not explained"), one.cause


def test_one_changed_value_is_told_as_that(engine: sw.Engine, tmp_path: Path) -> None:
    found = sw.verify(engine, file(tmp_path, one_changed), FEATURES)
    assert not any(one.reproduces for one in found.examples)
    assert {one.cause.split(" of its ")[0] for one in found.examples} == {"not explained: another value at 1"}


@pytest.mark.parametrize("change", [of_another, of_another_sae, in_bfloat16])
def test_no_cause_is_named_that_is_none(change: Change, engine: sw.Engine, tmp_path: Path) -> None:
    """In bfloat16 are values that are 3% too large: four times what rounding to it does, and to one side."""
    found = sw.verify(engine, file(tmp_path, change, digits=None), FEATURES)
    assert found.examples and not any(one.reproduces for one in found.examples)
    assert all(one.cause.startswith("not explained") for one in found.examples), found
    if change is not in_bfloat16:
        assert not any("a scaling" in one.cause for one in found.examples)


def test_a_scaling_is_told(engine: sw.Engine, tmp_path: Path) -> None:
    found = sw.verify(engine, file(tmp_path, lambda values, *_: values * 1.01), FEATURES)
    assert not any(one.reproduces for one in found.examples)
    assert sum("stored is 1.01 x recomputed at every token" in one.cause for one in found.examples) > 4


def test_what_begins_in_the_middle_is_not_reproduced(engine: sw.Engine, tmp_path: Path) -> None:
    found = sw.verify(engine, file(tmp_path, lambda values, *_: values, begin=4), FEATURES)
    assert not any(one.reproduces for one in found.examples)
    assert all(one.cause.startswith("not explained") for one in found.examples)


def test_nothing_compared_is_nothing_reproduced(engine: sw.Engine, tmp_path: Path) -> None:
    given = batch([{"feature_index": f, "frac_nonzero": 0.1, "activations": []} for f in FEATURES])
    found = sw.verify(engine, write_json(tmp_path / "batch-0.json", given))
    assert not found.reproduces
    assert "no examples to compare" in repr(found)
    assert any("no example to compare of" in said for said in found.untried)


def test_few_digits_are_those_of_the_file_not_of_an_example(engine: sw.Engine, tmp_path: Path) -> None:
    """The examples of one feature have one digit: in a file of three digits that is not their rounding."""

    def cut(values: np.ndarray, feature: int, _ids: torch.Tensor) -> np.ndarray:
        return np.round(values, 1) if feature == FEATURES[0] else values

    found = sw.verify(engine, file(tmp_path, cut), FEATURES)
    of_first = [one for one in found.examples if one.feature == FEATURES[0]]
    assert of_first and not any(one.reproduces for one in of_first)
