"""What a GPU does otherwise: numbers that come over later, weights that come over block by block, a model in bfloat16.

The path of the numbers is tried on the CPU, too, where nothing is ever on its way; the rest needs a device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

import saewidgets as sw
from saewidgets.engine.activations.extract import send
from saewidgets.engine.activations.windows import Window
from saewidgets.engine.ticket import Ticket
from saewidgets.engine.transfer import Arriving, Transfer
from saewidgets.errors import NonFiniteError

HOOK = "blocks.1.hook_resid_pre"
TEXTS = ["In the beginning God created the heaven", "and the earth. " * 9, "the heaven and the earth", "beginning"] * 3


def test_several_arrays_arrive_as_they_were() -> None:
    draw = np.random.default_rng(0)
    wanted: dict[str, Any] = {
        "counts": draw.integers(0, 2**31 - 1, 5),
        "values": np.array([0.1, -0.0, np.inf, np.nan, 1e-45], np.float32),
        "none": np.zeros(0, np.int64),
        "norm": draw.normal(size=3).astype(np.float32),
    }
    found = send({name: torch.from_numpy(array) for name, array in wanted.items()}, Transfer()).arrays()
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        assert found[name].tobytes() == array.tobytes()


def test_without_pinned_memory_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(*_: Any, pin_memory: bool = False, **__: Any) -> torch.Tensor:
        raise RuntimeError("CUDA error: out of memory\nmore")

    transfer, some = Transfer(), torch.ones(3)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "empty", empty)
        assert transfer._pinned(some) is None
        assert transfer.note is not None and "pinned memory (CUDA error: out of memory)" in transfer.note
        patch.setattr(torch, "empty", lambda *_, **__: pytest.fail("asked again"))
        assert transfer._pinned(some) is None
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        engine._reader._transfer.note = transfer.note
        assert transfer.note in engine.activations("the").notes


def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, numbers are on their way until they are waited for, as from a GPU."""
    monkeypatch.setattr(Arriving, "on_its_way", True)


Told = list[tuple[list[tuple[int, ...]], bytes, list[bytes]]]


def read(engine: sw.Engine, seen: list[tuple[int, int]]) -> tuple[Told, list[bytes]]:
    """What a watch is told, and all pieces."""
    told: Told = []

    def watch(batch: Sequence[Window], x: torch.Tensor, pieces: Sequence[Any]) -> None:
        told.append(([w.ids for w in batch], x.numpy().tobytes(), [p.values.tobytes() for p in pieces]))

    ticket = Ticket(on_progress=lambda done, total: seen.append((done, total)))
    pieces = engine._reader.read(engine.to_ids(TEXTS), [engine.dictionary()], None, False, ticket, watch)[0]
    return told, [piece.features.tobytes() + piece.values.tobytes() for (piece,) in pieces]


def test_numbers_that_come_over_later_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae("topk"), batch_tokens=60) as engine:
        first: list[tuple[int, int]] = []
        wanted = read(engine, first)
        later(monkeypatch)
        second: list[tuple[int, int]] = []
        assert read(engine, second) == wanted
        assert len(wanted[0]) > 2 and first[-1] == second[-1]
        sae = tiny.sae_of(engine)
        with torch.no_grad():
            sae.b_enc.fill_(torch.nan)
        with pytest.raises(NonFiniteError):
            read(engine, [])


def test_a_scan_whose_numbers_come_over_later_ends_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def built(name: str) -> dict[str, str]:
        with sw.Engine(tiny.hooked(), tiny.sae("jumprelu"), batch_tokens=60) as engine:
            index = sw.build_index(engine, TEXTS, tmp_path / name, progress=False, neuron_correlations=True, wait=True)
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in index.folder.path.iterdir()}

    wanted = built("now")
    later(monkeypatch)
    assert built("later") == wanted


