"""The wire's bytes, checked against the fixture that the front-end's tests read too, and errors as data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from saewidgets.errors import CancelledError
from saewidgets.widgets import wire

GOLDEN = json.loads((Path(__file__).parents[2] / "js" / "tests" / "wire_golden.json").read_text("utf-8"))
DTYPES = {"tok_flags": np.uint8, "indptr": np.uint32, "offset": np.int32, "act": np.float32, "none": np.float32}


def golden_reply() -> wire.Reply:
    arrays = {
        name: np.array([np.nan if v is None else v for v in values], dtype=DTYPES[name])
        for name, values in GOLDEN["values"].items()
    }
    return wire.Reply(GOLDEN["message"]["r"], arrays)


def test_base64_message_is_the_golden_one() -> None:
    message, buffers = wire.success("view:7", golden_reply(), "base64")
    assert json.loads(json.dumps(message)) == GOLDEN["message"]
    assert buffers == []


def test_binary_message_has_the_same_bytes() -> None:
    import base64

    message, buffers = wire.success("view:7", golden_reply(), "binary")
    assert [base64.b64encode(b).decode() for b in buffers] == [a["b64"] for a in GOLDEN["message"]["arrays"]]
    assert all("b64" not in a for a in message["arrays"])


def test_big_endian_arrays_travel_little() -> None:
    _, buffers = wire.success("v:1", wire.Reply({}, {"a": np.array([1], dtype=">u4")}), "binary")
    assert buffers == [b"\x01\x00\x00\x00"]


def test_requests() -> None:
    found = wire.parse({"t": "req", "id": "a:b:3", "ch": "rank", "p": {"x": 1}, "enc": "base64"})
    assert found is not None
    assert (found.key, found.encoding) == (("a:b", "rank"), "base64")
    for other in (None, [], {"t": "req"}, {"t": "cancel", "id": "a"}, {"t": "req", "id": 1, "ch": "a", "p": {}}):
        assert wire.parse(other) is None


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ValueError("bad"), "ValueError", "bad"),
        (KeyError("the name"), "KeyError", "the name"),
        (CancelledError("later"), "Cancelled", "later"),
        (RuntimeError(), "RuntimeError", "RuntimeError"),
        (ValueError("lone \ud800"), "ValueError", "lone \ufffd"),
    ],
)
def test_errors_are_data(error: Exception, kind: str, message: str) -> None:
    found = wire.failure("v:1", error)["e"]
    assert found["type"] == kind
    assert found["message"] == message
    json.dumps(found).encode()


def test_canonical() -> None:
    assert wire.canonical({"b": [1.0, 2.5], "a": "ü"}) == '{"a":"ü","b":[1,2.5]}'


def test_what_is_sent_is_clean_wherever_it_stands() -> None:
    deep = {"a\ud800": ["x\ud800", ("y\ud800", 1.5, None, True)]}
    assert wire.checked(deep) == {"a\ufffd": ["x\ufffd", ["y\ufffd", 1.5, None, True]]}
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="mean is"):
            wire.checked({"rows": [{"mean": (number,)}]})
