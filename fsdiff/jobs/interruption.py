"""Long work in steps that can be stopped, and killed, without losing much of it.

Schedulers send SIGTERM before they kill a job that is preempted, cancelled or out of time; SIGUSR1
is what people send by hand or ask a scheduler to send early. Neither ends a step half way. Work
that nobody waits for any more ends in the same way, see ``watched``.
"""

import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)

UNWANTED = 1000
"""Stands for a signal where the work is unwanted; larger than all of them."""

LOOK_EVERY = 1.0
"""Seconds between two looks whether the work is still wanted."""

_watches: list[Callable[[], str | None]] = []


@contextmanager
def watched(reason: Callable[[], str | None]) -> Iterator[None]:
    """Inside the block, work stops at its next check once ``reason`` says why nobody wants it."""
    _watches.append(reason)
    try:
        yield
    finally:
        _watches.remove(reason)


class Interrupted(SystemExit):
    """Work has stopped on request and another attempt will finish it.

    Where nothing catches it the process ends with status 75, "temporary failure".
    """

    def __init__(self) -> None:
        super().__init__(os.EX_TEMPFAIL)


class Interruption:
    """What has been asked of the process, to be looked at between steps; see ``interruptible``."""

    def __init__(
        self, save: Callable[[], object] | None, every: float, agree: Callable[[int], int]
    ) -> None:
        self._save, self._every, self._agree = save, every, agree
        self._saved = time.monotonic()
        self._looked = -math.inf
        self._received = 0
        self._reason = "at the wish of another process"

    def check(self, position: str) -> None:
        """Save if it is time to; if asked to stop, or unwanted, save, say so, raise Interrupted.

        ``position`` says for the log how far the work is, such as "step 3 of 8".
        """
        # Read once: a signal may come while the state is saved.
        received = self._agree(self._received or self._look())
        if self._save and (received or time.monotonic() - self._saved > self._every):
            self._save()
            self._saved = time.monotonic()
        if received:
            self._agree(received)  # nobody leaves, or loads the state, before it is saved
            saved = "state saved; the next attempt continues"
            consequence = saved if self._save else "the next attempt starts again"
            if received != UNWANTED:
                self._reason = f"by {signal.Signals(received).name}"
            logger.warning("interrupted at %s %s; %s", position, self._reason, consequence)
            raise Interrupted

    def _look(self) -> int:
        """UNWANTED where a watch says so, else 0."""
        if time.monotonic() - self._looked < LOOK_EVERY:
            return 0
        self._looked = time.monotonic()
        reasons = [reason for watch in _watches if (reason := watch())]
        if not reasons:
            return 0
        self._reason = f"because {reasons[0]}"
        return UNWANTED

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self._received = number


@contextmanager
def interruptible(
    save: Callable[[], object] | None = None,
    *,
    every: float = 20.0,
    agree: Callable[[int], int] = lambda number: number,
) -> Iterator[Interruption]:
    """Inside the ``with`` block SIGTERM and SIGUSR1 wait for the next ``check`` between steps.

    ``save`` writes down all that another attempt needs to go on; checks call it every ``every``
    seconds and before the work stops. ``agree`` makes of the number of the signal that was received
    here, 0 for none, that of all processes that have to stop together, and waits for them. Signals
    can only be waited for in the main thread: in another one they keep their meaning, and checks do
    no more than save.
    """
    interruption = Interruption(save, every, agree)
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    former = {number: signal.signal(number, interruption._receive) for number in SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
