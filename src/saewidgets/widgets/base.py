"""What all widgets share: the wire to the engine's worker, errors as data, theme, and the picture without a kernel.

Callbacks arrive on any thread; they only queue work. The worker only sends messages, never sets a trait. Whatever
fails is answered as data, so the view can show it and stays usable.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import anywidget
import traitlets

from ..engine.labels import Labels
from ..engine.worker import Turn, Worker
from ..errors import nearest
from ..snapshot.fallback import as_saved
from . import wire
from .assets import live_asset
from .channel import Channel, channels_of, parse, plain
from .paged import Paged
from .remembered import Remembered
from .visitor import at_once, hang_up, way_back

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..engine.ticket import Ticket
    from ..engine.worker import Job
    from .shot import Question

_PROGRESS_SECONDS = 0.1
_Init = TypeVar("_Init", bound=Callable[..., None])


def with_picture(bundle: Any, picture_of: Callable[[], str]) -> Any:
    """What a widget is displayed as, with its picture for places that show no widgets; None (no widgets here) stays None."""
    if bundle is None:
        return None
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    try:
        picture = picture_of()
    except Exception as error:
        # The live view shows the error, with its traceback; displaying the widget must not fail for a picture of it.
        picture = f"<p>{_escape(f'{type(error).__name__}: {error}')}</p>"
    return {**data, "text/html": as_saved(picture)}, metadata


def _whole(init: _Init) -> _Init:
    """A constructor after which, and not before, views hear of the widget.

    ipywidgets (and hosts such as marimo, Shiny and Solara, which ask it to be told of every widget) opens the line to the views
    in the constructor of its own, so what a subclass sets after that would follow in messages of their own: a view that is drawn
    before these came, as over a slow line, would be of a widget that does not know itself yet. Ours calls it last.
    """

    @wraps(init)
    def made(widget: EngineWidget, *args: object, **options: object) -> None:
        widget._making += 1
        try:
            init(widget, *args, **options)
        finally:
            widget._making -= 1
        if widget._making == 0:
            anywidget.AnyWidget.__init__(widget)
            widget.on_msg(widget._on_message)

    return cast("_Init", made)


class EngineWidget(Paged, anywidget.AnyWidget):
    """Base of the widgets that ask an engine.

    A subclass names its front-end, `class Browser(EngineWidget, bundle="browser")`, tags the traits that views share
    with `sync=True` and those that a page starts with with `page=True` as well, answers questions in methods marked
    `@channel`, and says in `shot` what a page of it holds.

    Traits:
        theme: "auto", "light", "dark" or "contrast".
        error: the last failure a view met, as {type, message, traceback}, or None.
        encoding: how numbers travel to a view: "binary", "base64" where a front-end or a proxy loses binary messages, or
            "auto": binary except in VS Code, where base64 is faster. A view takes it over when it is shown.
    """

    theme = traitlets.Enum(("auto", "light", "dark", "contrast"), "auto").tag(sync=True, page=True)
    error = traitlets.Dict(allow_none=True, default_value=None).tag(sync=True)
    encoding = traitlets.Enum(("auto", "binary", "base64"), "auto").tag(sync=True)
    revision = traitlets.Int(0).tag(sync=True)
    """Grows with `refresh()`; views then ask again."""

    bundle: ClassVar[str]
    """Name of the front-end in static/ and in js/widgets.json."""
    channels: ClassVar[Mapping[str, Channel]] = {}
    """What may be asked, by name."""
    _making = 0

    def __init_subclass__(cls, bundle: str | None = None, **options: Any) -> None:
        if bundle is not None:
            cls.bundle = bundle
            cls._esm, cls._css = live_asset(f"{bundle}.js"), live_asset(f"{bundle}.css")
        cls.channels = channels_of(cls)
        if "__init__" in cls.__dict__:
            cls.__init__ = _whole(cls.__init__)  # type: ignore[method-assign]
        super().__init_subclass__(**options)

    @_whole
    def __init__(self, engine: Engine | None, **traits: object) -> None:
        _check_names(type(self), traits)
        self._engine = engine
        # Without an engine there is still one thread that answers: callbacks come on any.
        self._worker = Worker() if engine is None else engine.worker
        self._owns_worker = engine is None
        self._closed = False
        self._jobs: dict[str, Job[wire.Reply]] = {}
        self._brought: Collection[str] = ()
        self._deliver = way_back()
        self._remembered = Remembered()
        traitlets.HasTraits.__init__(self, **traits)  # anywidget's own comes last: see `_whole`

    @property
    def engine(self) -> Engine:
        """The engine behind the widget.

        Raises:
            RuntimeError: after `close()`, or if the widget was made without one.
        """
        if self._closed:
            raise RuntimeError("This widget was closed; make a new one.")
        if self._engine is None:
            raise RuntimeError("This needs a model: make the widget with an engine.")
        return self._engine

    # -- messages

    def send(self, content: object, buffers: Sequence[bytes] | None = None) -> None:
        """Send a message to the views, from any thread."""
        self._deliver(partial(super().send, content, buffers))

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Apply a message of the front-end, whose traits belong together."""
        self._brought = sync_data.keys()
        try:
            super().set_state(sync_data)
        finally:
            self._brought = ()

    def reset(self, **values: object) -> None:
        """Set traits that went with another one's old value, for an observer of that one.

        A front-end may change both in one message, such as a text and then a selection in it, which came before the message
        could leave: what it brings is never reset.
        """
        for name, value in values.items():
            if name not in self._brought:
                self.set_trait(name, value)

    def _answer(self, name: str, asked: object, ticket: Ticket) -> wire.Reply:
        """The answer of a channel; on the engine's worker."""
        one, remembered = self.channels[name], self._remembered  # by the end it may be of other weights
        reply: wire.Reply = getattr(self, one.method)(asked, ticket)
        if one.remembered:
            remembered.keep(name, plain(asked), reply, quick=not one.long)
        return reply

    def _on_message(self, _widget: object, content: object, _buffers: object) -> None:
        request = wire.parse(content)
        if request is not None:
            self._submit(request)
        elif isinstance(content, Mapping) and content.get("t") == "cancel":
            job = self._jobs.get(str(content.get("id")))
            if job is not None:
                job.cancel()

    def _submit(self, request: wire.Request) -> None:
        def answer(ticket: Ticket) -> wire.Reply:
            one = self.channels.get(request.channel)
            if one is None:
                raise ValueError(
                    f"This widget has no channel {request.channel!r}: front-end and kernel versions differ."
                )
            return self._answer(one.name, parse(one.asked, request.params), ticket)

        long = [one.name for one in self.channels.values() if one.long]
        last_sent = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal last_sent
            # The last step is not told: its message would hold up the answer that follows it.
            if done < total and time.monotonic() - last_sent >= _PROGRESS_SECONDS:
                last_sent = time.monotonic()
                tell(done, total)

        def tell(done: int, total: int) -> None:
            self.send({"t": "progress", "id": request.id, "done": done, "total": total})

        try:
            if self._closed:
                raise RuntimeError("This widget was closed; make a new one.")
            self._jobs[request.id] = self._worker.submit(
                answer,
                key=(id(self), *request.key),
                turn=Turn.LONG if request.channel in long else Turn.QUESTION,
                on_done=lambda job: self._reply(request, job),
                on_progress=progress,
                on_alive=tell,
                on_part=lambda part: self.send(
                    {"t": "part", "id": request.id, "r": wire.checked(cast("wire.Json", part))}
                ),
            )
            if self._jobs[request.id].finished.is_set():  # it was quicker than the line above
                self._jobs.pop(request.id, None)
        except RuntimeError as error:  # closed
            self.send(wire.failure(request.id, error))

    def _reply(self, request: wire.Request, job: Job[wire.Reply]) -> None:
        self._jobs.pop(request.id, None)
        if job.error is None and job.result is not None:
            try:
                message, buffers = wire.success(request.id, job.result, request.encoding)
            except Exception as error:
                self.send(wire.failure(request.id, error))
                return
            self.send(message, buffers)
        else:
            self.send(wire.failure(request.id, job.error or RuntimeError("No result.")))

    def names_of(self, *labels: Mapping[int, str]) -> None:
        """Let views ask again whenever one of these `Labels` changes: whoever changes it, the names on screen follow."""
        for names in labels:
            if isinstance(names, Labels):
                names.watch(self._renamed)

    def _renamed(self) -> None:
        if not self._closed:
            self.send({"t": "names"})

    # -- without a kernel

    def fallback_html(self) -> str:
        """Script-free HTML of the current state, for places that show no widgets (GitHub, nbconvert, e-mail)."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_picture(super()._repr_mimebundle_(**kwargs), self.fallback_html)

    def _reply_to(self, question: Question) -> wire.Reply:
        """What a page records as the answer: given, remembered, or asked for as a view would ask."""
        given = question.reply or self._remembered.of(question.channel, plain(question.asked))
        if given is not None:
            return given
        return self._worker.run(partial(self._answer, question.channel, question.asked))

    # -- life

    def refresh(self) -> None:
        """Compute again: after the model, the SAE's weights or hooks changed."""
        self.revision += 1

    def close(self) -> None:
        """Cancel what runs and let go of the engine."""
        # A widget whose construction failed is closed too, by its finaliser.
        for job in list(self.__dict__.get("_jobs", {}).values()):
            job.cancel()
        if self.__dict__.get("_owns_worker", False):
            self._worker.close()
        self._engine = None
        self._closed = True
        self._deliver = at_once
        hang_up(self, super().close)


def _check_names(cls: type[EngineWidget], given: Mapping[str, object]) -> None:
    """traitlets only warns about a misspelt keyword; a setting that is silently ignored is worse than an error."""
    known = [name for name in cls.class_trait_names() if not name.startswith("_")]
    for name in given:
        if name not in known:
            near = nearest(name, known)
            hint = f" Did you mean {' or '.join(near)}?" if near else ""
            raise TypeError(f"{cls.__name__} has no setting {name!r}.{hint}")


def _escape(text: str) -> str:
    import html

    return html.escape(wire.sendable(text))
