"""What users themselves say of features: labels, notes, named lists, blind tests. Kept beside an index, never in it.

It is precious and small, so it is a log (`JsonLog`): nothing is overwritten, two notebooks lose nothing, and what was
said before can be read. If the index stands where nobody may write (a shared disk), the log goes to the user's own
folder, and a warning names the file.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from heapq import merge
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ...engine.labels import Labels, Names, News
from ...engine.text.tokenizer import clean
from ...storage.json_log import JsonLog
from ..errors import IndexCorruptError, IndexWriteError
from .blind_score import BLIND, BlindScore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OwnWords", "own_words"]

WORDS = "words.jsonl"
# What earlier versions kept, which is still read.
_BEFORE = "labels.json"

# An index that is opened twice is still one index: what is said in one is said in the other.
_open: WeakValueDictionary[Path, OwnWords] = WeakValueDictionary()
_opening = RLock()


def own_words(path: Path, elsewhere: Path) -> OwnWords:
    """The own words of the index at `path`, the same object wherever it is open in this process.

    Args:
        elsewhere: the file they go to where `path` cannot be written.

    Raises:
        IndexCorruptError: if what an earlier version kept cannot be read.
    """
    place = path.resolve()
    with _opening:
        words = _open.get(place)
        if words is None:
            words = _open[place] = OwnWords(place, elsewhere)
        else:
            words.refresh()
    return words


class OwnWords:
    """The labels, notes and lists of one index.

    Attributes:
        names: the labels, as an origin for `Labels`.
        notes: feature to note.
        lists: name to features, in the order in which they were added.
        blind_scores: feature to the blind tests of it, oldest first.
    """

    def __init__(self, path: Path, elsewhere: Path) -> None:
        self._path, self._elsewhere = path, elsewhere
        self._logs = [JsonLog(path / WORDS), JsonLog(elsewhere)]
        self._lock = RLock()
        self._labels: dict[int, str] = {}
        # Which labels changed since `names` asked: there may be a million, and lists are asked for with every window of rows.
        self._relabelled: dict[int, str | None] = {}
        self._anew = False
        self._entries: list[Mapping[str, Any]] = []
        self.notes: dict[int, str] = {}
        self.lists: dict[str, list[int]] = {}
        self.blind_scores: dict[int, list[BlindScore]] = {}
        self.names = Names(news=self._label_news, keep=self._keep_label)

    def labels(self) -> Labels:
        """The labels, to be asked and set."""
        return Labels(names=self.names)

    # -- writing

    def _keep_label(self, feature: int, label: str, hides: bool) -> None:
        self.append([{"t": "label", "f": feature, "text": label, **({"hides": True} if hides and not label else {})}])

    def note(self, feature: int, text: str) -> None:
        """Write a note on a feature in place of the one it has; an empty one takes it away."""
        self.append([{"t": "note", "f": feature, "text": clean(text).strip()}])

    def list_add(self, name: str, features: Sequence[int]) -> None:
        """Put features at the end of a named list, which is made if there is none; those it has stay where they are."""
        self.append([{"t": "list", "name": _list_name(name), "add": [int(f) for f in features]}])

    def list_remove(self, name: str, features: Sequence[int] | None = None) -> None:
        """Take features, or all of them, off a named list; an empty list is none."""
        name = _list_name(name)
        with self._lock:
            self._take()
            if name not in self.lists:
                raise KeyError(f"There is no list {name!r}; there are {', '.join(map(repr, self.lists)) or 'none'}.")
            gone = self.lists[name] if features is None else features
            self.append([{"t": "list", "name": name, "remove": [int(f) for f in gone]}])

    def append(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Keep entries, with the time.

        Raises:
            IndexWriteError: if neither the index's folder nor the user's own can be written.
        """
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        dated = [{**entry, "at": now} for entry in entries]
        with self._lock:
            try:
                self._logs[0].append(dated)
            except IndexWriteError as error:
                if "disk is full" in str(error):
                    raise
                new = not self._elsewhere.exists()
                self._elsewhere.parent.mkdir(parents=True, exist_ok=True)
                self._logs[1].append(dated)
                if new:
                    warnings.warn(
                        f"{self._path} cannot be written, so labels, notes, lists and blind tests are kept in {self._elsewhere}.",
                        stacklevel=2,
                    )
            self._take()

    # -- reading

    def refresh(self) -> None:
        """See what other processes wrote meanwhile."""
        self.names.reload()

    def history(self) -> pd.DataFrame:
        """Everything that was ever said, oldest first: "at" (UTC), "what" (label, note, list, blind test ...), "feature", "text"."""
        import pandas as pd

        with self._lock:
            self._take()
            rows = [row for entry in self._entries for row in _told(entry)]
        return pd.DataFrame(rows, columns=["at", "what", "feature", "text"]).astype({"feature": "Int64"})

    def _label_news(self) -> News:
        with self._lock:
            self._take()
            news = News(dict(self._labels), whole=True) if self._anew else News(self._relabelled)
            self._relabelled, self._anew = {}, False
            return news

    def _take(self) -> None:
        """Read what is new; if a file was replaced, everything."""
        told = [log.news() for log in self._logs]
        if any(anew for anew, _ in told):
            for log in self._logs:
                log.restart()
            told = [log.news() for log in self._logs]
            self._entries.clear()
        first = not self._entries
        if not first and not any(entries for _, entries in told):
            return
        if first:
            self._labels, self.notes, self.lists = _before(self._path / _BEFORE), {}, {}
            self.blind_scores = {}
            self._anew = True
        # Two files of one user: by the clock, but each in its own order.
        new = [*merge(*(filter(_readable, entries) for _, entries in told), key=lambda entry: str(entry.get("at", "")))]
        for entry in new:
            self._apply(entry)
        self._entries += new

    def _apply(self, entry: Mapping[str, Any]) -> None:
        # Whoever wrote the file, names are clean on the way in.
        if entry["t"] == "list":
            name = _list_name(entry["name"])
            features = [f for f in self.lists.pop(name, []) if f not in set(entry.get("remove", ()))]
            features += [f for f in dict.fromkeys(entry.get("add", ())) if f not in set(features)]
            if features:
                self.lists[name] = features
        elif entry["t"] == BLIND:
            score = BlindScore.from_entry(entry)
            if score is not None:
                self.blind_scores.setdefault(score.feature, []).append(score)
        elif entry["t"] in ("label", "note"):
            known = self._labels if entry["t"] == "label" else self.notes
            known.pop(entry["f"], None)
            if entry["text"] or entry.get("hides"):
                known[entry["f"]] = clean(entry["text"])
            if entry["t"] == "label":
                self._relabelled[entry["f"]] = known.get(entry["f"])


