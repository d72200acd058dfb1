"""The code of the README and the documentation compiles, and calls what there is by arguments that it takes."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from doc_samples import PAGES, ROOT, samples

import saewidgets as sw
from saewidgets.widgets.base import EngineWidget

# What samples call a thing is what it is.
KNOWN: dict[str, type] = {
    "engine": sw.Engine,
    "index": sw.FeatureIndex,
    "acts": sw.FeatureActivations,
    "matrix": sw.FeatureMatrix,
    "dashboard": sw.FeatureDashboard,
    "heatmap": sw.TokenFeatureHeatmap,
    "panel": sw.SteeringPanel,
    "recipe": sw.Recipe,
}


def test_all_samples_say_what_there_is() -> None:
    wrong = []
    for page in PAGES:
        types = dict(KNOWN)
        for line, code, _ in samples(page):
            tree = ast.parse(code, f"{page}:{line}")
            for node in ast.walk(tree):
                at = f"{page.relative_to(ROOT)}:{line + getattr(node, 'lineno', 1) - 1}"
                wrong += [f"{at}: {said}" for said in mistakes(node, types)]
    assert not wrong, "\n".join(wrong)


def mistakes(node: ast.AST, types: dict[str, type]) -> Iterator[str]:
    """Names that are not there, and arguments that nothing takes; `types` of variables grows by what is made."""
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        made = public(node.value.func) if isinstance(node.value, ast.Call) else None
        # Of anything else than a class of ours we do not know what it is.
        types.pop(node.targets[0].id, None)
        if isinstance(made, type):
            types[node.targets[0].id] = made
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        name, owner = node.value.id, types.get(node.value.id)
        if (name == "sw" and node.attr not in sw.__all__) or (owner is not None and node.attr not in names_of(owner)):
            yield f"{name}.{node.attr} is not there"
    if isinstance(node, ast.Call) and (called := public(node.func)) is not None:
        takes = inspect.signature(called).parameters
        open_ended = any(one.kind is one.VAR_KEYWORD for one in takes.values())
        traits = called.class_trait_names() if isinstance(called, type) and issubclass(called, EngineWidget) else None
        for given in (keyword.arg for keyword in node.keywords if keyword.arg is not None):
            if given not in takes and (given not in traits if traits is not None else not open_ended):
                yield f"{ast.unparse(node.func)} takes no {given}="


def public(func: ast.expr) -> Any:
    """What `sw.name`, or a class method of one, is; None of anything else."""
    if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == "sw":
        return getattr(sw, func.attr, None)
    return None


@cache
def names_of(owner: type) -> frozenset[str]:
    """Attributes of a class and of its instances; those that a method sets are read off its source."""
    ours = [one for one in owner.__mro__ if one.__module__.startswith("saewidgets")]
    found = {name for one in ours for name in re.findall(r"\bself\.(\w+)\b[^=\n(]*=(?!=)", inspect.getsource(one))}
    return frozenset(found | {name for one in ours for name in inspect.get_annotations(one)} | set(dir(owner)))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sw.Heatmap(engine)", "sw.Heatmap is not there"),
        ("engine.activation('x')", "engine.activation is not there"),
        ("sw.FeatureDashboard(index=index, feture=3)", "sw.FeatureDashboard takes no feture="),
        ("sw.compare(engine, texts, where=3)", "sw.compare takes no where="),
        ("sw.FeatureDashboard(index=index, token_filter='x'); engine.model; sw.compare(engine, texts, at=3)", None),
    ],
)
def test_mistakes_are_found(code: str, said: str | None) -> None:
    found = [one for node in ast.walk(ast.parse(code)) for one in mistakes(node, dict(KNOWN))]
    assert found == ([] if said is None else [said])
