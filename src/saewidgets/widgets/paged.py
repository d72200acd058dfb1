"""Pages of a widget: what it shows and was asked, in one HTML file, or in a folder where it is much.

A page answers what was recorded, and a widget says in `shot` what that is; here is how it is written, what it may weigh,
and what is said of options that the widget does not have.
"""

from __future__ import annotations

import inspect
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, cast

from ..errors import PageSizeError, SaewidgetsError, nearest
from ..snapshot.page import PART, Parts, Recorded, View, pack, page, parts_of
from ..storage.places import file_place
from . import wire
from .assets import asset
from .channel import plain
from .shot import Question, Shot, recorded
from .traits import how_many

__all__ = ["Page", "Paged", "check_options", "put"]

_LARGE_PAGE = 5_000_000
_PER_PART = 20


@dataclass(frozen=True)
class Page:
    """A page before it is HTML.

    Attributes:
        bundle: whose script and style it has. title, views, links, fallback, provenance: see `snapshot.page.page`.
        called: what makes it, for messages. options: what it can be told to record.
    """

    bundle: str
    title: str
    views: Sequence[View]
    fallback: str
    provenance: Sequence[tuple[str, str]]
    called: str
    options: Sequence[str]
    links: Sequence[Sequence[tuple[str, str]]] = ()
    style: str = ""

    def html(self, parts: Parts | None = None) -> str:
        """The file."""
        return page(
            widget=self.bundle,
            title=self.title,
            views=self.views,
            links=self.links,
            script=asset(f"{self.bundle}.snapshot.js"),
            style=self.style or asset(f"{self.bundle}.css"),
            fallback=self.fallback,
            provenance=self.provenance,
            parts=parts,
        )

    def within(self, html: str, max_bytes: int | None) -> str:
        """`html`, if it is not too large; without `max_bytes` only a warning says that it is large.

        Raises:
            PageSizeError: naming what takes the room, and what may be left out.
        """
        size = len(html.encode())
        if max_bytes is not None and size > max_bytes:
            least = self._program()
            alone = f"The program and its styles alone have {least:,} bytes: allow more."
            raise PageSizeError(
                f"The page would have {size:,} bytes, more than max_bytes={max_bytes:,}: {', '.join(self._weights())}. "
                f"Nothing was written. {alone if max_bytes < least else self._remedy()}"
            )
        if max_bytes is None and size > _LARGE_PAGE:
            warnings.warn(f"The page has {size / 1e6:.1f} MB. {self._remedy()}", stacklevel=4)
        return html

    def _remedy(self) -> str:
        if self.options:
            return (
                f"Leave out some of what {self.called} can be told to record ({', '.join(self.options)}), or show less."
            )
        return "Show less: a shorter text."

    def _program(self) -> int:
        """The bytes of a page without what it shows."""
        empty = replace(self, views=[replace(view, recorded=()) for view in self.views], fallback="")
        return len(empty.html().encode())

    def _weights(self) -> Iterator[str]:
        """What takes how much, the largest first."""
        found: Counter[str] = Counter()
        number: Counter[str] = Counter()
        for view in self.views:
            of = f"{view.widget}: " if len(self.views) > 1 else ""
            for channel in {one.ch for one in view.recorded}:
                answers = [one for one in view.recorded if one.ch == channel]
                number[f"{of}{channel}"] = len(answers)
                found[f"{of}{channel}"] = len(pack([cast("wire.Json", vars(one)) for one in answers]))
        found["program and styles"] = self._program()
        found["picture without scripts"] = len(self.fallback.encode())
        for name, size in found.most_common():
            yield f"{name} {size:,}" + (f" ({number[name]:,} answers)" if name in number else "")


