"""Explanations from a URL: a bucket that lists its files, a server that does not, one that breaks off."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest
from served import serving

import saewidgets as sw
from saewidgets.index.explanations.explanation import ExplanationError

FOLDER = "v1/gpt2-small/7-res-jb"


def packed(features: range) -> bytes:
    rows = [{"index": str(f), "description": f"number {f}", "modelId": "m", "layer": "l"} for f in features]
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


class Bucket(ThreadingHTTPServer):
    """Files by key; what is asked of it is remembered."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {f"{FOLDER}/explanations/batch-{n}.jsonl.gz": packed(range(10 * n, 10 * n + 10)) for n in range(3)}
        self.files[f"{FOLDER}/features/batch-0.jsonl.gz"] = packed(range(40, 48))
        self.files[f"{FOLDER}/explanations-other model/batch-0.jsonl.gz"] = packed(range(30, 33))
        self.lists, self.breaks, self.busy = True, 0, 0
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Bucket

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        key = parts.path.strip("/").replace("%20", " ")
        self.server.asked.append((key, self.headers.get("Range")))
        asked = parse_qs(parts.query)
        if not key and "list-type" in asked and self.server.lists:
            return self.listing(asked)
        content = self.server.files.get(key)
        if content is None:
            return self.send_error(404)
        if self.server.busy:
            self.server.busy -= 1
            return self.send_error(503)
        begin = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if self.command == "HEAD":
            return None
        rest = content[begin:]
        if self.server.breaks:
            self.server.breaks -= 1
            rest = rest[: len(rest) // 2]
        self.wfile.write(rest)
        return None

    def listing(self, asked: dict[str, list[str]]) -> None:
        keys = sorted(key for key in self.server.files if key.startswith(asked["prefix"][0]))
        at = int(asked.get("continuation-token", ["0"])[0])
        more = f"<NextContinuationToken>{at + 2}</NextContinuationToken>" if at + 2 < len(keys) else ""
        inside = "".join(f"<Contents><Key>{escape(key)}</Key></Contents>" for key in keys[at : at + 2])
        page = f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}{more}</ListBucketResult>'.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with serving(Bucket()) as server:
        yield server


@pytest.mark.slow
def test_all_sets_below_a_folder_or_one_of_them(bucket: Bucket, index: sw.FeatureIndex) -> None:
    added = index.add_explanations(f"{bucket.url}/{FOLDER}/explanations", progress=False)
    assert (added.name, added.added) == ("7-res-jb/explanations", 30)
    assert index.add_explanations(f"{bucket.url}/{FOLDER}", progress=False).added == 33
    page = f"{bucket.url}/index.html?prefix={FOLDER}/"
    assert index.add_explanations(page, "by the page", progress=False).added == 33
    one = f"{bucket.url}/{FOLDER}/explanations/batch-1.jsonl.gz"
    alone = index.add_explanations(one, "one file", progress=False)
    assert (alone.features, alone.skipped_count) == (10, 0)
    assert index.describe(12).text == "number 12"  # type: ignore[union-attr]
    # Fetched once.
    bucket.asked.clear()
    assert index.add_explanations(page, "again", progress=False).added == 33 and not bucket.asked


@pytest.mark.slow
def test_a_server_that_lists_nothing(bucket: Bucket, index: sw.FeatureIndex) -> None:
    bucket.lists = False
    assert index.add_explanations(f"{bucket.url}/{FOLDER}/explanations", "x", progress=False).added == 30


@pytest.mark.slow
def test_a_listing_cannot_write_outside_the_cache(bucket: Bucket, index: sw.FeatureIndex, tmp_path: Path) -> None:
    bucket.files[f"{FOLDER}/explanations/../../../../out.jsonl"] = packed(range(3))
    with pytest.raises(ExplanationError, match=r"by the name '\.\./.*out.jsonl', which is no place"):
        index.add_explanations(f"{bucket.url}/{FOLDER}/explanations", "x", progress=False)
    assert not [*tmp_path.rglob("out.jsonl*")]


def test_what_broke_off_goes_on_where_it_was(
    bucket: Bucket, index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saewidgets.index.explanations.download.time.sleep", lambda seconds: None)
    url, file = f"{bucket.url}/{FOLDER}/explanations", f"{FOLDER}/explanations/batch-0.jsonl.gz"
    bucket.breaks, bucket.busy = 2, 1
    assert index.add_explanations(url, "x", progress=False).added == 30
    size = len(bucket.files[file])
    ranges = [asked for key, asked in bucket.asked if key == file]
    assert ranges == [None, None, f"bytes={size // 2}-", f"bytes={size // 2 + (size - size // 2) // 2}-"]


@pytest.mark.slow
def test_a_server_that_goes_on_breaking_off_is_told_and_the_next_call_goes_on(
    bucket: Bucket, index: sw.FeatureIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saewidgets.index.explanations.download.time.sleep", lambda seconds: None)
    url = f"{bucket.url}/{FOLDER}/explanations"
    bucket.breaks = 6  # the second file breaks off too often
    with pytest.raises(ExplanationError, match="kept: make the same call again"):
        index.add_explanations(url, "x", progress=False)
    bucket.breaks = 0
    bucket.asked.clear()
    assert index.add_explanations(url, "x", progress=False).added == 30
    assert sum(key.endswith(".gz") and asked is None for key, asked in bucket.asked) <= 2


@pytest.mark.slow
def test_nothing_there_and_nobody_there(bucket: Bucket, index: sw.FeatureIndex) -> None:
    with pytest.raises(ExplanationError, match="no files of explanations at"):
        index.add_explanations(f"{bucket.url}/v1/nothing", "x", progress=False)
    with pytest.raises(ExplanationError, match="answers 404"):
        index.add_explanations(f"{bucket.url}/nothing.jsonl", "x", progress=False)
    bucket.server_close()
    with pytest.raises(ExplanationError, match=r"cannot be reached.*pass their folder"):
        index.add_explanations("http://127.0.0.1:9/x.jsonl", "x", progress=False)
