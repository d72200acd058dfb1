"""Explanations from a URL: fetched once into the cache, file by file, and taken up where an interrupt left them.

Neuronpedia's exports lie in a public bucket (https://neuronpedia-datasets.s3.us-east-1.amazonaws.com/index.html?prefix=v1/),
which lists its files as XML. A server that lists nothing is asked for batch-0, batch-1 ... until there is none.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit
from urllib.request import Request, urlopen
from xml.etree import ElementTree

from ...storage.places import cache_dir
from ...storage.process_lock import process_lock
from ..errors import writing
from .explanation import ExplanationError
from .sources import is_file_of_explanations

__all__ = ["fetched"]

_TIMEOUT = 30.0
_TRIES = 4
_CHUNK = 2**20
_LARGEST_LISTING = 2**26
_DONE = "complete"  # no kind of file that explanations are read from


def fetched(url: str, *, progress: bool = True) -> Path:
    """The folder in the cache that holds what is at `url`: one file, or all files of explanations below it.

    Raises:
        ExplanationError: if it cannot be reached, or there is nothing.
    """
    place = cache_dir() / "explanations" / hashlib.sha256(url.encode()).hexdigest()[:16]
    if (place / _DONE).exists():
        return place
    with writing(place):
        place.mkdir(parents=True, exist_ok=True)
        # Another process that fetches the same would write into the same half of a file.
        with process_lock(place / ".lock", lambda: None):
            if (place / _DONE).exists():
                return place
            files = list(_files(url))
            if not files:
                raise ExplanationError(f"There are no files of explanations at {url}.")
            for name, address in _shown(files, progress):
                _fetch(address, place / name)
            (place / _DONE).write_text(json.dumps({"url": url, "files": [name for name, _ in files]}), "utf-8")
    return place


def _shown(files: list[tuple[str, str]], progress: bool) -> Iterator[tuple[str, str]]:
    from tqdm import tqdm

    yield from tqdm(files, desc="explanations", unit="file", disable=not progress or len(files) < 2)


def _files(url: str) -> Iterator[tuple[str, str]]:
    """What to fetch: the name that it gets here (folders included), and where it is."""
    parts = urlsplit(url)
    if is_file_of_explanations(parts.path):
        yield parts.path.rpartition("/")[2], url
        return
    folder = unquote(parts.path).strip("/")
    asked = parse_qs(parts.query).get("prefix")
    if asked:  # the page on which a browser sees the bucket
        folder = asked[0].strip("/")
    root = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
    keys = _listed(root, f"{folder}/")
    if keys is not None:
        for key in keys:
            name = key[len(folder) :].strip("/")
            if is_file_of_explanations(name) and "explanations" in key:
                if {"", ".", ".."} & set(name.replace("\\", "/").split("/")):
                    raise ExplanationError(f"{root} lists a file by the name {name!r}, which is no place in a folder.")
                yield name, f"{root}/{quote(key)}"
        return
    number = 0
    while _there(address := f"{root}/{quote(folder)}/batch-{number}.jsonl.gz"):
        yield f"batch-{number}.jsonl.gz", address
        number += 1


def _listed(root: str, prefix: str) -> list[str] | None:
    """The keys of a bucket below a prefix; None if the server lists nothing."""
    keys: list[str] = []
    more: dict[str, str] = {}
    while True:
        asked = urlencode({"list-type": "2", "prefix": prefix, **more})
        try:
            with _opened(f"{root}/?{asked}") as answer:
                page = ElementTree.fromstring(answer.read(_LARGEST_LISTING))
        except (HTTPError, ElementTree.ParseError):
            return None
        if not page.tag.endswith("ListBucketResult"):
            return None
        space = page.tag[: -len("ListBucketResult")]
        keys += [key.text or "" for key in page.iter(f"{space}Key")]
        token = page.findtext(f"{space}NextContinuationToken")
        if not token:
            return keys
        more = {"continuation-token": token}


def _there(address: str) -> bool:
    try:
        with _opened(address, method="HEAD"):
            return True
    except HTTPError as error:
        if error.code in (403, 404):
            return False
        raise ExplanationError(f"{address} answers {error.code} ({error.reason}).") from error


def _fetch(address: str, place: Path) -> None:
    """One file, whole or not at all; what came before an interrupt is not asked for again."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    for attempt in range(_TRIES):
        have = part.stat().st_size if part.exists() else 0
        try:
            with _opened(address, begin=have) as answer, part.open("ab" if answer.status == 206 else "wb") as file:
                left = answer.length
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    left = None if left is None else left - len(chunk)
            if left:
                raise ConnectionError(f"it ended {left:,} bytes early")
            os.replace(part, place)
            return
        except HTTPError as error:
            if error.code == 416:  # it was all there
                os.replace(part, place)
                return
            if error.code < 500 and error.code != 429:
                raise ExplanationError(f"{address} answers {error.code} ({error.reason}).") from error
            problem: Exception = error
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            problem = error
        if attempt + 1 == _TRIES:
            raise ExplanationError(
                f"{address} could not be fetched ({problem}). What came so far is kept: make the same call again."
            ) from problem
        time.sleep(2.0**attempt / 4)


def _opened(address: str, *, begin: int = 0, method: str = "GET") -> http.client.HTTPResponse:
    headers = {"User-Agent": "saewidgets", **({"Range": f"bytes={begin}-"} if begin else {})}
    try:
        answer: http.client.HTTPResponse = urlopen(Request(address, headers=headers, method=method), timeout=_TIMEOUT)
    except HTTPError:
        raise
    except (URLError, OSError) as error:
        raise ExplanationError(
            f"{address} cannot be reached ({error}). Fetch the files where there is a network, and pass their folder."
        ) from error
    return answer
