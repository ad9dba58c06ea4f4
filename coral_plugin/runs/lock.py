"""One process at a time in a run directory.

The package filelock does not serve here: its lock file stays behind in the run directory, it names no holder for the
message, and it does not work on network disks without locks.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from coral_plugin.errors import InputError
from coral_plugin.io.files import cannot_write

LOCK = "run.lock"
# network disks without locks: the run goes on unlocked
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
_MOST_BYTES = 300  # of the text in a lock file


@contextlib.contextmanager
def locked(folder: Path, name: str = LOCK, *, wait: bool = False) -> Iterator[None]:
    """Hold ``folder``, which is made if need be, until the end of the block.

    The system keeps the lock for the process, not the file: that of a killed process ends with it.

    Args:
        folder: Run directory.
        name: File name of the lock.
        wait: Whether to wait until no other process holds it, instead of refusing.

    Raises:
        InputError: another process holds it, or there can be no folder.
        MachineError: the disk is full or read-only.
    """
    new = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    path = folder / name
    try:
        handle = _acquire(path, wait=wait)
    except OSError as error:
        _remove(new)
        raise cannot_write(error, folder) from error
    try:
        yield
    finally:
        # while it is held: another process sees that its file is not this one any more, and opens it anew
        path.unlink(missing_ok=True)
        os.close(handle)
        _remove(new)


def refuse_locked(folder: Path) -> None:
    """Refuse a run directory that another process holds.

    Raises:
        InputError: it is held.
    """
    if os.path.lexists(folder / LOCK):
        with locked(folder):
            pass


def _acquire(path: Path, *, wait: bool) -> int:
    while True:
        # no link is followed, and a pipe does not wait
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, flags, 0o644)
        except FileNotFoundError:  # the process that made the folder has removed it again
            continue
        try:
            _take(handle, path, wait=wait)
            if _is_current(handle, path):
                os.ftruncate(handle, 0)
                now = datetime.now(UTC).isoformat(timespec="seconds")
                os.write(handle, f"process {os.getpid()} on {platform.node()}, since {now}\n".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _take(handle: int, path: Path, *, wait: bool) -> None:
    """Take the lock of an open file."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = " ".join(os.pread(handle, _MOST_BYTES, 0).decode(errors="replace").split()) or "another process"
        raise InputError(
            f"{path.parent} is in use by {holder}. Wait for it, stop it, or choose another --output."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_current(handle: int, path: Path) -> bool:
    """Whether the file that was opened is the one that has the name; its holder may have removed it meanwhile."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False


def _remove(folders: list[Path]) -> None:
    """Remove folders that were made here and are empty still, the innermost first."""
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()
