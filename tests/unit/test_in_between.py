"""Whatever takes long lets others in: another widget's question and a cell's are answered between its steps; and it says how far it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny
from front_end import rank_params

import saewidgets as sw

TEXT, NEXT = "In the beginning God created the heaven", "And the earth was without form, and void"
RECIPE = sw.Recipe([sw.add(3, 1.0)]).to_dict()
ASKED = {"recipe": RECIPE, "prompt": TEXT, "chat": False, "messages": []}
SETTINGS = {
    "seed": 0,
    "n_tokens": 4,
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "repetition_penalty": 1.0,
    "samples": 1,
}


pytestmark = pytest.mark.usefixtures("fake_comm")


@pytest.fixture
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        yield engine


def long_questions(engine: sw.Engine, folder: Path) -> dict[str, tuple[Any, str, dict[str, Any]]]:
    """Widget, channel, parameters."""
    index = sw.build_index(engine, [TEXT * 3, NEXT * 3], folder, progress=False)
    feature = int(index.features["count"].idxmax())
    dashboard = sw.FeatureDashboard(engine, index, feature=feature)
    panel = sw.SteeringPanel(engine, prompt=TEXT, recipe=RECIPE)
    of_examples = {"f": feature, "of": [3, 9, len(engine.to_ids(TEXT * 3)[0]) + 2], "window": 5}
    return {
        "effects": (dashboard, "effects", of_examples),
        "generate": (panel, "generate", {**ASKED, "settings": SETTINGS}),
        "effect": (panel, "effect", {**ASKED, "continuation": [], "freeze": False}),
        "effect, frozen": (panel, "effect", {**ASKED, "continuation": [], "freeze": True}),
        "sweep": (panel, "sweep", {**ASKED, "settings": SETTINGS, "samples": 2, "row": 0, "controls": 1}),
        "answer": (panel, "answer", {**ASKED, "answer": " earth"}),
    }


@pytest.mark.slow
@pytest.mark.parametrize("which", ["effects", "generate", "effect", "effect, frozen", "sweep", "answer"])
def test_others_are_answered_in_between(
    which: str, engine: sw.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saewidgets.interventions.effects.ablation._MAX_TOKENS", 1)
    monkeypatch.setattr("saewidgets.interventions.effects.answers._LOGITS", 1)
    widget, channel, params = long_questions(engine, tmp_path / "index")[which]
    heatmap = sw.TokenFeatureHeatmap(engine, TEXT)
    begun, goes_on = threading.Event(), threading.Event()
    real = engine.model.logits

    def slow(*args: Any, **more: Any) -> Any:
        if not begun.is_set():
            begun.set()
            assert goes_on.wait(30)
        return real(*args, **more)

    monkeypatch.setattr(engine.model, "logits", slow)
    done: list[str] = []
    sent = type(widget.comm).publish_msg

    def publish(self: Any, msg_type: str, data: Any = None, **more: Any) -> None:
        content = (data or {}).get("content") or {}
        if content.get("t") == "res":
            done.append(content["id"])
        sent(self, msg_type, data, **more)

    monkeypatch.setattr(type(widget.comm), "publish_msg", publish)
    widget.comm.view_sends({"t": "req", "id": "long", "ch": channel, "p": params, "enc": "binary"})
    assert begun.wait(30)
    heatmap.comm.view_sends({"t": "req", "id": "quick", "ch": "rank", "p": rank_params(NEXT), "enc": "binary"})
    cell = threading.Thread(target=lambda: (engine.activations(NEXT), done.append("cell")))
    cell.start()
    while len(engine.worker._queue.waiting) < 2:
        time.sleep(0.001)
    goes_on.set()
    message, _ = widget.comm.response("long", 60)
    cell.join(60)
    assert message["ok"], message
    assert done.index("quick") < done.index("long")
    quick, _ = heatmap.comm.response("quick")
    assert quick["ok"], quick


def test_a_cell_is_answered_within_a_panels_run(engine: sw.Engine) -> None:
    """By the order of the worker's jobs: the cell's ends before the panel's does."""
    panel = sw.SteeringPanel(engine, prompt=TEXT, recipe=RECIPE)
    begun, goes_on, ended = threading.Event(), threading.Event(), threading.Event()
    was_ended: list[bool] = []
    real = engine.model.logits

    def slow(*args: Any, **more: Any) -> Any:
        begun.set()
        assert goes_on.wait(30)
        return real(*args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.model, "logits", slow)
        panel.comm.view_sends({"t": "req", "id": "long", "ch": "effect", "p": {**ASKED, "continuation": []}})
        assert begun.wait(30)
        job = engine.worker.submit(lambda _: was_ended.append(ended.is_set()))
        panel._jobs["long"].on_done, answer = (lambda job: (ended.set(), answer(job))), panel._jobs["long"].on_done  # type: ignore[misc]
        goes_on.set()
        assert job.finished.wait(30)
        panel.comm.response("long", 60)
    assert was_ended == [False]


@pytest.mark.slow
def test_a_sweep_says_how_many_texts_are_written_and_measured(engine: sw.Engine) -> None:
    """One count, in texts, that grows through writing and measuring, however many tokens a text has."""
    heard: list[tuple[int, int]] = []
    made = sw.sweep(
        engine,
        [TEXT, NEXT],
        sw.add(3, 1.0),
        strengths=[0, 1, 2],
        samples=4,
        controls=1,
        n_tokens=20,
        on_progress=lambda done, total: heard.append((done, total)),
    )
    # Unedited and no edit are one; two strengths; as many of each of two controls.
    n = 2 * 4 * (1 + 2 + 2 * 2)
    assert made.n == 8
    assert {total for _, total in heard} == {n}, "texts, never tokens"
    counts = [done for done, _ in heard]
    assert counts == sorted(counts) and counts[-1] == n
    halfway = [done for done in counts if 0 < done < n // 2]
    assert any(done < n // 6 for done in halfway), "while the first prompt's texts are written"
    assert any(done > n // 6 for done in halfway), "while they are measured"
