"""Names that users give to features, kept beside an index and not in it: they change, the index does not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from weakref import WeakValueDictionary

from ...engine.labels import Labels, Names
from ...engine.text.tokenizer import clean
from ..errors import IndexCorruptError, writing

LABELS = "labels.json"

# An index that is opened twice is still one index: what is named in one is named in the other.
_open: WeakValueDictionary[Path, Names] = WeakValueDictionary()
_opening = Lock()


def kept_labels(path: Path) -> Labels:
    """The labels of the index at `path`, as they are kept there and in every other place where it is open.

    Raises:
        IndexCorruptError: if they cannot be read.
    """
    place = (path / LABELS).resolve()
    with _opening:
        names = _open.get(place)
        if names is None:
            names = _open[place] = Names(read=partial(_read, place), keep=partial(_write, place))
        else:
            names.reload()
    return Labels(names=names)


def _read(path: Path) -> dict[int, str]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text("utf-8"))
        if not all(isinstance(label, str) for label in content.values()):
            raise ValueError
        return {int(f): clean(label) for f, label in content.items()}
    except (ValueError, AttributeError) as error:
        raise IndexCorruptError(f"{path} is damaged: mend or remove it; the index is unhurt.") from error


def _write(path: Path, labels: Mapping[int, str]) -> None:
    temporary = path.with_name(f".{LABELS}.tmp")
    with writing(path):
        content = json.dumps({str(f): labels[f] for f in sorted(labels)}, ensure_ascii=False, indent=1)
        temporary.write_text(content, "utf-8")
        temporary.replace(path)