class Paged:
    """What can be written as a page: the base of widgets."""

    bundle: ClassVar[str]

    def _reply_to(self, question: Question) -> wire.Reply:
        """What a page records as the answer."""
        raise NotImplementedError

    def shot(self, *args: Any, **options: Any) -> Shot:
        """What a page holds; `options` are those of `to_html`."""
        raise NotImplementedError

    def page(self, title: str | None = None, *, max_bytes: int | None = None, **options: Any) -> str:
        """`to_html` as a string."""
        made = self._page(title, options)
        return made.within(made.html(), max_bytes)

    def to_html(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        max_bytes: int | None = None,
        **options: Any,
    ) -> str | None:
        """Write one self-contained HTML file: no network, no kernel, works from `file://`. Same state, same bytes.

        What was recorded goes on working in it; what was not says so. Without `path` the page is returned. What
        `options` there are (of many widgets `features`, of some `prompts` or `strengths`) stands at the widget's `shot`.

        `page.html#feature-123` opens that feature, where the widget shows one; as another is chosen the address follows, and
        the browser's back button goes back.

        Args:
            path: of the file, which is replaced if it is there. title: of the page.
            max_bytes: what the page may have. Without it one of over 5 MB warns.

        Raises:
            PageSizeError: for a larger page, naming what takes the room. TypeError: for options that the widget does not
                have. FileNotFoundError, IsADirectoryError: for a path at which no file can be. Nothing is written then.
        """
        place = None if path is None else file_place(path)
        html = self.page(title, max_bytes=max_bytes, **options)
        if place is None:
            return html
        put(place, html)
        return None

    def save(self, path: str | os.PathLike[str], *, title: str | None = None, **options: Any) -> Path:
        """`to_html(path)`, returning the path."""
        self.to_html(path, title=title, **options)
        return Path(path)

    def to_folder(
        self, path: str | os.PathLike[str], *, title: str | None = None, per_part: int = _PER_PART, **options: Any
    ) -> Path:
        """Write a folder instead of one file, for many features: `index.html`, and parts beside it that it adds when they are
        asked for. It works from `file://` and from any server of files; without its parts the page says what it lacks.

        The page's policy allows its one script by its hash, what that script adds ('strict-dynamic'), and all of it only from
        where the page itself is (a second policy: 'self' and file:). A part is a script of one call, with compressed data.
        In a sandboxed frame it works as `src`, not as `srcdoc`, which has no place of its own.

        Args:
            path: of the folder: a new or empty one, or one that an earlier call made, which is replaced.
            per_part: features a part. title, options: see `to_html`.

        Raises:
            SaewidgetsError: for a folder that holds something else, or if nothing is recorded about a feature.
            TypeError: for options that the widget does not have, and for `max_bytes`.

        Example:
            >>> sw.FeatureDashboard(index=index).to_folder("features", features=range(1000))
        """
        folder = Path(path)
        if "max_bytes" in options:
            raise TypeError("A folder is for as much as there is: max_bytes is of to_html.")
        _must_be_ours(folder)
        made = self._page(title, options)
        if len(made.views) > 1:
            raise SaewidgetsError(f"A folder is of one view: {made.called} writes all of them as one file.")
        (view,) = made.views
        groups: dict[int, list[Recorded]] = {}
        rest: list[Recorded] = []
        for one in view.recorded:
            feature = one.p.get("f")
            (groups.setdefault(feature, []) if isinstance(feature, int) else rest).append(one)
        if not groups:
            raise SaewidgetsError(
                f"A {made.called} records nothing about single features: to_html writes it as one file."
            )
        listed = list(groups)
        chunks = [listed[i : i + max(1, per_part)] for i in range(0, len(listed), max(1, per_part))]
        parts = parts_of([(chunk, [one for feature in chunk for one in groups[feature]]) for chunk in chunks])
        html = replace(made, views=[replace(view, recorded=rest)]).html(parts)
        (folder / PART).parent.mkdir(parents=True, exist_ok=True)
        for old in (folder / PART).parent.glob("*.js"):
            old.unlink()
        for number, script in enumerate(parts.scripts):
            put(folder / PART.format(number), script)
        put(folder / "index.html", html)
        return folder

    def _page(self, title: str | None, options: Mapping[str, Any]) -> Page:
        known = check_options(f"{type(self).__name__}.to_html", self.shot, options)
        shot = self.shot(**options)
        return Page(
            bundle=self.bundle,
            title=title or shot.title,
            views=[self._as_view("", shot)],
            fallback=shot.fallback,
            provenance=list(shot.provenance),
            called=f"{type(self).__name__}.to_html",
            options=known,
        )

    def _as_view(self, name: str, shot: Shot) -> View:
        traits: Any = self
        shown = {trait: cast("wire.Json", getattr(self, trait)) for trait in traits.trait_names(page=True)}
        state: dict[str, wire.Json] = {**shown, "error": None, "revision": 0, **shot.state}
        return View(name, self.bundle, state, list(self._recorded(shot.questions)), shot.choices)

    def _recorded(self, questions: Sequence[Question]) -> Iterator[Recorded]:
        """The answers of a page, in the order of their questions, each once."""
        seen: set[tuple[str, str]] = set()
        for one in questions:
            params = plain(one.asked)
            key = one.channel, wire.canonical(params)
            if key not in seen:
                seen.add(key)
                yield recorded(one.channel, params, self._reply_to(one))


def check_options(called: str, shot: Callable[..., object], given: Mapping[str, object]) -> list[str]:
    """The options that `shot` has; those that are an integer say how many of something.

    Raises:
        TypeError: for one that it does not have, naming those that it has; or for one that is no number. ValueError: for less
            than 0.
    """
    known = {
        name: one.annotation
        for name, one in inspect.signature(shot).parameters.items()
        if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    }
    for name, value in given.items():
        if name not in known:
            near = nearest(name, [*known, "title", "max_bytes"])
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            its = (
                f"It can be told {', '.join(known)}"
                if known
                else "It records what is on screen and has none of its own"
            )
            raise TypeError(f"{called} has no option {name!r}.{hint} {its}, beside title and max_bytes.")
        if known[name] in (int, "int"):
            how_many(value, name)
    return [*known]


def put(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    beside = path.with_name(f"{path.name}.unfinished")
    try:
        beside.write_text(text, encoding="utf-8", newline="\n")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _must_be_ours(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise SaewidgetsError(f"{folder} is a file: name a folder, or write one file with to_html.")
    parts = PART.split("/")[0]
    others = [one.name for one in folder.iterdir() if one.name not in ("index.html", parts)]
    index = folder / "index.html"
    ours = not index.exists() or re.search('<script type="application/json" id="saew-data">', index.read_text("utf-8"))
    if others or not ours:
        raise SaewidgetsError(f"{folder} holds {', '.join(others[:3]) or 'another index.html'}: name a new folder.")
