"""What people bring as a corpus: padded token ids, masks, Arrow, chats. The right tokens of it are read, or it says why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
import tiny
import torch
from forks import contents
from transformers import PreTrainedTokenizerFast

import saewidgets as sw
from saewidgets.errors import SaewidgetsError
from saewidgets.index.errors import CorpusError

BOS, EOS, PAD = 0, 1, 2
"""PAD only in `apart`; in the tiny tokenizer EOS pads, as in many models."""
TEXTS = [tiny.TEXTS[i % 2][i % 9 : i % 9 + 40 + i] + str(i) for i in range(8)]
IDS = [[BOS, *tiny.tokenizer()(text, add_special_tokens=False)["input_ids"]] for text in TEXTS]
LONGEST = max(map(len, IDS))


@pytest.fixture(scope="module")
def engine() -> Iterator[sw.Engine]:
    with sw.Engine(tiny.hooked(), tiny.sae("jumprelu")) as made:
        yield made


@pytest.fixture(scope="module")
def apart() -> Iterator[sw.Engine]:
    """An engine whose tokenizer has a pad token that is nothing else (the token with id 2)."""
    model = tiny.hooked()
    model.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer().backend_tokenizer,
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        pad_token=tiny.tokenizer().convert_ids_to_tokens(PAD),
    )
    with sw.Engine(model, tiny.sae("jumprelu")) as made:
        yield made


@pytest.fixture(scope="module")
def built(engine: sw.Engine, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of the ids as they are."""
    return build(engine, IDS, tmp_path_factory.mktemp("built") / "index").path


def build(engine: sw.Engine, corpus: Any, path: Path, **how: Any) -> sw.FeatureIndex:
    return sw.build_index(engine, corpus, path, progress=False, wait=True, **how)


def padded(side: str, pad: int = EOS) -> tuple[list[list[int]], list[list[int]]]:
    """[n, LONGEST] ids and masks."""
    rows, masks = [], []
    for ids in IDS:
        fill, ones = [pad] * (LONGEST - len(ids)), [1] * len(ids)
        zeros = [0] * len(fill)
        rows.append([*fill, *ids] if side == "left" else [*ids, *fill])
        masks.append([*zeros, *ones] if side == "left" else [*ones, *zeros])
    return rows, masks


# -- masks


def _masked(side: str) -> dict[str, Callable[[], Any]]:
    ids, masks = padded(side)
    columns: dict[str, Any] = {"input_ids": ids, "attention_mask": masks}
    rows = [{"input_ids": i, "attention_mask": m} for i, m in zip(ids, masks, strict=True)]
    tensors = {name: torch.tensor(values) for name, values in columns.items()}
    return {
        "rows": lambda: rows,
        "a generator of rows": lambda: iter(rows),
        "rows of tensors": lambda: [{n: torch.tensor(v) for n, v in row.items()} for row in rows],
        "bool masks": lambda: [
            {"input_ids": r["input_ids"], "attention_mask": np.array(r["attention_mask"], bool)} for r in rows
        ],
        "float masks": lambda: [{**r, "attention_mask": np.array(r["attention_mask"], float)} for r in rows],
        "pandas": lambda: pd.DataFrame(columns),
        "Arrow": lambda: pa.table(columns),
        "what a tokenizer gives": lambda: _encoding(tensors),
        "a dict of tensors": lambda: tensors,
        "a dict of lists": lambda: columns,
        "batches of a data loader": lambda: [{n: v[i : i + 3] for n, v in tensors.items()} for i in range(0, 8, 3)],
        "with all that tokenizers give": lambda: [
            {
                **row,
                "token_type_ids": [0] * LONGEST,
                "special_tokens_mask": [0] * LONGEST,
                "position_ids": np.maximum(np.cumsum(row["attention_mask"]) - 1, 0),
                "labels": row["input_ids"],
            }
            for row in rows
        ],
        "another column's ids": lambda: [{"mine": r["input_ids"], "attention_mask": r["attention_mask"]} for r in rows],
    }


def _encoding(data: Any) -> Any:
    from transformers import BatchEncoding

    return BatchEncoding(data)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", _masked("left"))
def test_what_a_mask_leaves_out_is_not_read(
    name: str, side: str, engine: sw.Engine, built: Path, tmp_path: Path
) -> None:
    how = {"text_column": "mine"} if name == "another column's ids" else {}
    index = build(engine, _masked(side)[name](), tmp_path / "index", **how)
    assert contents(index.path) == contents(built), "the same tokens, documents and numbers, and no other column"


