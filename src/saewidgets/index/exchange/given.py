"""What a file said of a feature that an index was made of, read back from its store: as it was, to be written again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...formats.records import FeatureRecord, Source, Window
from ...storage.array_folder import Folder
from ..store.texts import Texts
from .importer import record_of

__all__ = ["Given"]


class Given:
    """The records of a store that was made of another tool's files."""

    def __init__(self, folder: Folder, texts: Texts) -> None:
        self._folder, self._texts = folder, texts
        self._ptr = folder.read("vocabulary_given_ptr").astype(np.int64)
        self._words = folder.read("vocabulary_given").tobytes()

    @property
    def source(self) -> Source:
        """Whose features they are."""
        return Source(**self._folder.facts["imported"]["source"])

    def present(self, feature: int) -> bool:
        """Whether the file has it."""
        return bool(self._folder.read("present", feature, feature + 1)[0])

    def record(self, feature: int) -> FeatureRecord:
        """All that the file said of a feature, its examples too."""
        start, stop = self._folder.read("given_ptr", feature, feature + 2).tolist()
        record = record_of(self._folder.read("given", start, stop).tobytes(), feature)
        return replace(record, windows=tuple(self.windows(feature)))

    def windows(self, feature: int) -> Iterator[Window]:
        """Its examples, in the order of the file."""
        start, stop = self._folder.read("window_ptr", feature, feature + 2).tolist()
        first, last = self._folder.read("kept_ptr", feature, feature + 2).tolist()
        position = self._folder.read("kept_position", first, last).astype(np.int64)
        value = self._folder.read("kept_value", first, last)
        for chunk in self._folder.read("window_chunk", start, stop).tolist():
            begin, end = self._texts.chunk_ptr[chunk : chunk + 2].tolist()
            low, high = np.searchsorted(position, [begin, end])
            values: list[float | None] = [0.0] * (end - begin)
            for at, one in zip(position[low:high].tolist(), value[low:high], strict=True):
                values[at - begin] = float(str(one))  # the shortest number that is this float32
            for at in np.flatnonzero(self._folder.read("flags", begin, end)).tolist():
                values[at] = None
            yield self._window(chunk, tuple(values), tuple(map(self._word, self._texts.ids(begin, end))))

    def _window(self, chunk: int, values: tuple[float | None, ...], tokens: tuple[str, ...]) -> Window:
        low, high, contains, at = (self._number(f"window_{name}", chunk) for name in ("low", "high", "contains", "at"))
        start, stop = self._folder.read("window_more_ptr", chunk, chunk + 2).tolist()
        told = self._folder.read("window_more", start, stop).tobytes()
        more: dict[str, Any] = json.loads(told) if told else {}
        return Window(
            tokens=tokens,
            values=values,
            low=low,
            high=high,
            contains=contains,
            at=None if at is None else int(at),
            dfa_values=tuple(more.pop("dfa_values", ())),
            dfa_max=more.pop("dfa_max", None),
            dfa_target=more.pop("dfa_target", None),
            extra=more,
        )

    def _number(self, name: str, chunk: int) -> float | None:
        value = float(self._folder.read(name, chunk, chunk + 1)[0])
        return None if value != value else value

    def _word(self, token: int) -> str:
        return self._words[self._ptr[token] : self._ptr[token + 1]].decode(errors="surrogatepass")
