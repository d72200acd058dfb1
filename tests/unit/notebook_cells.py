"""A notebook's cells run in this process, with an engine that is there already, and what each of them shows."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from ipywidgets import Widget

import saewidgets as sw

if TYPE_CHECKING:
    from saewidgets.engine.engine import Engine


@dataclass
class Ran:
    """The names that the cells left, and by cell the value of its last line, where it is an expression that gives one."""

    names: dict[str, Any] = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)

    def views(self) -> dict[str, str]:
        """By cell that shows a view: the picture that stays where there is no widget manager (`text/html`)."""
        pictures = {}
        for cell, value in self.shown.items():
            if isinstance(value, Widget):
                made = value._repr_mimebundle_()
                data = made[0] if isinstance(made, tuple) else made
                pictures[cell] = data.get("text/html", "")
                assert getattr(value, "error", None) is None, cell
        return pictures


def run_cells(
    path: Path,
    engine: Engine,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    smaller: Mapping[str, str] | None = None,
) -> Ran:
    """Rather than in a kernel: front ends have tests of their own, and the model is loaded once.

    `smaller` replaces what is written in the cells, so that a test reads less than a reader would; each must be there.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sw, "load_demo", lambda: engine)
    left, ran = dict(smaller or {}), Ran()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        source = cell.source
        for long, short in (smaller or {}).items():
            if long in source:
                source = source.replace(long, short)
                left.pop(long, None)
        where, body = f"{path.name}:{cell.id}", ast.parse(source).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), where, "exec"), ran.names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), where, "eval"), ran.names)
            if value is not None:
                ran.shown[cell.id] = value
    assert not left, f"not in {path.name}: {left}"
    return ran
