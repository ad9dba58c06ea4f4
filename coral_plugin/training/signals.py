"""SIGTERM and Ctrl-C: a training ends at its next step, with a checkpoint."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], Any]


class Interrupted(KeyboardInterrupt):
    """A signal has ended the work.

    Args:
        number: Of the signal; the exit status of a command is 128 more.
        said: Where it stopped, for the user.
    """

    def __init__(self, number: int = signal.SIGINT, said: str = "") -> None:
        super().__init__(number, said)
        self.number, self.said = number, said


class Wish:
    """Handlers that note a first signal for the next step boundary; a second one does not wait.

    Signals reach the main thread alone; in another one this notes nothing. The former handlers come back at the end.

    Attributes:
        number: Of the signal that came; 0 before.
    """

    def __init__(self) -> None:
        self.number = 0
        self._handlers = contextlib.ExitStack()

    def __enter__(self) -> Wish:
        self._handlers.enter_context(_handling(self._note))
        return self

    def __exit__(self, *details: Any) -> None:
        self._handlers.close()

    def _note(self, number: int, _: FrameType | None) -> None:
        if self.number:
            raise Interrupted(number, "at once, without a new checkpoint")
        self.number = number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGTERM raises :class:`Interrupted` as Ctrl-C does, so that what is open is closed."""

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    with _handling(stop):
        yield


@contextlib.contextmanager
def _handling(handler: _Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            # None is a handler that was not set from Python and cannot be set from it
            signal.signal(number, signal.SIG_DFL if old is None else old)