def test_a_watch_that_runs_out_of_memory_is_told_the_batch_in_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is told twice, and no forward is repeated, whenever the numbers came."""
    monkeypatch.setattr("saewidgets.engine.memory.gc.collect", lambda: 0)
    for come_later in (False, True):
        if come_later:
            later(monkeypatch)
        with sw.Engine(tiny.hooked(), tiny.sae("topk")) as engine:
            told: list[tuple[int, ...]] = []

            def watch(batch: Sequence[Window], x: torch.Tensor, pieces: Sequence[Any]) -> None:
                if len(batch) > 4:
                    raise torch.OutOfMemoryError("CUDA out of memory.")
                assert len(batch) == len(x) == len(pieces)
                told.extend(w.ids for w in batch)  # noqa: B023

            ids = engine.to_ids(TEXTS)
            engine._reader.read(ids, [engine.dictionary()], None, False, Ticket(), watch)
            assert sorted(told) == sorted(map(tuple, ids))
            assert any("batches were made smaller" in note for note in engine.activations("the").notes)


def in_bfloat16(device: str = "cpu") -> Any:
    return tiny.hooked().to(torch.bfloat16).to(device)


@pytest.mark.parametrize("architecture", ["jumprelu", "topk"])
def test_a_model_in_bfloat16_beside_an_sae_in_float32(architecture: str) -> None:
    """The hook's values as the model gives them, cast, and encoded in float32."""
    model, sae = in_bfloat16(), tiny.sae(architecture)
    for size in (None, 7):
        with sw.Engine(model, sae, encode_features=size) as engine:
            found = engine.activations(TEXTS[1])
            with torch.no_grad():
                x = model.run_with_cache(torch.tensor(engine.to_ids(TEXTS[1])))[1][HOOK][0]
                assert x.dtype == torch.bfloat16
                wanted = sae.encode(x.float())
            np.testing.assert_allclose(found[:, :], wanted, atol=1e-5, rtol=1e-4)
            assert found.provenance["dtype"] == "model in bfloat16, dictionary in float32"
            np.testing.assert_allclose(found.input_norm, x.float().norm(dim=-1), rtol=1e-5)


# -- with a device


@pytest.fixture
def device() -> str:
    return "cuda"


def on(device: str, architecture: str, of_sae: str | None = None, **settings: Any) -> sw.Engine:
    return sw.Engine(tiny.hooked().to(device), tiny.sae(architecture).to(of_sae or device), **settings)


@pytest.mark.gpu
@pytest.mark.parametrize(
    "architecture", ["standard", "gated", "jumprelu", "topk", "topk_rescaled", "abstopk", "temporal"]
)
def test_the_numbers_of_the_cpu(architecture: str, device: str) -> None:
    """All at once, in blocks, and with the weights left on the CPU."""
    with on("cpu", architecture) as engine:
        wanted = engine.activations(TEXTS)
    for settings in ({}, {"encode_features": 7}, {"of_sae": "cpu"}, {"of_sae": "cpu", "encode_features": 7}):
        with on(device, architecture, **settings) as engine:
            found = engine.activations(TEXTS)
            np.testing.assert_allclose(found[:, :], wanted[:, :], atol=1e-3, rtol=1e-3)
            assert engine._reader.notes == []
            if "of_sae" in settings and architecture != "temporal":
                assert "the weights stay on the CPU" in found.provenance["encoding"]


@pytest.mark.gpu
def test_a_scan_of_many_batches(device: str, tmp_path: Path) -> None:
    indices = []
    for where in ("cpu", device):
        with on(where, "jumprelu", batch_tokens=60) as engine:
            indices.append(sw.build_index(engine, TEXTS, tmp_path / where, progress=False, wait=True))
    one, two = indices
    np.testing.assert_array_equal(one.column("count"), two.column("count"))
    for name in ("total", "squares", "high"):
        np.testing.assert_allclose(one.column(name), two.column(name), atol=1e-3, rtol=1e-3)


@pytest.mark.gpu
def test_bfloat16_there(device: str) -> None:
    with sw.Engine(in_bfloat16(), tiny.sae("jumprelu")) as engine:
        wanted = engine.activations(TEXTS[1])
    with sw.Engine(in_bfloat16(device), tiny.sae("jumprelu").to(device)) as engine:
        found = engine.activations(TEXTS[1])
    assert found.provenance["dtype"] == "model in bfloat16, dictionary in float32"
    np.testing.assert_allclose(found[:, :], wanted[:, :], atol=0.2, rtol=0.1)
