"""A first signal is a request, a second one is not; the handlers come back."""

import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest

from coral_plugin.training.signals import GRACE, SIGNALS, Interrupted, StopRequest, advise, stoppable


@pytest.fixture
def before():
    return {number: signal.getsignal(number) for number in SIGNALS}


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_is_noted_and_the_second_does_not_wait(number, before):
    with StopRequest() as request:
        assert request.number == 0
        os.kill(os.getpid(), number)
        assert request.number == number
        with pytest.raises(Interrupted) as raised:
            os.kill(os.getpid(), number)
        assert raised.value.number == number
    assert {each: signal.getsignal(each) for each in SIGNALS} == before


def test_handlers_come_back_after_an_error(before):
    with pytest.raises(RuntimeError), StopRequest():
        raise RuntimeError
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_outside_the_main_thread_nothing_is_touched(before):
    seen = []

    def work():
        with StopRequest() as request:
            seen.append((request.number, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, before[signal.SIGTERM])]


def test_the_same_request_by_another_way_is_one(before):
    with StopRequest() as request:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)  # as torchrun sends after a Ctrl-C
        assert request.number == signal.SIGINT
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)


def test_nothing_is_waited_for_where_there_is_nothing_to_save(before):
    with StopRequest(patient=False) as request:
        with pytest.raises(Interrupted) as raised:
            os.kill(os.getpid(), signal.SIGTERM)
        assert raised.value.place == ""
        request.patient = True
        os.kill(os.getpid(), signal.SIGTERM)
        assert request.number == signal.SIGTERM


@pytest.mark.parametrize("number", SIGNALS)
def test_a_command_raises_and_tells_once(number, before, capfd):
    with stoppable("Go on with: x") as command:
        with pytest.raises(Interrupted) as raised:
            os.kill(os.getpid(), number)
        advise("Go on with: y")
        with stoppable(None) as inner:
            assert inner is command
        assert command.report(raised.value.number, "after step 3") == 128 + number
        command.report(number)
    assert capfd.readouterr().err == "coral: stopped after step 3. Go on with: y\n"
    assert {each: signal.getsignal(each) for each in SIGNALS} == before
    assert signal.set_wakeup_fd(-1) == -1


LONG = 3600.0  # seconds: what waits for it has hung
SCRIPT = """
import hashlib, sys, time
from coral_plugin.training import signals
from coral_plugin.training.signals import Interrupted, StopRequest, stoppable
signals.GRACE = {grace}
with stoppable("Go on with: x") as command:
    try:
{body}
    except Interrupted as stopped:
        print("closed", flush=True)
        sys.exit(command.report(stopped.number, stopped.place))
"""


@pytest.fixture
def start():
    """A command that does ``body`` and has printed that it is ready."""
    started = []

    def make(body, grace):
        code = SCRIPT.format(grace=grace, body=textwrap.indent(textwrap.dedent(body), 8 * " "))
        started.append(
            subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        assert started[-1].stdout.readline() == "ready\n"
        return started[-1]

    yield make
    for process in started:
        process.kill()
        process.communicate()


LOOP = """
print("ready", flush=True)
while True:
    time.sleep(0.01)
"""
CALL = """
print("ready", flush=True)
hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
SWALLOWING = """
while True:
    try:
        print("ready", flush=True)
        time.sleep(600)
    except BaseException:
        pass
"""
FINALIZER = """
class Last:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(3600)
Last()
while True:
    time.sleep(0.01)
"""
STEP = """
with StopRequest() as request:
    print("ready", flush=True)
    while not request.number:
        time.sleep(0.01)
    time.sleep(signals.GRACE + 1)
raise Interrupted(request.number, "after the step")
"""


def test_a_command_closes_what_is_open(start):
    process = start(LOOP, LONG)
    process.terminate()
    assert process.communicate() == ("closed\n", "coral: stopped. Go on with: x\n")
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("body", [CALL, SWALLOWING], ids=["a long call", "what swallows it"])
def test_a_command_ends_whatever_it_does(start, body):
    process = start(body, GRACE)
    process.terminate()
    assert process.communicate()[1] == "coral: stopped. Go on with: x\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_what_a_finalizer_loses_is_raised_again(start):
    process = start(FINALIZER, LONG)
    process.terminate()
    assert process.communicate() == ("closed\n", "coral: stopped. Go on with: x\n")
    assert process.returncode == 128 + signal.SIGTERM


def test_the_time_that_closing_may_take_is_short():
    assert GRACE <= 2


def test_a_second_signal_does_not_wait(start):
    process = start(SWALLOWING, LONG)
    process.terminate()
    assert process.stdout.readline() == "ready\n"  # the first one is swallowed
    process.terminate()
    assert process.communicate()[1] == "coral: stopped at once. Go on with: x\n"
    assert process.returncode == 128 + signal.SIGTERM


def test_a_step_is_waited_for(start):
    """Longer than a command may take otherwise."""
    process = start(STEP, 0.2)
    process.terminate()
    assert process.communicate() == ("closed\n", "coral: stopped after the step. Go on with: x\n")
    assert process.returncode == 128 + signal.SIGTERM


def test_a_forked_process_is_not_watched():
    """Its signals would end the process that it was forked from."""
    with stoppable("x"):
        pid = os.fork()
        if not pid:
            os._exit(0 if signal.set_wakeup_fd(-1) == -1 else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_it_survives_a_process_pool():
    import pickle

    again = pickle.loads(pickle.dumps(Interrupted(signal.SIGTERM, "after step 3")))
    assert (again.number, again.place) == (signal.SIGTERM, "after step 3")