def _readable(entry: Mapping[str, Any]) -> bool:
    """Whether an entry is what this version wrote; a later one may write more kinds, which are kept and not read."""

    def features(given: object) -> bool:
        return isinstance(given, list) and all(isinstance(f, int) for f in given)

    kind = entry.get("t")
    if kind == "list":
        whole = isinstance(entry.get("name"), str) and bool(clean(entry["name"]).strip())
        return whole and features(entry.get("add", [])) and features(entry.get("remove", []))
    if kind in ("label", "note"):
        return isinstance(entry.get("f"), int) and isinstance(entry.get("text"), str)
    return isinstance(kind, str)


def _told(entry: Mapping[str, Any]) -> list[tuple[str, str, int | None, str]]:
    at, what = str(entry.get("at", "")), str(entry["t"])
    if what == BLIND:
        score = BlindScore.from_entry(entry)
        of = f" of {clean(score.description)!r}" if score and score.description else ""
        return [(at, BLIND, score.feature, f"{score.measure}: {score.balanced_accuracy:.3f}{of}")] if score else []
    if what != "list":
        feature = entry.get("f")
        return [(at, clean(what), feature if isinstance(feature, int) else None, clean(str(entry.get("text", ""))))]
    name = _list_name(entry["name"])
    added = [(at, "list", f, name) for f in entry.get("add", ())]
    return added + [(at, "off list", f, name) for f in entry.get("remove", ())]


def _list_name(name: str) -> str:
    found = clean(name).strip()
    if not found:
        raise ValueError("A list needs a name.")
    return found


def _before(path: Path) -> dict[int, str]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
        if not all(isinstance(label, str) for label in content.values()):
            raise ValueError
        return {int(f): clean(label) for f, label in content.items()}
    except (ValueError, AttributeError) as error:
        raise IndexCorruptError(f"{path} is damaged: mend or remove it; the index is unhurt.") from error
