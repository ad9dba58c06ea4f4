"""One process at a time in a run directory."""

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
# network disks that know no locks: the run goes on without
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
_MOST = 300  # bytes that a lock says


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder``, which is made if need be, until the end of the block.

    The system keeps the lock for the process, not the file: that of a process that was killed holds nobody up.

    Raises:
        InputError: another process holds it, or there can be no folder.
        MachineError: the disk is full or read-only.
    """
    new = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    path = folder / LOCK
    try:
        handle = _acquire(path)
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


def _acquire(path: Path) -> int:
    while True:
        # no link is followed, and a pipe does not wait
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, flags, 0o644)
        except FileNotFoundError:  # whoever made the folder has removed it again
            continue
        try:
            _take(handle, path)
            if _is_still(handle, path):
                os.ftruncate(handle, 0)
                now = datetime.now(UTC).isoformat(timespec="seconds")
                os.write(handle, f"process {os.getpid()} on {platform.node()}, since {now}\n".encode())
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _take(handle: int, path: Path) -> None:
    """Take the lock of an open file, without waiting."""
    try:
        import fcntl
    except ImportError:  # not on Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        said = os.pread(handle, _MOST, 0).decode(errors="replace").strip() or "another process"
        raise InputError(
            f"{path.parent} is in use by {' '.join(said.split())}. Wait for it, stop it, or choose another --output."
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _is_still(handle: int, path: Path) -> bool:
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
