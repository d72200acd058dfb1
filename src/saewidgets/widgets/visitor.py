"""The way back to whoever looks at a widget.

A notebook takes a message from any thread. Two app servers do not: Shiny's messages leave in their visitor's session and on its
event loop, when that flushes; Panel's leave between two ticks of their visitor's document. The worker knows neither, so a
widget remembers at its making for whom it is made.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

import ipywidgets

__all__ = ["Deliver", "at_once", "hang_up", "way_back"]

log = logging.getLogger(__name__)

Deliver: TypeAlias = Callable[[Callable[[], object]], None]
"""Calls what sends a message, at once or soon, where it may be sent; from any thread, in order."""


def way_back() -> Deliver:
    """For a widget that is being made here and now."""
    return _to_shiny() or _to_panel() or at_once


def at_once(send: Callable[[], object]) -> None:
    """On this thread."""
    send()


def hang_up(widget: ipywidgets.Widget, close: Callable[[], None]) -> None:
    """Close `widget` by `close()`, also after its visitor has left: Panel's line is cut by then, and refuses to say so."""
    line = widget.comm
    try:
        close()
    except Exception:
        log.debug("A widget was closed whose line was cut.", exc_info=True)
        line.on_msg(None)
        widget.comm = None


# Neither is imported here: only an app that runs has a visitor.
def _to_shiny() -> Deliver | None:
    shiny: Any = sys.modules.get("shiny")
    session = shiny and shiny.session.get_current_session()
    if not session:
        return None
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # Express reads its file once before anybody comes
        return None

    async def sent(send: Callable[[], object]) -> None:
        async with shiny.reactive.lock():
            with shiny.session.session_context(session):
                send()
            await shiny.reactive.flush()

    def deliver(send: Callable[[], object]) -> None:
        asyncio.run_coroutine_threadsafe(sent(send), loop).add_done_callback(_tell)

    return deliver


def _to_panel() -> Deliver | None:
    # Panel's own bridge, that is: in Jupyter Panel leaves widgets alone.
    bridge: Any = sys.modules.get("panel.io.ipywidget")
    document = bridge and bridge.state.curdoc
    return document.add_next_tick_callback if document else None


def _tell(done: Future[None]) -> None:
    if not done.cancelled() and done.exception() is not None:
        log.error("An answer could not be delivered.", exc_info=done.exception())
