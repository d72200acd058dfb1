"""One `.npy` file as array folders have it: a header of always the same size, and a checksum of each page."""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["HEADER", "PAGE", "bytes_of", "checksums", "header"]

PAGE = 2**16
HEADER = 128
"""Bytes of both."""


def bytes_of(entry: Mapping[str, Any]) -> int:
    """Of an array without its header, by its "shape" and "dtype" in a table of contents."""
    return int(math.prod(entry["shape"])) * int(np.dtype(entry["dtype"]).itemsize)


def header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """A `.npy` header of exactly 128 bytes."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype.str, "fortran_order": False, "shape": shape})
    made = out.getvalue()
    if len(made) != HEADER:
        raise ValueError(f"An array of shape {shape} needs a header of {len(made)} bytes.")
    return made


def checksums(path: Path) -> list[int]:
    """The CRC-32 of each page of a file."""
    found = []
    with path.open("rb") as file:
        while page := file.read(PAGE):
            found.append(zlib.crc32(page))
    return found
