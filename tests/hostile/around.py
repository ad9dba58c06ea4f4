"""What surrounds a call: another user, a full disk, a poor terminal."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
from collections.abc import Iterator
from unittest import mock

from .world import World

NOBODY = 65534


@contextlib.contextmanager
def as_nobody(_: World) -> Iterator[None]:
    """The superuser may read everything, so the call is made as another user; others are refused anyway."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def small_files(_: World) -> Iterator[None]:
    """No file may grow beyond 8 kB, as with a quota: writing more fails with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full_disk(_: World) -> contextlib.AbstractContextManager[object]:
    """Flushing to the disk finds no space, as network disks report it."""
    return mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, "No space left on device"))


def ascii_only(_: World) -> contextlib.AbstractContextManager[object]:
    """A terminal that has no arrows."""
    return mock.patch.dict(os.environ, {"PYTHONIOENCODING": "ascii"})
