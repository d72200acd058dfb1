"""What a running job knows of the outside: whether to stop, whom to let in, and whom to tell how far it is."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

from ..errors import CancelledError

Progress = Callable[[int, int], None]


class Ticket:
    """A running job's line to the outside."""

    def __init__(
        self,
        on_progress: Progress | None = None,
        let_others: Callable[[], None] | None = None,
        on_part: Callable[[object], None] | None = None,
    ) -> None:
        self._cancelled = threading.Event()
        self._on_progress = on_progress
        self._on_part = on_part
        self._let_others = let_others
        self._reached = (0, 0)
        self._step = 0

    @property
    def cancelled(self) -> bool:
        """True once somebody asked this job to stop."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Ask the job to stop at its next check."""
        self._cancelled.set()

    def check(self) -> None:
        """Raise `CancelledError` if the job was cancelled."""
        if self.cancelled:
            raise CancelledError("The computation was cancelled.")

    @property
    def reached(self) -> tuple[int, int]:
        """How much is done, and of how much: (0, 0) before anything is known."""
        return self._reached

    def expect(self, total: int) -> None:
        """Say how much there is to do, without telling anybody yet."""
        self._reached = (0, total)

    def progress(self, done: int, total: int) -> None:
        """Report progress, in whatever unit the job counts."""
        self._reached, self._step = (done, total), 0
        if self._on_progress is not None:
            self._on_progress(done, total)

    def heard(self, done: int, total: int) -> None:
        """`progress` for somebody who tells it and knows no ticket: what nobody waits for any more ends there."""
        self.check()
        self.progress(done, total)

    def share(self, start: float, stop: float, total: int) -> Ticket:
        """A ticket for a piece of this job: its progress, whatever it counts, is this one's from `start` to `stop` of `total`."""
        piece = copy.copy(self)  # the same cancelling, queue and parts
        piece._reached = (0, 1)
        piece._on_progress = lambda done, of: self.progress(int(start + (stop - start) * done / max(of, 1)), total)
        return piece

    def told_to(self, on_progress: Progress) -> Ticket:
        """A ticket for a step of this job that counts for itself: its progress goes to `on_progress`."""
        step = copy.copy(self)  # the same cancelling, queue and parts
        step._reached, step._on_progress = (0, 0), on_progress
        return step

    def part(self, data: object) -> None:
        """Hand over a part of the result before there is all of it."""
        if self._on_part is not None:
            self._on_part(data)

    def step(self, size: int) -> None:
        """Say that what is done next is so much of the total: a forward of so many tokens."""
        self._step = size

    def beat(self, part: float = 0.0) -> None:
        """Inside a long step: stop if cancelled, and say which part of it is done, so that the listener knows we are alive."""
        self.check()
        if self._on_progress is not None:
            done, total = self._reached
            self._on_progress(done + int(self._step * part), total)

    def breathe(self) -> None:
        """Between steps, with no hook on the model: stop if cancelled, and let what has a higher turn run first."""
        self.check()
        if self._let_others is not None:
            self._let_others()
            self.check()
