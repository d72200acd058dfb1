"""Labels, notes and lists that are written by hand: kept as a history, by whomever, wherever the index stands."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import saewidgets as sw
from saewidgets.errors import FeatureIndexError
from saewidgets.index.errors import IndexWriteError
from saewidgets.index.explanations.own_words import OwnWords
from saewidgets.storage.json_log import JsonLog


def test_labels_notes_and_lists_are_there_after_a_restart(index: sw.FeatureIndex) -> None:
    index.set_label(5, " the first ")
    index.set_label(5, "the second")
    index.set_note(5, "look again")
    index.set_note(6, "gone")
    index.set_note(6, "")
    index.add_to_list("days", [7, 5, 7])
    index.add_to_list("days", [9, 5])
    index.remove_from_list("days", [7])
    index.add_to_list("months", [1])
    index.remove_from_list("months")
    again = OwnWords(index.path, index.path / "none")
    assert again.labels() == {5: "the second"}
    assert (again.notes, again.lists) == ({5: "look again"}, {"days": [5, 9]})
    assert dict(index.notes) == {5: "look again"} and dict(index.lists) == {"days": (5, 9)}
    told = index.history
    assert told.columns.tolist() == ["at", "what", "feature", "text"]
    assert told[told.what == "label"].text.tolist() == ["the first", "the second"]
    assert told[told.what == "off list"][["feature", "text"]].values.tolist() == [[7, "days"], [1, "months"]]
    with pytest.raises(KeyError, match="'days'"):
        index.remove_from_list("month")
    with pytest.raises(FeatureIndexError, match="48"):
        index.add_to_list("days", [48])


WRITER = """
import sys
from pathlib import Path
from saewidgets.index.explanations.own_words import OwnWords
words = OwnWords(Path(sys.argv[1]), Path(sys.argv[1]) / "none")
labels = words.labels()
for i in range(40):
    feature = 2 * i + int(sys.argv[2])
    labels.set(feature, f"{feature} of {sys.argv[2]}")
    words.list_add("both", [feature])
