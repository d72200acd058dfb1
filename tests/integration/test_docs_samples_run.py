"""The code of the documentation that is marked with `<!-- run -->` runs on the demo, in the order of its page.

`engine` and `index` are the demo's. What is not marked is looked at in tests/unit/test_docs_samples.py.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
from doc_samples import PAGES, samples

import saewidgets as sw

RUN = [page for page in PAGES if any(run for _, _, run in samples(page))]


@pytest.mark.parametrize("page", RUN, ids=[page.stem for page in RUN])
def test_marked_samples_run(
    page: Path, demo_engine: sw.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    index = sw.load_demo_index(demo_engine)
    monkeypatch.setattr(sw, "load_demo", lambda: demo_engine)
    monkeypatch.setattr(sw, "load_demo_index", lambda engine=None: index)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"sw": sw, "engine": demo_engine, "index": index}
    for line, code, run in samples(page):
        if run:
            # Numbered as in the page, so that an error names its line.
            compiled = compile("\n" * (line - 1) + code, str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compiled, names)
