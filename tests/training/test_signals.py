"""A first signal is a wish, a second one is not; the handlers come back."""

import os
import signal
import threading

import pytest

from coral_plugin.training.signals import SIGNALS, Interrupted, Wish, interruptible


@pytest.fixture
def before():
    return {number: signal.getsignal(number) for number in SIGNALS}


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_noted_and_the_second_does_not_wait(number, before):
    with Wish() as wish:
        assert wish.number == 0
        os.kill(os.getpid(), number)
        assert wish.number == number
        with pytest.raises(Interrupted) as raised:
            os.kill(os.getpid(), number)
        assert raised.value.number == number
    assert {each: signal.getsignal(each) for each in SIGNALS} == before


def test_handlers_come_back_after_an_error(before):
    with pytest.raises(RuntimeError), Wish():
        raise RuntimeError
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_outside_the_main_thread_nothing_is_touched(before):
    seen = []

    def work():
        with Wish() as wish:
            seen.append((wish.number, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, before[signal.SIGTERM])]


def test_sigterm_can_be_an_exception(before):
    with pytest.raises(KeyboardInterrupt) as raised, interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
    assert raised.value.number == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == before[signal.SIGTERM]


def test_it_survives_a_process_pool():
    import pickle

    again = pickle.loads(pickle.dumps(Interrupted(signal.SIGTERM, "after step 3")))
    assert (again.number, again.said) == (signal.SIGTERM, "after step 3")
