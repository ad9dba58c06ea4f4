"""Streams depend on seed, purpose, step and process alone."""

import os
import signal
import threading
import zlib

import numpy as np
import pytest
import torch

from coral_plugin.training.randomness import fold, generator, own_random_state


def test_streams_differ_by_seed_name_step_and_process():
    values = {
        fold(seed, name, step, rank)
        for seed in (1, 2)
        for name in ("order", "step")
        for step in (0, 1)
        for rank in (0, 1, 2)
    }
    assert len(values) == 24
    assert all(0 <= value < 2**63 for value in values)


def test_process_0_draws_what_a_single_process_draws():
    words = np.random.SeedSequence((3, zlib.crc32(b"step"), 7)).generate_state(1, np.uint64)
    assert fold(3, "step", 7) == fold(3, "step", 7, rank=0) == int(words[0]) >> 1


def test_a_stream_can_be_drawn_again():
    first = torch.rand(5, generator=generator(3, "views", 7))
    torch.rand(100)
    assert torch.equal(first, torch.rand(5, generator=generator(3, "views", 7)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_a_forked_process_waits_for_no_thread_that_it_does_not_have():
    inside, done = threading.Event(), threading.Event()

    def hold():
        with own_random_state():
            inside.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(60)
    if (child := os.fork()) == 0:  # no assertion here: it would go on with the other tests
        signal.alarm(20)
        with own_random_state():
            torch.manual_seed(0)
        os._exit(7)
    status = os.waitpid(child, 0)[1]
    done.set()
    thread.join()
    assert os.waitstatus_to_exitcode(status) == 7
