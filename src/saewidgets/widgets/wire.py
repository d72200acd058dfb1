"""The request protocol between a view and the kernel (its twin is js/src/kernel/rpc.ts).

Front-end to kernel: `{t: "req", id, ch, p, enc}` and `{t: "cancel", id}`. Kernel to front-end: `{t: "progress", id, done,
total}`, for answers that come bit by bit `{t: "part", id, r}`, and one `{t: "res", id, ok, ...}` for every request.
Arrays travel as binary buffers, or as base64 where binary
is slow (VS Code). Numbers that JSON cannot hold (NaN) only ever travel in arrays.
"""

from __future__ import annotations

import base64
import json
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..engine.text.tokenizer import clean
from ..snapshot.page import Json as Json

Array = npt.NDArray[np.generic]
Encoding = Literal["binary", "base64"]

_DTYPES: dict[str, str] = {"uint8": "u8", "uint32": "u32", "int32": "i32", "float32": "f32"}


@dataclass(frozen=True)
class Reply:
    """An answer: small JSON in `data`, numbers in `arrays` (uint8, uint32, int32 or float32)."""

    data: dict[str, Json]
    arrays: Mapping[str, Array] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A question of one view. `id` is "<view>:<number>"; `channel` and view decide which requests replace each other."""

    id: str
    channel: str
    params: Mapping[str, Json]
    encoding: Encoding

    @property
    def key(self) -> tuple[str, str]:
        """Requests with the same key replace each other: same view, same channel."""
        return self.id.rsplit(":", 1)[0], self.channel


def parse(content: object) -> Request | None:
    """The request in a message, or None if it is something else (a cancel, a stranger's message)."""
    if not isinstance(content, Mapping) or content.get("t") != "req":
        return None
    identifier, channel, params = content.get("id"), content.get("ch"), content.get("p")
    if not (isinstance(identifier, str) and isinstance(channel, str) and isinstance(params, Mapping)):
        return None
    plain = {str(name): jsonable(value) for name, value in params.items()}
    return Request(identifier, channel, plain, "base64" if content.get("enc") == "base64" else "binary")


def success(request_id: str, reply: Reply, encoding: Encoding) -> tuple[dict[str, Json], list[bytes]]:
    """The `res` message of a reply and its buffers.

    Raises:
        ValueError: for NaN or infinity in the data, which JSON has no word for: they travel in arrays.
    """
    raw = {name: np.ascontiguousarray(array) for name, array in reply.arrays.items()}
    described: list[Json] = []
    for name, array in raw.items():
        entry: dict[str, Json] = {
            "name": name,
            "dtype": _DTYPES[array.dtype.newbyteorder("=").name],
            "shape": list(array.shape),
        }
        if encoding == "base64":
            entry["b64"] = base64.b64encode(_little(array)).decode()
        described.append(entry)
    message: dict[str, Json] = {"t": "res", "id": request_id, "ok": True, "r": checked(reply.data), "arrays": described}
    return message, [] if encoding == "base64" else [_little(array) for array in raw.values()]


def failure(request_id: str, error: BaseException) -> dict[str, Json]:
    """The `res` message of a failure: what the user is shown, with a traceback to copy."""
    return {"t": "res", "id": request_id, "ok": False, "e": describe(error)}


def describe(error: BaseException) -> dict[str, Json]:
    """An error as data: type, message, traceback; lone surrogates replaced, for no wire carries them."""
    kind = type(error).__name__
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    return {
        "type": "Cancelled" if kind == "CancelledError" else kind,
        "message": sendable(_message(error) or kind),
        "traceback": sendable("".join(lines)),
    }


def _message(error: BaseException) -> str:
    # str(KeyError("x")) is the repr of its argument.
    return str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)


def sendable(text: str) -> str:
    """`text` without lone surrogates, which would break the connection: each becomes U+FFFD."""
    return text if text.isascii() else clean(text)


def jsonable(value: object) -> Json:
    """`value` as JSON carries it: strings without lone surrogates, NumPy's numbers and arrays as plain ones, keys as strings.

    Raises:
        TypeError: for what has no place in JSON.
    """
    if isinstance(value, str):
        return sendable(str(value))
    if value is None or (isinstance(value, (bool, int, float)) and type(value).__module__ == "builtins"):
        return value
    if isinstance(value, Mapping):
        return {sendable(str(key)): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    if hasattr(value, "tolist"):
        return jsonable(value.detach().tolist() if hasattr(value, "detach") else value.tolist())
    raise TypeError(f"JSON holds no {type(value).__name__}.")


def checked(value: Json, where: str = "the answer") -> Json:
    """`value` with every string sendable; `where` is what it is called in an error.

    Raises:
        ValueError: for a number that is not finite.
    """
    if isinstance(value, str):
        return sendable(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"{where} is {value}, which cannot be shown: a number that may be missing is None, or stands in an array."
        )
    if isinstance(value, dict):
        return {sendable(key): checked(item, key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [checked(item, where) for item in value]
    return value


def canonical(value: Json) -> str:
    """One string for equal JSON values: sorted keys, and 1.0 is 1 as in JavaScript."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Json) -> Json:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _little(array: Array) -> bytes:
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
