"""One bar for a whole build: what it says at each step, that it never goes back, and that it moves within a batch."""

from __future__ import annotations

import io
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from tqdm import tqdm

import saewidgets as sw
from saewidgets.engine.model.model import Model
from saewidgets.index.scan.progress import Bar

TEXTS = ["In the beginning God created the heaven and the earth. " * 4] * 20
SAID = re.compile(r"index +(\d+)%.*?, (.+?)\s*$")


class Terminal(io.StringIO):
    """Something that can be drawn over."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Bar, float, str]]:
    """Each bar, how far it is and what it says, whenever it is drawn; a poll at every report."""
    seen: list[tuple[Bar, float, str]] = []
    real = Bar._put

    def put(self: Bar, text: str, *more: Any) -> None:
        real(self, text, *more)
        seen.append((self, self._reached, text))

    monkeypatch.setattr(Bar, "_put", put)
    return seen


@pytest.mark.parametrize("known", [True, False], ids=["tokens known", "a generator"])
def test_one_bar_over_all_steps(
    known: bool, drawn: list[tuple[Bar, float, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        corpus = TEXTS if known else (text for text in TEXTS)
        sw.build_index(engine, corpus, tmp_path / "index", tokens=700 if known else None, wait=True)
    bars, reached, said = zip(*drawn, strict=True)
    assert len(set(map(id, bars))) == 1 and list(reached) == sorted(reached) and reached[-1] == 1
    steps = list(dict.fromkeys(text.split(",")[0] for text in said))
    assert [step for step in steps if step in ("scan", "statistics", "weights of all features")]
    assert said[-1].endswith("tokens read") and "100%" in screen.getvalue()
    assert not tqdm._instances, "no bar is left open"


def test_each_step_has_its_part_and_a_build_that_breaks_stays_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)

    def at() -> tuple[int, str]:
        found = SAID.search(screen.getvalue().splitlines()[-1])
        assert found is not None
        return int(found[1]), found[2]

    def breaks_off(bar: Bar) -> None:
        bar.draw("check of the corpus", 0, 900)
        assert not screen.getvalue()
        bar.expect(lambda tokens: {"check of the corpus": 1, "": 1})
        bar.draw("check of the corpus", 450, 900)
        assert at() == (25, "check of the corpus, 450 of 900 tokens")
        bar.expect(lambda tokens: {"scan": tokens, "statistics": 200, "weights of all features": 800})
        bar.draw("scan", 500, 1000)  # of what was left, and half of it is the scan
        assert at() == (44, "scan, 500 of 1.00k tokens")
        bar.draw("scan", 20, 1000)
        assert "44%" in str(bar._bar), "it never goes back"
        bar.draw("statistics", 0, 48)
        assert at() == (62, "statistics, 0 of 48 features")
        bar.draw("weights of all features", 24, 48)
        assert at() == (85, "weights of all features, 24 of 48 features")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Bar(True) as bar:
        breaks_off(bar)
    assert at()[0] == 85
    lines = screen.getvalue().splitlines()
    assert len(lines) == 4 and "\r" not in screen.getvalue(), "a log gets a line a step, or a tenth of the whole"


def test_nothing_is_drawn_where_nothing_is_to_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sw.Engine(tiny.hooked(), tiny.sae()) as engine:
        sw.build_index(engine, TEXTS, tmp_path / "index", progress=False, wait=True)
        sw.FeatureIndex.open(tmp_path / "index", engine=engine).wait()
    assert capsys.readouterr() == ("", "")


# -- within a batch


@pytest.mark.parametrize("wrapper", tiny.MODELS)
def test_tokens_are_told_before_the_first_forward_has_come_to_its_second_block(
    wrapper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU a block of a large batch takes seconds: what is done of it is told, in order, and changes nothing."""
    model = tiny.MODELS[wrapper]()
    ids = [[0, *range(5, 60)]] * 20
    last = "blocks.1.hook_resid_post"
    told: list[tuple[str, int, int]] = []
    where = "before"

    def mark(name: str) -> Any:
        def hook(*_: object) -> None:
            nonlocal where
            where = name

        return hook

    with sw.Engine(model, sw.Directions(torch.eye(tiny.D_MODEL), last)) as engine:
        quiet = engine.activations(ids[:1])
        for n, block in enumerate(model.blocks):
            block.register_forward_pre_hook(mark(f"block {n}"))
        read = Model.read

        def ended(*given: Any) -> Any:
            nonlocal where
            found = read(*given)
            where = "after"
            return found

        monkeypatch.setattr(Model, "read", ended)
        made = engine.activations(ids, on_progress=lambda done, total: told.append((where, done, total)))
        assert not [m for m in model.modules() if len(m._forward_hooks) > 2], "hooks were left"
    total = sum(map(len, ids))
    assert {t for _, _, t in told} == {total} and [d for _, d, _ in told] == sorted(d for _, d, _ in told)
    first = [done for at, done, _ in told if at == "block 0" and done]
    assert first and max(first) <= total / 2, told
    assert [done for at, done, _ in told if at == "block 1"]
    assert told[-1][1] == total
    assert (made.to_pandas().head(len(quiet.to_pandas()))["activation"] == quiet.to_pandas()["activation"]).all()


def test_a_scan_is_drawn_before_its_first_batch_is_read(
    drawn: list[tuple[Bar, float, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first forward waits in its second block until the bar shows tokens."""
    model = tiny.hooked()
    seen = threading.Event()
    real = Bar._put

    def put(self: Bar, text: str, *more: Any) -> None:
        real(self, text, *more)
        if text.startswith("scan") and not text.startswith("scan, 0 "):
            seen.set()

    monkeypatch.setattr(Bar, "_put", put)
    waited: list[bool] = []
    with sw.Engine(model, tiny.sae(hook="blocks.1.hook_resid_post")) as engine:
        model.blocks[1].register_forward_pre_hook(
            lambda _m, x: waited.append(seen.wait(60)) if x[0].numel() > 9e3 else None
        )
        sw.build_index(engine, TEXTS, tmp_path / "index")
        assert waited and all(waited)