@pytest.mark.slow
def test_datasets_are_rows_with_masks(engine: sw.Engine, built: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    ids, masks = padded("left")
    whole = datasets.Dataset.from_dict({"input_ids": ids, "attention_mask": masks})
    for i, dataset in enumerate(
        (whole, whole.with_format("torch"), whole.with_format("numpy"), whole.to_iterable_dataset())
    ):
        assert contents(build(engine, dataset, tmp_path / str(i)).path) == contents(built)


BAD_MASKS: dict[str, tuple[Any, str]] = {
    "too short": ([1, 1], "4 zeros and ones"),
    "numbered sequences": ([1, 1, 2, 2], "zeros and ones"),
    "added to scores": ([-np.inf, 0.0, 0.0, 0.0], "zeros and ones"),
    "a matrix": ([[1] * 4] * 4, "zeros and ones"),
    "words": (["1", "1", "1", "1"], "zeros and ones"),
    "with a hole": ([1, 0, 1, 1], "zeros between ones"),
}


@pytest.mark.parametrize("name", BAD_MASKS)
def test_a_mask_that_is_none_is_refused_by_document(name: str, engine: sw.Engine, tmp_path: Path) -> None:
    mask, told = BAD_MASKS[name]
    rows = [{"input_ids": [0, 5, 6], "attention_mask": [1, 1, 1]}, {"input_ids": [0, 5, 6, 7], "attention_mask": mask}]
    with pytest.raises(CorpusError, match=f"Document 1.*{told}"):
        build(engine, rows, tmp_path / "index")


def test_documents_packed_into_one_row_are_refused(engine: sw.Engine, tmp_path: Path) -> None:
    row = {"input_ids": [0, 5, 6, 0, 7], "attention_mask": [1] * 5, "position_ids": [0, 1, 2, 0, 1]}
    with pytest.raises(CorpusError, match="position_ids do not count from 0"):
        build(engine, [row], tmp_path / "index")


def test_a_batch_with_a_column_of_another_length_is_refused(engine: sw.Engine, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="2 rows of 'input_ids'.*'labels'"):
        build(engine, {"input_ids": [[0, 5], [0, 6]], "labels": [1]}, tmp_path / "index")


def test_all_masked_is_an_empty_document(engine: sw.Engine, tmp_path: Path) -> None:
    rows = [{"input_ids": [1, 1], "attention_mask": [0, 0]}, {"input_ids": [0, 5, 6], "attention_mask": [1, 1, 1]}]
    index = build(engine, rows, tmp_path / "index")
    assert list(index.documents["name"]) == ["1"] and index.tokens == 3


# -- pads without a mask


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
def test_pads_are_left_out_where_the_pad_token_is_nothing_else(side: str, apart: sw.Engine, tmp_path: Path) -> None:
    wanted = build(apart, IDS, tmp_path / "wanted")
    rows, _ = padded(side, PAD)
    for name, corpus in (
        ("list", rows),
        ("tensor", torch.tensor(rows)),
        ("rows", [{"input_ids": row} for row in rows]),
    ):
        assert contents(build(apart, corpus, tmp_path / name).path) == contents(wanted.path)
    with pytest.raises(CorpusError, match="Document 0.*There are pad tokens .*id 2. between others"):
        build(apart, [[0, 5, PAD, PAD, 6]], tmp_path / "inside")
    kept = build(apart, [{"input_ids": [0, 5, PAD, 6], "attention_mask": [1] * 4}], tmp_path / "kept")
    assert kept.tokens == 4


@pytest.mark.slow
def test_pads_that_also_end_texts(engine: sw.Engine, built: Path, tmp_path: Path) -> None:
    left, _ = padded("left")
    assert contents(build(engine, left, tmp_path / "left").path) == contents(built), "before a BOS they are padding"
    without = [[EOS, EOS, 5, 6, 7]]
    with pytest.raises(CorpusError, match="Document 0.*It begins with 2 pad tokens.*'attention_mask'"):
        build(engine, without, tmp_path / "unknown")
    said = build(engine, [{"input_ids": without[0], "attention_mask": [1] * 5}], tmp_path / "said")
    assert said.tokens == 5 and said.counted == 3
    packed = build(engine, [[EOS, 5, 6, EOS, BOS, 7, EOS, EOS]], tmp_path / "packed")
    assert packed.tokens == 6 and packed.counted == 3


# -- Arrow


def _arrow(tmp_path: Path) -> dict[str, Callable[[], Any]]:
    table = pa.table({"text": TEXTS})
    pyarrow.parquet.write_table(table, tmp_path / "texts.parquet", row_group_size=3)
    return {
        "table": lambda: table,
        "chunked table": lambda: pa.concat_tables([table.slice(0, 3), table.slice(3)]),
        "batch": lambda: table.to_batches()[0],
        "reader": lambda: table.to_reader(max_chunksize=3),
        "batches": lambda: table.to_batches(max_chunksize=3),
        "generator of batches": lambda: pyarrow.parquet.ParquetFile(tmp_path / "texts.parquet").iter_batches(3),
        "dataset": lambda: pyarrow.dataset.dataset(tmp_path / "texts.parquet"),
        "scanner": lambda: pyarrow.dataset.dataset(tmp_path / "texts.parquet").scanner(),
        "column": lambda: table["text"],
        "array": lambda: table["text"].combine_chunks(),
        "large strings": lambda: pa.table({"text": pa.array(TEXTS, pa.large_string())}),
        "a dictionary": lambda: pa.table({"text": pa.array(TEXTS).dictionary_encode()}),
        "ids": lambda: pa.table({"input_ids": IDS}),
        "column of ids": lambda: pa.chunked_array([IDS]),
    }


ARROW = ["table", "chunked table", "batch", "reader", "batches", "generator of batches", "dataset", "scanner", "column"]
ARROW += ["array", "large strings", "a dictionary", "ids", "column of ids"]


@pytest.mark.parametrize("name", ARROW)
def test_arrow_is_a_corpus(name: str, engine: sw.Engine, built: Path, tmp_path: Path) -> None:
    forms = _arrow(tmp_path)
    index = build(engine, forms[name](), tmp_path / "index")
    assert contents(index.path) == contents(built)
    build(engine, forms[name](), index.path)


def test_arrow_s_columns_are_kept(engine: sw.Engine, tmp_path: Path) -> None:
    table = pa.table({"text": [*TEXTS, None], "id": [f"d{i}" for i in range(9)], "year": [*range(8), None]})
    index = build(engine, table, tmp_path / "index")
    assert list(index.documents["name"]) == [f"d{i}" for i in range(8)]
    assert list(index.documents["year"]) == list(range(8))
    with pytest.raises(CorpusError, match="text_column= one of 'a', 'b'"):
        build(engine, pa.table({"a": ["x"], "b": ["y"]}), tmp_path / "other")
    with pytest.raises(CorpusError, match="Schema|schema"):
        build(engine, table.schema, tmp_path / "schema")


# -- chats

TEMPLATE = (
    "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}<|eos|>{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
CHATS = [
    [{"role": "user", "content": "In the beginning"}, {"role": "assistant", "content": "God created"}],
    [{"role": "system", "content": "Zwölf"}, {"role": "user", "content": "the earth"}],
]
SAID = ["[user]In the beginning<|eos|>[assistant]God created<|eos|>", "[system]Zwölf<|eos|>[user]the earth<|eos|>"]


@pytest.fixture(scope="module")
def chatty() -> Iterator[sw.Engine]:
    model = tiny.hooked()
    model.tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tiny.tokenizer().backend_tokenizer,
        bos_token="<|bos|>",
        eos_token="<|eos|>",
        pad_token="<|eos|>",
        chat_template=TEMPLATE,
    )
    with sw.Engine(model, tiny.sae("jumprelu")) as made:
        yield made


@pytest.mark.parametrize(
    "make",
    [
        lambda: CHATS,
        lambda: [{"messages": chat, "id": str(i)} for i, chat in enumerate(CHATS)],
        lambda: pd.DataFrame({"messages": CHATS, "source": ["a", "b"]}),
        lambda: pa.table({"messages": CHATS, "prompt": ["x", "y"]}),
        lambda: [{"messages": np.array(chat, dtype=object)} for chat in CHATS],
    ],
    ids=["lists", "rows", "pandas", "Arrow", "arrays"],
)
def test_chats_are_what_their_template_makes_of_them(
    make: Callable[[], Any], chatty: sw.Engine, tmp_path: Path
) -> None:
    index = build(chatty, make(), tmp_path / "index")
    wanted = [tiny.tokenizer()(text, add_special_tokens=False)["input_ids"] for text in SAID]
    assert index.texts.ids(0, index.tokens) == tuple(i for ids in wanted for i in ids), (
        "no answer is asked for at the end"
    )
    assert list(index.documents["name"]) == ["0", "1"]
    assert "".join(index.texts.display(0, len(wanted[0])).strings) == SAID[0]
    build(chatty, make(), index.path)


def test_chats_that_cannot_be_read_say_why(engine: sw.Engine, chatty: sw.Engine, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Document 0: .*no chat template"):
        build(engine, CHATS, tmp_path / "a")
    with pytest.raises(CorpusError, match="This is one chat: .*list of chats"):
        build(chatty, CHATS[0], tmp_path / "b")
    for bad in (
        [{"from": "human", "value": "x"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": "x"}, 3],
    ):
        with pytest.raises(CorpusError, match="Document 1: .*message"):
            build(chatty, [CHATS[0], bad], tmp_path / "c")
    for text in ("", []):
        with pytest.raises(SaewidgetsError, match="empty"):
            build(chatty, [text], tmp_path / "d")
