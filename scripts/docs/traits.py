"""The table of a widget's traits: types and defaults from the class, meanings from its docstring."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import traitlets
from ipywidgets import DOMWidget

from saewidgets.widgets.base import EngineWidget
from saewidgets.widgets.recipe_trait import RecipeTrait
from saewidgets.widgets.traits import JsonTrait, TextOrIds


@dataclass(frozen=True)
class Trait:
    """A trait that users set and read."""

    name: str
    kind: str
    default: str
    meaning: str


def traits_of(cls: type[EngineWidget]) -> list[Trait]:
    """The traits of a widget that its docstring speaks of, in its order, and those of every widget.

    Raises:
        ValueError: for a meaning of a trait that there is not, and for a trait that a page keeps of which there is no meaning.
    """
    known = {name: trait for name, trait in cls.class_traits().items() if not hasattr(DOMWidget, name)}
    meanings = {**dict(_meanings(cls, known)), **dict(_meanings(EngineWidget, known))}
    silent = [name for name in cls.class_trait_names(page=True) if name not in meanings and name not in _OWN_BUSINESS]
    if silent:
        raise ValueError(f"The docstring of {cls.__name__} does not say what {', '.join(silent)} is.")
    return [Trait(name, _kind(known[name]), _default(known[name]), text) for name, text in meanings.items()]


# Told to the views by the kernel; nobody sets them.
_OWN_BUSINESS = {"live", "indexed", "revision", "n_features", "facts", "saes", "default_sae", "given", "sources"}


def table_of(cls: type[EngineWidget]) -> str:
    """`traits_of` as a Markdown table."""
    rows = ["| Trait | Type | Default | Meaning |", "|---|---|---|---|"]
    for one in traits_of(cls):
        cells = [f"`{one.name}`", one.kind, f"`{one.default}`", one.meaning]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def _meanings(cls: type[EngineWidget], known: dict[str, traitlets.TraitType]) -> Iterator[tuple[str, str]]:
    """Name and meaning, of a section such as "text: your own text. sort, limit: ..."."""
    section = re.search(r"^Traits[^\n]*:\n((?:[ ]{4}.*\n|\n)+)", inspect.cleandoc(cls.__doc__ or "") + "\n", re.M)
    if section is None:
        raise ValueError(f"The docstring of {cls.__name__} has no section Traits.")
    text = " ".join(line.strip() for line in section[1].splitlines()) + " "
    some = "|".join(map(re.escape, known))
    # A meaning begins with its names; before it there is nothing, or the end of a sentence.
    starts = re.compile(rf"(?:^|(?<=[.;] ))(?P<names>(?:{some})(?:, (?:{some}))*)(?P<sep>: |\. )")
    found = [match for match in starts.finditer(text) if match["sep"] == ": " or match.start() == 0]
    for match, following in zip(found, [*found[1:], None], strict=True):
        meaning = text[match.end() : following.start() if following else len(text)].strip().rstrip(";")
        for name in match["names"].split(", "):
            if not meaning.startswith("see `EngineWidget`"):
                yield name, _sentence(meaning)


def _sentence(meaning: str) -> str:
    escaped = meaning.replace("<", "&lt;")
    return escaped[0].upper() + escaped[1:] + ("" if escaped.endswith((".", ")", "`")) else ".")


def _kind(trait: traitlets.TraitType) -> str:
    """A trait's type in words."""
    if isinstance(trait, traitlets.Enum):
        return " or ".join(f"`{value}`" for value in trait.values or ())
    kinds = [
        (RecipeTrait, "a `Recipe`, interventions, or their JSON"),
        (JsonTrait, "dict"),
        (TextOrIds, "text or token ids"),
        (traitlets.Bool, "bool"),
        (traitlets.Int, "int"),
        (traitlets.Float, "float"),
        (traitlets.Unicode, "str"),
        (traitlets.Dict, "dict"),
    ]
    name = next((word for kind, word in kinds if isinstance(trait, kind)), type(trait).__name__)
    if isinstance(trait, traitlets.List):
        inner = getattr(trait, "_trait", None)
        name = "list" if inner is None else f"list of {_kind(inner)}"
    if isinstance(trait, (traitlets.Int, traitlets.Float)):
        least, most = (None if bound in (None, -math.inf, math.inf) else bound for bound in (trait.min, trait.max))
        if least is not None:
            name += f", {least} to {most}" if most is not None else f", from {least}"
    return name + (" or `None`" if trait.allow_none else "")


def _default(trait: traitlets.TraitType) -> str:
    value = trait.default()
    return repr(list(value) if isinstance(value, (list, tuple)) else "" if value is traitlets.Undefined else value)
