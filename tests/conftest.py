"""The demo engine once for all tests, and skipping of tests whose hardware or network is not here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from saewidgets.engine.engine import Engine


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="the first case of each test, and none that is marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --quick, of a test over many cases the first: an idea is tried, its variations are `make test`'s."""
    if not config.getoption("--quick"):
        return
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.split("[")[0], []).append(item)
    kept = {id(several[0]) for several in cases.values()}
    slow = {id(item) for item in items if item.get_closest_marker("slow")}
    left = [item for item in items if id(item) not in kept - slow]
    items[:] = [item for item in items if id(item) in kept - slow]
    config.hook.pytest_deselected(items=left)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not _has_cuda():
        pytest.skip("torch finds no CUDA device")
    if item.get_closest_marker("hub") and (problem := _hub_problem()):
        pytest.skip(f"the Hugging Face hub is not reachable: {problem}")


@pytest.fixture(scope="session")
def demo_engine() -> Iterator[Engine]:
    """The demo model and SAE on the CPU in float32: the same numbers on every machine. Tests must not change it."""
    import saewidgets as sw

    with sw.load_demo(device="cpu") as engine:
        yield engine


# Asked once a session, and only if a test needs it: both cost seconds.
@lru_cache(maxsize=1)
def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


@lru_cache(maxsize=1)
def _hub_problem() -> str | None:
    from huggingface_hub import constants

    from saewidgets.demo.sources import unreachable

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set"
    return unreachable(f"{constants.ENDPOINT}/gpt2/resolve/main/config.json")
