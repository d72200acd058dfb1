"""Names that users give to features, kept beside an index and not in it: they change, the index does not."""

from __future__ import annotations

import json
from pathlib import Path

from ..engine.tokens import clean
from .errors import IndexCorruptError, writing

LABELS = "labels.json"


class Labels:
    """Labels of an index.

    Args:
        path: the index's folder.

    Attributes:
        given: labels that an engine brought along; those set by hand win.
    """

    def __init__(self, path: Path) -> None:
        self._path = path / LABELS
        self.given: dict[int, str] = {}
        self._set: dict[int, str] = {}
        self._set = self._read()

    def _read(self) -> dict[int, str]:
        if not self._path.exists():
            return {}
        try:
            return {int(f): str(label) for f, label in json.loads(self._path.read_text("utf-8")).items()}
        except (ValueError, AttributeError) as error:
            raise IndexCorruptError(f"{self._path} is damaged: mend or remove it; the index is unhurt.") from error

    def all(self) -> dict[int, str]:
        """Feature to label."""
        return {f: label for f, label in {**self.given, **self._set}.items() if label}

    def set(self, feature: int, label: str) -> None:
        """Name a feature, on disk first."""
        label = clean(label).strip()
        self._set = self._read()
        changed = {**self._set, feature: label}
        if not label and feature not in self.given:
            changed.pop(feature, None)
        temporary = self._path.with_name(f".{LABELS}.tmp")
        with writing(self._path):
            temporary.write_text(json.dumps(changed, ensure_ascii=False, indent=1, sort_keys=True), "utf-8")
            temporary.replace(self._path)
        self._set = changed