"""


@pytest.mark.slow
def test_two_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(n)]) for n in (0, 1)]
    watching = OwnWords(tmp_path, tmp_path / "none")
    labels = watching.labels()
    while any(writer.poll() is None for writer in writers):
        watching.refresh()
        assert all(label == f"{f} of {f % 2}" for f, label in labels.items())
    assert [writer.returncode for writer in writers] == [0, 0]
    watching.refresh()
    assert labels == {f: f"{f} of {f % 2}" for f in range(80)}
    assert sorted(watching.lists["both"]) == list(range(80))
    lines = (tmp_path / "words.jsonl").read_text("utf-8").splitlines()
    assert len([json.loads(line) for line in lines]) == 160


def test_a_line_that_a_crash_cut_off_costs_that_line(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "log.jsonl")
    log.append([{"n": 1}, {"n": 2}])
    with log.path.open("ab") as file:
        file.write(b'{"n": 3, "te')
    assert log.news() == (False, [{"n": 1}, {"n": 2}])
    log.append([{"n": 4}])
    with log.path.open("ab") as file:
        file.write(b'\xff\xfe\n[5]\n"six"\n\n{"n": 7}\n')
    assert log.news() == (False, [{"n": 4}, {"n": 7}]) and log.damaged == [3, 5, 6, 7]
    assert JsonLog(log.path).news()[1] == [{"n": n} for n in (1, 2, 4, 7)]


def test_a_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    words = OwnWords(tmp_path, tmp_path / "none")
    labels = words.labels()
    labels.set(1, "one")
    other = tmp_path / "other"
    other.mkdir()
    OwnWords(other, other / "none").labels().set(2, "two, and a longer text than there was")
    (other / "words.jsonl").replace(tmp_path / "words.jsonl")
    words.refresh()
    assert labels == {2: "two, and a longer text than there was"}
    (tmp_path / "words.jsonl").unlink()
    words.refresh()
    assert not labels
    labels.set(3, "three")
    assert labels == {3: "three"}


def test_what_a_later_version_writes_is_kept_and_not_read(tmp_path: Path) -> None:
    odd: list[dict[str, Any]] = [
        {"t": "rating", "f": 3, "stars": 5},
        {"t": "label", "f": "3", "text": "x"},
        {"t": "label", "f": 4, "text": None},
        {"t": "list", "name": 3, "add": [1]},
        {"t": "list", "name": "l", "add": ["1"]},
        {"t": "list", "name": "l", "add": 5},
        {"t": "list", "name": " ", "add": [5]},
        {"t": "list", "name": "l", "remove": {"5": 1}},
        {"f": 3},
        {"t": "label", "f": 5, "text": "read"},
    ]
    JsonLog(tmp_path / "words.jsonl").append(odd)
    words = OwnWords(tmp_path, tmp_path / "none")
    assert words.labels() == {5: "read"} and not words.lists
    assert words.history().feature.tolist()[0] == 3
    words.note(5, "more")
    assert len((tmp_path / "words.jsonl").read_text("utf-8").splitlines()) == len(odd) + 1


def test_names_in_the_file_are_clean_whoever_wrote_it(tmp_path: Path) -> None:
    (tmp_path / "words.jsonl").write_text(
        '{"t": "label", "f": 5, "text": "half \\ud83d"}\n{"t": "list", "name": "l \\ud83d", "add": [1]}\n'
        '{"t": "note", "f": 5, "text": "\\udc80"}\n'
    )
    words = OwnWords(tmp_path, tmp_path / "none")
    assert words.labels() == {5: "half \ufffd"} and words.lists == {"l \ufffd": [1]} and words.notes == {5: "\ufffd"}
    assert words.history().text.tolist() == ["half \ufffd", "l \ufffd", "\ufffd"]


def test_labels_of_an_earlier_version_are_read(index: sw.FeatureIndex) -> None:
    path = index.path
    (path / "labels.json").write_text('{"5": "from before", "6": "too"}', "utf-8")
    words = OwnWords(path, path / "none")
    assert words.labels() == {5: "from before", 6: "too"}
    words.labels().set(5, "now")
    words.labels().set(6, "")
    again = OwnWords(path, path / "none")
    assert again.labels() == {5: "now"}


@pytest.fixture
def read_only(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As the system refuses a read-only disk (a test may run as root, whom no permission stops)."""
    real = Path.open

    def refuse(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if index.path in self.parents and set(mode) & set("wa+x"):
            raise OSError(errno.EROFS, "Read-only file system", str(self))
        return real(self, mode, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    return index.path


def test_on_a_read_only_disk_they_go_to_a_file_that_is_named(
    index: sw.FeatureIndex, read_only: Path, tmp_path: Path
) -> None:
    with pytest.warns(
        UserWarning, match=r"cannot be written, so labels, notes, lists and blind tests are kept in .*words.*\.jsonl"
    ):
        index.set_label(5, "mine")
    index.set_note(5, "said once")
    index.add_to_list("days", [5])
    (kept,) = (tmp_path / "data" / "words").glob("*.jsonl")
    assert len(kept.read_text("utf-8").splitlines()) == 3 and not (read_only / "words.jsonl").exists()
    with pytest.warns(UserWarning, match=r"cannot be written, so explanations are kept in .*data.*explanations"):
        index.add_explanations({6: "theirs"}, "theirs")
    assert index.describe(6) == sw.Description("theirs", "explanation", "theirs")
    assert sw.FeatureIndex.open(read_only).explanations.description.tolist() == ["theirs"]
    assert not [*read_only.glob("explanations/*.arrow")]
    again = OwnWords(read_only, kept)
    assert again.labels() == {5: "mine"} and again.lists == {"days": [5]}


def test_a_full_disk_is_told_and_what_was_there_stays(index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    index.set_label(5, "there")
    before = (index.path / "words.jsonl").read_bytes()

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("saewidgets.storage.json_log.os.fsync", full)
    with pytest.raises(IndexWriteError, match="disk is full"):
        index.set_label(6, "no room")
    assert (index.path / "words.jsonl").read_bytes() == before
    assert index.label(5) == "there" and index.label(6) is None
