"""A bounded scan on a real Ray cluster of this machine: whoever did it, and whoever was killed meanwhile, the same bytes.

Every build runs in a forked process, which Ray may do with as it likes. `SAEW_KILLS=20` kills actors and builds as often.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tiny
import torch
from datasets.arrow_dataset import Dataset
from datasets.load import load_from_disk
from forks import Child, contents, hashes, in_a_child, linux

import saewidgets as sw
from saewidgets.index.corpus.files import CorpusFiles
from saewidgets.index.statistics.kept_examples import Keeping
from saewidgets.storage.shelf import UrlShelf

pytestmark = [pytest.mark.slow, linux]
pytest.importorskip("ray")

N = 60
ROWS: dict[str, list[Any]] = {
    "text": [tiny.TEXTS[i % 2][i % 9 :] + str(i) for i in range(N)],
    "id": [f"doc-{i}" for i in range(N)],
    "n": [i if i % 5 else None for i in range(N)],
}
KILLS = int(os.environ.get("SAEW_KILLS", "2"))

# Ray gives its own processes 15 seconds to start, which a busy machine may not keep for a while.
_TRIES = 6

_HEAD = """
import sys
from saewidgets.index.scan.cluster import joined
with joined("local") as room:
    print(room.ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster in a process of its own; its workers import the helpers of the unit tests."""
    here = Path(__file__).parents[1]
    path = os.pathsep.join([str(here.parent / "src"), str(here / "unit"), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        patch.setenv("RAY_AUTH_MODE", "disabled")  # else it leaves a token in the home folder
        patch.setenv("RAY_worker_niceness", "0")  # else its workers wait for all other tests
        for _ in range(_TRIES):
            with subprocess.Popen([sys.executable, "-c", _HEAD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head:
                assert head.stdin is not None and head.stdout is not None
                address = head.stdout.readline().decode().strip()
                if address:
                    yield address
                    head.stdin.close()
                    head.wait()
                    return
        raise AssertionError("Ray did not start")


def maker(points: Path | None = None, pids: Path | None = None) -> Callable[[], sw.Engine]:
    """What makes the engine in an actor.

    Args:
        points: a folder of files, each of which kills the actor that takes it, at the call that it names.
        pids: a folder where every actor says which process it is.
    """

    def make() -> sw.Engine:
        # By value: an actor cannot import this module.
        import os

        import tiny
        from forks import killed_at

        import saewidgets as sw

        if pids is not None:
            (pids / str(os.getpid())).touch()
        for point in sorted(points.glob("point-*")) if points is not None else ():
            try:
                point.rename(point.with_name(f"taken-{os.getpid()}-{point.name}"))
            except FileNotFoundError:
                continue  # another actor's
            killed_at(int(point.name.rpartition("-")[2]))
            break
        return sw.Engine(tiny.hooked(), tiny.sae("jumprelu"))

    return make


def given() -> Iterator[dict[str, Any]]:
    """The corpus, row by row."""
    return (dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True))


def build(path: Path, corpus: Any = None, **options: Any) -> None:
    torch.set_num_threads(1)
    settings = {"keep": Keeping(complete=20, top=5), "shard_tokens": 300, "keep_activations": False, **options}
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as engine:
        sw.build_index(engine, [*given()] if corpus is None else corpus, path, progress=False, wait=True, **settings)


def ended(work: Callable[[], object], path: Path, at: int = 0) -> Child:
    """Work in a process that is this one's copy; what it raised stands in the file `path` afterwards."""

    def told() -> None:
        try:
            work()
        except BaseException as error:
            path.write_text(f"{type(error).__name__}: {error}")

    path.unlink(missing_ok=True)
    return in_a_child(told, at)


def everything(path: Path) -> dict[str, str]:
    """The store, and the sample beside it."""
    return {**contents(path), **{f"sample/{name}": found for name, found in hashes(path / "sample").items()}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    path = tmp_path_factory.mktemp("whole") / "index"
    in_a_child(lambda: build(path))
    return everything(path)


def no_process(pids: Path) -> bool:
    """Whether all actors that were ended, within a while that no machine needs."""
    for _ in range(600):
        if not any(Path("/proc", found.name).exists() for found in pids.iterdir()):
            return True
        time.sleep(0.1)
    return False


def test_two_and_three_actors_and_any_corpus(cluster: str, whole: dict[str, str], tmp_path: Path) -> None:
    pq.write_table(pa.table(ROWS), tmp_path / "corpus.parquet", row_group_size=7)
    Dataset.from_dict(ROWS).save_to_disk(str(tmp_path / "saved"), num_shards=2)
    saved = load_from_disk(str(tmp_path / "saved"))
    corpora = {2: CorpusFiles([tmp_path / "corpus.parquet"]), 3: saved}
    (tmp_path / "pids").mkdir()
    for actors, corpus in corpora.items():
        path = tmp_path / str(actors)
        make = maker(pids=tmp_path / "pids")
        in_a_child(lambda: build(path, corpus, cluster=cluster, actors=actors, make_engine=make))  # noqa: B023
        assert everything(path) == whole, actors
        assert sorted(p.name for p in path.iterdir() if p.name[0] != ".") == [
            *("manifest.json", "sample", "scan.json", "store-000001")
        ]
        assert no_process(tmp_path / "pids")


def test_actors_that_are_killed_anywhere(cluster: str, whole: dict[str, str], tmp_path: Path) -> None:
    (points := tmp_path / "points").mkdir()
    dice = random.Random(1)
    for i in range(KILLS):
        (points / f"point-{i:02d}-{dice.randrange(3, 100)}").touch()
    make = maker(points=points)
    builds = 0
    while left := [*points.glob("point-*")]:
        # An actor may end its work before its point, so that a build does not take all; the next one takes others.
        assert builds < KILLS, left
        path, builds = tmp_path / str(builds), builds + 1
        for _ in range(1 + KILLS // 3):
            ended(lambda: build(path, cluster=cluster, actors=2, make_engine=make), tmp_path / "told")  # noqa: B023
            if not (tmp_path / "told").exists():
                break
            # Three in a row may be those of one shard, which is then given up: the same call goes on.
            assert "3 t" in (tmp_path / "told").read_text(), (tmp_path / "told").read_text()
        assert everything(path) == whole, path


def test_a_build_that_is_killed_anywhere_goes_on_with_or_without_ray(
    cluster: str, whole: dict[str, str], tmp_path: Path
) -> None:
    make, dice = maker(), random.Random(2)
    # By one actor, which is sent what can be read once only.
    calls = in_a_child(lambda: build(tmp_path / "0", given(), cluster=cluster, actors=1, make_engine=make)).calls
    assert everything(tmp_path / "0") == whole
    for i in range(KILLS):
        path, at = tmp_path / str(i + 1), dice.randrange(1, calls)
        child = in_a_child(lambda: build(path, cluster=cluster, actors=1 + i % 2, make_engine=make), at)  # noqa: B023
        again = {"cluster": cluster, "actors": 2, "make_engine": make} if i % 3 == 2 else {}
        in_a_child(lambda: build(path, **again))  # noqa: B023
        assert everything(path) == whole, (at, calls, child)


def test_an_interrupt_ends_the_actors_and_keeps_what_is_done(
    cluster: str, whole: dict[str, str], tmp_path: Path
) -> None:
    (pids := tmp_path / "pids").mkdir()
    url = f"file://{tmp_path}/shards"

    def interrupted() -> None:
        from saewidgets.index.scan.ray import RayHands

        original = RayHands.done

        def done(self: RayHands) -> Any:
            found = original(self)
            if len(UrlShelf(url).names("state-")) >= 2:
                os.kill(os.getpid(), signal.SIGINT)
            return found

        RayHands.done = done  # type: ignore[method-assign]
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it runs beside itself ignore it
        build(tmp_path / "index", cluster=cluster, actors=2, make_engine=maker(pids=pids), shards=url)

    ended(interrupted, tmp_path / "told")
    assert (tmp_path / "told").read_text().startswith("KeyboardInterrupt")
    assert no_process(pids)
    states = UrlShelf(url).names("state-")
    assert len(states) >= 2
    # One of them is cut short where it lies.
    cut = tmp_path / "shards" / states[0] / "tokens.npy"
    cut.write_bytes(cut.read_bytes()[:-4])
    ended(lambda: build(tmp_path / "index"), tmp_path / "told")
    assert f"are in {url}: pass the same shards=" in (tmp_path / "told").read_text()
    in_a_child(lambda: build(tmp_path / "index", shards=url))
    assert everything(tmp_path / "index") == whole
    assert UrlShelf(url).names() == []


def test_what_an_actor_cannot_do_is_said(cluster: str, whole: dict[str, str], tmp_path: Path) -> None:
    told, path = tmp_path / "told", tmp_path / "index"

    def refused(**options: Any) -> str:
        ended(lambda: build(path, **{"cluster": cluster, "actors": 1, **options}), told)
        return told.read_text()

    def only_here() -> sw.Engine:
        raise FileNotFoundError("/models/only-here")

    machine = os.uname().nodename
    words = refused(make_engine=only_here)
    assert f"The machine {machine}" in words
    assert "cannot make the engine: FileNotFoundError: /models/only-here" in words
    assert "How this engine was made is not known" in refused()
    assert 'pass cluster="auto" too' in refused(cluster=None)
    assert "pass keep_activations=False too" in refused(keep_activations=True, make_engine=maker())

    def dies_of(shard: int) -> Callable[[], sw.Engine]:
        def make() -> sw.Engine:
            import os

            import tiny

            import saewidgets as sw
            from saewidgets.index.scan import actor

            original = actor.scan_to

            def scan_to(shelf: Any, name: str, *args: Any, **options: Any) -> Any:
                if args[4] == shard:
                    os._exit(1)
                return original(shelf, name, *args, **options)

            actor.scan_to = scan_to
            return sw.Engine(tiny.hooked(), tiny.sae("jumprelu"))

        return make

    words = refused(make_engine=dies_of(2))
    assert words.startswith("ClusterError: Shard 2 (documents ") and "was given up after 3 tries" in words
    kept = [p.name for p in path.glob("state-*")]
    assert len(kept) >= 2
    owner = path / ".owner.json"
    owner.write_text(json.dumps({"host": "another", "pid": 1, "since": "now"}))
    assert "IndexLockedError" in refused(make_engine=maker()) and "remove" in told.read_text()
    owner.unlink()
    in_a_child(lambda: build(path))
    assert everything(path) == whole
