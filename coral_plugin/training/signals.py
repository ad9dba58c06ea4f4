"""SIGTERM and Ctrl-C: a training ends at its next step, with a checkpoint; all else within about two seconds."""

from __future__ import annotations

import _thread
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import parent_process
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE = 1.5  # seconds to close what is open
# a terminal and a launcher (torchrun, timeout, a parent process) may both pass one request on, as different signals
_ECHO_SECONDS = 1.0


class Interrupted(KeyboardInterrupt):
    """A signal has ended the work.

    Args:
        number: Number of the signal; the exit status of a command is 128 more.
        place: Place at which the work stopped, for the user.
    """

    def __init__(self, number: int = signal.SIGINT, place: str = "") -> None:
        super().__init__(number, place)
        self.number, self.place = number, place


def killed_by(status: int) -> str:
    """What killed a process, from its negative exit status.

    >>> killed_by(-9), killed_by(-15)
    ('killed by SIGKILL (out of memory?)', 'killed by SIGTERM')
    """
    name = next((known.name for known in signal.Signals if known == -status), f"signal {-status}")
    return f"killed by {name}{' (out of memory?)' if name == 'SIGKILL' else ''}"


class StopRequest:
    """Handlers that note a first signal for the next step boundary; a second one does not wait.

    Signals reach the main thread alone; in another one this notes nothing. The former handlers come back at the end.

    Args:
        patient: Whether a signal waits for a step boundary; otherwise it raises :class:`Interrupted` at once.

    Attributes:
        number: Number of the signal that came; 0 before.
        patient: The argument of the same name; may be set later.
    """

    _open: list[StopRequest] = []  # noqa: RUF012 - of the process, as handlers are

    def __init__(self, *, patient: bool = True) -> None:
        self.number, self.patient = 0, patient
        self._handlers = contextlib.ExitStack()

    def __enter__(self) -> StopRequest:
        self._handlers.enter_context(_handling(self._note))
        self._open.append(self)
        return self

    def __exit__(self, *details: Any) -> None:
        self._open.remove(self)
        self._handlers.close()

    @classmethod
    def any_patient(cls) -> bool:
        """Whether a signal that came is left to a step boundary."""
        return any(request.patient for request in cls._open)

    def _note(self, number: int) -> None:
        if self.number:
            raise Interrupted(number, "at once, without a new checkpoint")
        if not self.patient:
            raise Interrupted(number)
        self.number = number


class Command:
    """A command that signals may end, and its last line.

    Args:
        advice: Sentence that says how to continue; None reports nothing at all.
    """

    def __init__(self, advice: str | None) -> None:
        self.advice = advice
        self._reported = False
        self._interrupted = False
        self._lost = False

    def report(self, number: int, place: str = "", *, unbuffered: bool = False) -> int:
        """Print once that the command was stopped, and how to continue; returns its exit status, as shells count it.

        Args:
            number: Number of the signal.
            place: Place at which the work stopped.
            unbuffered: Whether to bypass ``sys.stderr``, which the thread that does not end may hold.
        """
        if self.advice is not None and not self._reported:
            self._reported = True
            line = " ".join(f"coral: stopped {place}".split()) + f". {self.advice}".rstrip() + "\n"
            with contextlib.suppress(OSError, ValueError):
                if unbuffered:
                    os.write(2, line.encode(errors="backslashreplace"))
                else:
                    sys.stderr.write(line)
        return 128 + number

    def interrupt(self, number: int) -> None:
        """Raise :class:`Interrupted`, so that what is open is closed; a second signal does not wait for that."""
        if self._interrupted:
            os._exit(self.report(number, "at once", unbuffered=True))
        self._interrupted = True
        raise Interrupted(number)

    def raise_again(self) -> None:
        """Send the signal once more: Python drops what is raised in a finalizer or in a callback of a reference."""
        self._lost = True

    def watch(self, pipe: int) -> None:
        """End the process where a signal has not done so: it was in a long call, or what it raised was lost.

        Args:
            pipe: File descriptor that gets the number of each signal; it is closed when the command is over.
        """
        while number := os.read(pipe, 1):
            if number[0] in SIGNALS:
                break
        else:
            return
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            if StopRequest.any_patient():
                until = time.monotonic() + GRACE
            if self._lost:
                self._lost = self._interrupted = False
                _thread.interrupt_main(signal.Signals(number[0]))
            if select.select([pipe], [], [], 0.05)[0] and not os.read(pipe, 1):
                return
        os._exit(self.report(number[0], unbuffered=True))


_command: Command | None = None  # the one under way
_last: tuple[int, float] = (0, 0.0)  # the newest signal, and when it came


def advise(advice: str) -> None:
    """Replace the sentence that says how to continue the command that is under way."""
    if _command is not None and _command.advice is not None:
        _command.advice = advice


@contextlib.contextmanager
def stoppable(advice: str | None) -> Iterator[Command]:
    """Inside, SIGTERM and Ctrl-C raise :class:`Interrupted`, and end the process where that does not.

    Within another such block this does nothing.

    Args:
        advice: Sentence printed then, after the place where the work stopped; None prints nothing.
    """
    global _command
    if _command is not None:
        yield _command
        return
    _command = command = Command(advice)
    try:
        with _watched(command), _catching_the_lost(command), _handling(command.interrupt):
            yield command
    finally:
        _command = None


def end_with_parent() -> None:
    """End this process of :mod:`multiprocessing` at once when the one that started it is gone, however that ended."""

    def wait() -> None:
        parent = parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _watched(command: Command) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    watcher = threading.Thread(target=command.watch, args=(read_end,), daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(write_end)
        watcher.join()
        os.close(read_end)


@contextlib.contextmanager
def _catching_the_lost(command: Command) -> Iterator[None]:
    def hook(lost: Any) -> None:
        if isinstance(lost.exc_value, Interrupted):
            command.raise_again()
        else:
            former(lost)

    former, sys.unraisablehook = sys.unraisablehook, hook
    try:
        yield
    finally:
        sys.unraisablehook = former


def _stop_watching() -> None:
    """A forked process has none of the threads that watch, and its signals are not those of its parent."""
    with contextlib.suppress(ValueError):  # not forked from the main thread
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_stop_watching)


@contextlib.contextmanager
def _handling(handler: Callable[[int], None]) -> Iterator[None]:
    """Inside, signals call ``handler``, without those that only echo another."""

    def handle(number: int, _: FrameType | None) -> None:
        global _last
        before, when = _last
        if before in (0, number) or time.monotonic() - when >= _ECHO_SECONDS:
            _last = number, time.monotonic()
            handler(number)

    global _last
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _last = 0, 0.0
    former = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in former.items():
            # None is a handler that was not set from Python and cannot be set from it
            signal.signal(number, signal.SIG_DFL if old is None else old)
