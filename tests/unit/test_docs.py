"""The documentation says what there is: modules, public names, widgets and their traits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import traitlets

import saewidgets as sw
from saewidgets.widgets.base import EngineWidget
from scripts.docs.check import Page, problems
from scripts.docs.traits import traits_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WIDGETS = [one for name in sw.__all__ if isinstance(one := getattr(sw, name), type) and issubclass(one, EngineWidget)]


def test_definitions_name_modules_that_there_are() -> None:
    text = (DOCS / "numbers.md").read_text("utf-8")
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert len(named) > 40
    assert [name for name in sorted(named) if not (ROOT / "src" / "saewidgets" / name).is_file()] == []


def test_every_widget_has_a_page_with_its_picture_its_live_page_and_its_traits() -> None:
    for cls in WIDGETS:
        page = (DOCS / "widgets" / f"{cls.bundle}.md").read_text("utf-8")
        for part in (
            f"](../pictures/{cls.bundle}.png)",
            f"<!-- live: {cls.bundle} ",
            f"<!-- traits: {cls.__name__} -->",
        ):
            assert part in page, f"{cls.bundle}.md has no {part}"
        assert f"::: saewidgets.{cls.__name__}\n" in page
        assert f"({cls.bundle}.md)" in (DOCS / "widgets" / "index.md").read_text("utf-8")
        assert f"docs/widgets/{cls.bundle}.md" in (ROOT / "README.md").read_text("utf-8")
    assert {cls.bundle for cls in WIDGETS} | {"explore"} == set(json.loads((ROOT / "js" / "widgets.json").read_text()))


@pytest.mark.parametrize("cls", WIDGETS, ids=[cls.__name__ for cls in WIDGETS])
def test_every_trait_of_a_page_has_a_meaning(cls: type[EngineWidget]) -> None:
    assert all(one.meaning and one.kind for one in traits_of(cls))


def test_traits_are_read_off_the_class_and_its_docstring() -> None:
    class Made(EngineWidget):
        """A widget.

        Traits:
            near, far: a bound. sort: "a" or "b", of which
                the first: is one. text: what is
                typed.
            theme, error: see `EngineWidget`.

        Example:
            >>> Made()
        """

        near = traitlets.Int(3, min=1)
        far = traitlets.Float(allow_none=True, default_value=None)
        sort = traitlets.Enum(("a", "b"), "a").tag(page=True)
        text = traitlets.Unicode("")

    told = [(one.name, one.kind, one.default, one.meaning) for one in traits_of(Made)[:4]]
    assert told == [
        ("near", "int, from 1", "3", "A bound."),
        ("far", "float or `None`", "None", "A bound."),
        ("sort", "`a` or `b`", "'a'", '"a" or "b", of which the first: is one.'),
        ("text", "str", "''", "What is typed."),
    ]
    Made.__doc__ = "A widget.\n\n    Traits:\n        near: a bound.\n"
    with pytest.raises(ValueError, match="does not say what sort is"):
        traits_of(Made)


def test_docstrings_become_what_the_parser_reads() -> None:
    pytest.importorskip("griffe", reason="the parser comes with what makes the documentation")
    from scripts.docs.docstrings import rewritten

    text = "Says.\n\nArgs:\n    a, b: both. c: one more.\n        And on: so.\n\nTraits (both ways):\n    x: y.\n\nRaises:\n    "
    text += "KeyError: if. ValueError: else.\n\nExample:\n    >>> 1\n"
    wanted = "Says.\n\nArgs:\n    a: both.\n    b: both.\n    c: one more.\n        And on: so.\n\nRaises:\n    KeyError: if.\n    "
    assert rewritten(text) == wanted + "ValueError: else.\n\nExamples:\n    >>> 1"


def test_the_check_finds_dead_links_and_what_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html#there">x</a><a href="b.html#gone">x</a><img src="c.png">')
    (tmp_path / "b.html").write_text(
        '<h1 id="there">x</h1><script src="https://cdn/x.js"></script><a href="https://elsewhere">x</a>'
    )
    (tmp_path / "s.css").write_text("a { background: url(https://cdn/x.png) }")
    assert list(problems(tmp_path)) == [
        "a.html links to b.html#gone, which has no such anchor",
        "a.html links to c.png, which is not there",
        "b.html fetches https://cdn/x.js",
        "s.css fetches something from elsewhere",
    ]
    assert Page(tmp_path / "b.html").anchors == {"there"}


def test_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text("utf-8"))
    assert len(links) > 40
    assert [link for link in links if not (ROOT / link).is_file()] == []
