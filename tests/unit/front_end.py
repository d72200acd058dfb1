"""A front-end without a browser: a comm that keeps what would be sent, and acts as the view."""

from __future__ import annotations

import base64
import gzip
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import comm
import ipywidgets
import numpy as np
import pytest
from comm.base_comm import BaseComm

DTYPES = {"u8": np.uint8, "u32": np.uint32, "i32": np.int32, "f32": np.float32}


REFUSED: list[Exception] = []
"""What could not have been sent."""


def check_message(data: Mapping[str, Any], buffers: list[bytes]) -> None:
    """A message is JSON without NaN, can be encoded, and has exactly the bytes that it describes."""
    json.dumps(data, allow_nan=False, ensure_ascii=False, default=_no_json).encode("utf-8")
    content = data.get("content")
    if not isinstance(content, Mapping) or content.get("t") != "res" or not content["ok"]:
        return
    described = content["arrays"]
    assert len({array["name"] for array in described}) == len(described)
    sizes = [int(np.prod(array["shape"])) * np.dtype(DTYPES[array["dtype"]]).itemsize for array in described]
    raw = buffers or [base64.b64decode(array["b64"]) for array in described]
    assert [len(part) for part in raw] == sizes


def _no_json(value: object) -> str:
    if isinstance(value, (bytes, memoryview)):
        return ""  # a trait's own buffer
    raise TypeError(f"{type(value).__name__} is no JSON")


class RecordingComm(BaseComm):
    """Keeps (data, buffers) of every message to the front-end, each of which a real connection must be able to carry."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.arrived = threading.Condition()
        super().__init__(*args, **kwargs)

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        # A failure here is a failure of whoever sends, and its thread may not be the test's: it is kept for the end, too.
        try:
            check_message(data or {}, list(buffers or []))
        except Exception as error:
            REFUSED.append(error)
            raise
        with self.arrived:
            self.sent.append((data or {}, list(buffers or [])))
            self.arrived.notify_all()

    def view_sends(self, content: Mapping[str, Any]) -> None:
        self._handle({"method": "custom", "content": dict(content)})

    def view_sets(self, **state: Any) -> None:
        self._handle({"method": "update", "state": state, "buffer_paths": []})

    def _handle(self, data: dict[str, Any]) -> None:
        self.handle_msg(
            {
                "content": {"comm_id": self.comm_id, "data": data},
                "buffers": [],
                "header": {},
                "parent_header": {},
                "metadata": {},
            }
        )

    def customs(self) -> list[tuple[dict[str, Any], list[bytes]]]:
        with self.arrived:
            return [(d["content"], b) for d, b in self.sent if d.get("method") == "custom"]

    def response(self, request_id: str, timeout: float = 240) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Wait for the answer to a request; its message and its decoded arrays."""
        end = time.monotonic() + timeout
        with self.arrived:  # from the look to the wait: what came in between would wake nobody
            while True:
                for content, buffers in self.customs():
                    if content.get("t") == "res" and content["id"] == request_id:
                        return content, decode(content, buffers)
                left = end - time.monotonic()
                assert left > 0, f"no answer to {request_id}"
                self.arrived.wait(left)


def decode(content: Mapping[str, Any], buffers: list[bytes]) -> dict[str, np.ndarray]:
    raw = buffers or [base64.b64decode(a["b64"]) for a in content.get("arrays", [])]
    return {
        a["name"]: np.frombuffer(b, DTYPES[a["dtype"]].__name__).reshape(a["shape"])
        for a, b in zip(content.get("arrays", []), raw, strict=True)
    }


def rank_params(text: Any, **changed: Any) -> dict[str, Any]:
    return {
        "text": text,
        "sort": "max",
        "tokens": [],
        "include_special": False,
        "min": 0,
        "query": "",
        "limit": 25,
        "features": [],
        **changed,
    }


@contextmanager
def recording() -> Iterator[None]:
    """Inside, widgets talk to a `RecordingComm`; after it, none is left."""
    REFUSED.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comm, "create_comm", RecordingComm)
        yield
    ipywidgets.Widget.close_all()
    assert not REFUSED


def ask(widget: Any, channel: str, **params: Any) -> dict[str, Any]:
    """The message that answers a request."""
    identifier = f"view:{time.monotonic_ns()}"
    widget.comm.view_sends({"t": "req", "id": identifier, "ch": channel, "p": params, "enc": "binary"})
    message, _ = widget.comm.response(identifier, 30)
    json.dumps(message, ensure_ascii=False).encode()  # what no UTF-8 can hold never leaves
    return dict(message)


def good(widget: Any, channel: str, **params: Any) -> dict[str, Any]:
    """The answer to a request that succeeds."""
    message = ask(widget, channel, **params)
    assert message["ok"], message
    return dict(message["r"])


def views_in(html: str) -> dict[str, dict[str, Any]]:
    """The views of a page by name."""
    return {view["name"]: view for view in inner_of(html)["views"]}


def inner_of(html: str) -> dict[str, Any]:
    """What the data block of a page holds."""
    block = re.search(r'<script type="application/json" id="saew-data">(.*?)</script>', html, re.S)
    assert block
    inner: dict[str, Any] = unpacked(json.loads(block[1])["gz"])
    return inner


def unpacked(packed: str) -> Any:
    """JSON in which {"$": n} is the n-th of what is shared, and a key of dollars has one too many."""
    outer = json.loads(gzip.decompress(base64.b64decode(packed)))

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "$" in value:
            return whole(outer["shared"][value["$"]])
        return {key[1:] if set(key) == {"$"} else key: whole(item) for key, item in value.items()}

    return whole(outer["value"])


def recorded(html: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The state and the recorded answers of a page of one widget."""
    (view,) = views_in(html).values()
    return view["state"], view["recorded"]
