"""Corpus files: what is read from them, a row at a time, and what is said of those that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from saewidgets.index.corpus.files import CorpusFiles
from saewidgets.index.errors import CorpusError


def test_parquet_jsonl_and_text_one_after_another(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a", "b"], "text": ["one", "two"], "year": [1, 2]})
    table.to_parquet(tmp_path / "a.parquet")
    (tmp_path / "b.jsonl").write_text('{"text": "three"}\n\n"four"\n', encoding="utf-8")
    (tmp_path / "c.txt").write_text("fünf", encoding="utf-8")
    corpus = CorpusFiles([tmp_path / name for name in ("a.parquet", "b.jsonl", "c.txt")])
    rows = list(corpus)
    assert [row["text"] for row in rows] == ["one", "two", "three", "four", "fünf"]
    assert rows[0] == {"id": "a", "text": "one", "year": 1} and rows[4]["id"] == "c.txt"
    assert list(corpus) == rows  # and again


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.parquet", b"not parquet", "no parquet file"),
        ("a.jsonl", b'{"text": "x"}\n{"text":', "line 2"),
        ("a.txt", b"\xff\xfe\xff", "no UTF-8"),
    ],
)
def test_a_damaged_file_is_named(name: str, content: bytes, told: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CorpusError, match=told) as error:
        list(CorpusFiles([tmp_path / name]))
    assert name in str(error.value)


def test_a_missing_file_is_found_at_once(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="There is no file"):
        CorpusFiles([tmp_path / "nothing.jsonl"])


def test_rows_are_not_all_read_at_once(tmp_path: Path) -> None:
    with (tmp_path / "big.jsonl").open("w", encoding="utf-8") as file:
        for i in range(1000):
            file.write(json.dumps({"text": f"text {i}"}) + "\n")
        file.write("broken")
    rows = iter(CorpusFiles([tmp_path / "big.jsonl"]))
    assert next(rows) == {"text": "text 0"}  # the broken line at the end is not met yet
