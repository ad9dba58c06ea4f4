"""SIGTERM and Ctrl-C: a training ends at its next step, with a checkpoint; all else within about two seconds."""

from __future__ import annotations

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
# a terminal and a launcher (torchrun, timeout, a parent of ours) may both pass one wish on, as different signals
_ECHO = 1.0
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

    Args:
        patient: Whether there is anything to wait for yet; a signal that is not waited for raises at once.

    Attributes:
        number: Of the signal that came; 0 before.
        patient: As above; may be set later.
    """

    _open: list[Wish] = []  # noqa: RUF012 - of the process, as handlers are

    def __init__(self, *, patient: bool = True) -> None:
        self.number, self.patient = 0, patient
        self._handlers = contextlib.ExitStack()

    def __enter__(self) -> Wish:
        self._handlers.enter_context(_handling(self._note))
        self._open.append(self)
        return self

    def __exit__(self, *details: Any) -> None:
        self._open.remove(self)
        self._handlers.close()

    @classmethod
    def waits(cls) -> bool:
        """Whether a signal that came is left to a step boundary."""
        return any(wish.patient for wish in cls._open)

    def _note(self, number: int, _: FrameType | None) -> None:
        if _echo(number):
            return
        if self.number:
            raise Interrupted(number, "at once, without a new checkpoint")
        if not self.patient:
            raise Interrupted(number)
        self.number = number


class Command:
    """A command that signals may end, and its last words.

    Args:
        advice: How to go on; None says nothing at all.
    """

    def __init__(self, advice: str | None) -> None:
        self.advice = advice
        self._told = False
        self._asked = False

    def tell(self, number: int, said: str = "", *, last: bool = False) -> int:
        """Say once that the command was stopped, and how to go on; returns its exit status, as a shell reports it.

        Args:
            number: Of the signal.
            said: Where it stopped.
            last: Not through ``sys.stderr``, which the thread that does not end may hold.
        """
        if self.advice is not None and not self._told:
            self._told = True
            line = " ".join(f"coral: stopped {said}".rstrip().split()) + f". {self.advice}".rstrip() + "\n"
            with contextlib.suppress(OSError, ValueError):
                if last:
                    os.write(2, line.encode(errors="backslashreplace"))
                else:
                    sys.stderr.write(line)
        return 128 + number

    def stop(self, number: int, _: FrameType | None) -> None:
        """Handler: raise, so that what is open is closed; a second signal does not wait for that."""
        if _echo(number):
            return
        if self._asked:
            os._exit(self.tell(number, "at once", last=True))
        self._asked = True
        raise Interrupted(number)

    def watch(self, pipe: int) -> None:
        """End the process where a signal has not done so: it was in a long call, or what it raised was lost.

        Args:
            pipe: Gets the number of each signal as it comes; it is closed when the command is over.
        """
        while not (number := os.read(pipe, 1)) or number[0] not in SIGNALS:
            if not number:
                return
        until = time.monotonic() + GRACE
        while time.monotonic() < until:
            if Wish.waits():
                until = time.monotonic() + GRACE
            if select.select([pipe], [], [], 0.05)[0] and not os.read(pipe, 1):
                return
        os._exit(self.tell(number[0], last=True))


_commands: list[Command] = []
_last: tuple[int, float] = (0, 0.0)


def advise(advice: str) -> None:
    """How the command that is under way can be gone on with from here."""
    if _commands and _commands[-1].advice is not None:
        _commands[-1].advice = advice


@contextlib.contextmanager
def stoppable(advice: str | None) -> Iterator[Command]:
    """Inside, SIGTERM and Ctrl-C raise :class:`Interrupted`, and end the process where that does not.

    Within another such block this does nothing.

    Args:
        advice: What the process says then, behind where it stopped; None says nothing.
    """
    if _commands:
        yield _commands[-1]
        return
    command = Command(advice)
    _commands.append(command)
    try:
        with _watched(command), _handling(command.stop):
            yield command
    finally:
        _commands.remove(command)


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
    out, into = os.pipe()
    os.set_blocking(into, False)
    watcher = threading.Thread(target=command.watch, args=(out,), daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(into, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(into)
        watcher.join()
        os.close(out)


def _forget() -> None:
    """A forked process has none of the threads that watch, and its signals are not those of its parent."""
    with contextlib.suppress(ValueError):  # not forked from the main thread
        signal.set_wakeup_fd(-1)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _echo(number: int) -> bool:
    """Whether a signal only repeats the wish of one that has just come."""
    global _last
    before, when = _last
    if before not in (0, number) and time.monotonic() - when < _ECHO:
        return True
    _last = number, time.monotonic()
    return False


@contextlib.contextmanager
def _handling(handler: _Handler) -> Iterator[None]:
    global _last
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _last = 0, 0.0
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            # None is a handler that was not set from Python and cannot be set from it
            signal.signal(number, signal.SIG_DFL if old is None else old)
