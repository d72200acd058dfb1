"""The runs of a panel, told to its view token by token, each beside the baseline that is there already if it is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...interventions.generation.generate import Generation, generate
from ...interventions.recipe.units import LookedUp
from .asked import AskedTexts
from .payload import Teller, prompt_flags, prompt_payload

if TYPE_CHECKING:
    from ...engine.engine import Engine
    from ...engine.ticket import Ticket

__all__ = ["Runs"]


class Runs:
    """Writes texts, and keeps the baseline of the last run that was not cut off."""

    def __init__(self) -> None:
        self._before: Generation | None = None
        self._for_page = False

    def forget(self) -> None:
        """Keep no baseline."""
        self._before = None

    @property
    def of_a_page(self) -> bool:
        """Whether what is written is for a page, and no run of the panel's own."""
        return self._for_page

    @contextmanager
    def for_a_page(self) -> Iterator[None]:
        """Write each run whole: beside a kept baseline numbers are the same up to rounding only, and the bytes of a page
        may not depend on what was run before."""
        self._for_page = True
        try:
            yield
        finally:
            self._for_page = False

    def write(
        self, engine: Engine, asked: AskedTexts, maxima: LookedUp, ticket: Ticket, keep_partial: bool
    ) -> Generation:
        """The texts that `asked` is about; see `generate`. On the engine's worker."""
        sampling, for_page = asked.sampling, self._for_page
        teller = Teller(engine, sampling.samples)

        def begun(made: Generation) -> None:
            prompt = prompt_payload(made, prompt_flags(engine, made, ticket))
            ticket.part({"prompt": prompt, "notes": list(made.notes)})

        made = generate(
            engine,
            asked.input,
            asked.whole,
            index=maxima,
            baseline=None if for_page else self._before,
            on_start=begun,
            on_step=lambda step: ticket.part(teller.part(step)),
            keep_partial=keep_partial,
            **sampling.options,
        )
        if not (made.stopped or for_page):
            self._before = made
        return made
