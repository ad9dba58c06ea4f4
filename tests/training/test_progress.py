"""Lines and a bar while a training goes on."""

import sys

import pytest

from coral_plugin.training.progress import Progress

RECORD = {"loss/total": 1.5, "samples_per_second": 64.0, "skipped": 0}


class Clock:
    """A clock that is set by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def lines(capsys, seconds, epochs=10, steps=100, **options):
    """The lines of a training whose steps take ``seconds`` each, with the loss from the first epoch on."""
    clock = Clock()
    progress = Progress("seed 41", epochs, steps, clock=clock, **options)
    for done in range(1, steps + 1):
        clock.now += seconds
        if done % (steps // epochs) == 0:
            progress(RECORD)
        progress.step(done)
    progress.close()
    return capsys.readouterr().err.splitlines()


def test_a_short_training_is_one_line(capsys):
    assert lines(capsys, 0.05) == ["seed 41  epoch 10/10  loss 1.500  64 samples/s  5 s"]


def test_the_first_line_comes_after_ten_seconds_with_the_time_left(capsys):
    printed = lines(capsys, 3)
    assert printed[0] == "seed 41  epoch 1/10  step 4/100  about 4.8 min left".replace("4.8 min", "5 min")
    assert printed[1] == "seed 41  epoch 2/10  step 14/100  loss 1.500  64 samples/s  about 4 min left"
    assert len(printed) == 11  # a line for each tenth of the steps, and the last one


def test_no_two_lines_within_ten_seconds(capsys):
    assert len(lines(capsys, 0.5)) == 5  # 50 s


def test_a_long_training_has_a_line_a_minute_at_first_and_ever_fewer(capsys):
    printed = lines(capsys, 1.0, epochs=10, steps=10_000)
    places = [int(line.split("step ")[1].split("/")[0]) for line in printed if "step " in line]
    assert places[:3] == [10, 70, 130]
    assert places[-1] - places[-2] > 500
    assert len(printed) < 50


def test_a_continued_training_estimates_from_its_own_steps(capsys):
    clock = Clock()
    progress = Progress("seed 41", 2, 100, clock=clock)
    for done in (91, 92):
        clock.now += 20
        progress.step(done)
    assert progress.left(92, clock.now) == pytest.approx(8 * 20)
    printed = capsys.readouterr().err.splitlines()
    assert printed[0] == "seed 41  epoch 2/2  step 91/100"


def test_quiet_prints_nothing(capsys):
    assert lines(capsys, 100, quiet=True) == []


def test_skipped_steps_are_named(capsys):
    progress = Progress("seed 41", 1, 1)
    progress({**RECORD, "skipped": 3})
    progress.step(1)
    assert "3 steps skipped" in capsys.readouterr().err


def test_a_terminal_gets_a_bar_that_moves_with_every_step(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    printed = "\n".join(lines(capsys, 1, epochs=2, steps=4))
    assert "epoch 2/2" in printed
    assert "loss 1.500" in printed
