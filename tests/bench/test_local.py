"""Processes of a grid are ended, whatever they do."""

import signal
import time
from multiprocessing import get_context

from coral_plugin.bench.local import terminate


def wait_deaf(ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready.set()
    time.sleep(3600)


def test_what_does_not_hear_the_signal_is_killed():
    context = get_context("spawn")
    ready = context.Event()
    process = context.Process(target=wait_deaf, args=(ready,), daemon=True)
    process.start()
    assert ready.wait(120)
    terminate([process], 0.1)
    assert process.exitcode == -signal.SIGKILL
