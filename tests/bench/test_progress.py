"""How much is left, from what is known."""

import pytest

from coral_plugin.bench.progress import GridProgress


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_time_left_comes_from_runs_that_are_alike(make_job):
    clock = Clock()
    a1, a2, b1, b2 = (make_job(r, seed=s, **{"method.shared_weight": float(r == "a")}) for r in "ab" for s in (1, 2))
    progress = GridProgress([a2, b1, b2], [(a1, 10.0)], 1, quiet=True, clock=clock)
    assert progress.left() == 30.0  # nothing is known of b: as a on the same data
    progress.started(b1)
    clock.now = 20.0
    progress.ended(b1, 20.0)
    assert progress.left() == 10.0 + 20.0
    progress.started(a2)
    clock.now = 24.0
    assert progress.left() == pytest.approx(6.0 + 20.0)


def test_a_first_run_tells_by_its_epochs(make_job):
    clock, job = Clock(), make_job(**{"training.epochs": 4})
    progress = GridProgress([job], [], 1, quiet=True, clock=clock)
    assert progress.left() is None
    progress.started(job)
    log = job.folder / "seed-1" / "metrics.csv"
    log.parent.mkdir(parents=True)
    log.write_text("epoch,loss\n0,1.0\n")
    clock.now = 5.0
    assert progress.left() == pytest.approx(15.0)


def test_raw_features_tell_nothing_about_a_training(make_job):
    raw, job = make_job("raw"), make_job("coral")
    raw.settings["objective"] = "concat_raw"
    progress = GridProgress([job], [(raw, 1.0)], 1, quiet=True, clock=Clock())
    assert progress.left() is None
    assert GridProgress([job], [(raw, 1.0), (make_job("b", seed=2), 9.0)], 1, quiet=True).left() == 9.0


def test_lines_say_what_ended_and_how(make_job, capsys):
    a, b = make_job("a"), make_job("b", **{"training.epochs": 3})
    progress = GridProgress([a, b], [], 2)
    progress.started(a)
    progress.retried(a, "its process was killed by SIGKILL")
    progress.started(a)
    progress.ended(a, 3.0)
    progress.ended(b, 1.0, "no luck")
    assert (progress.done, progress.failures) == (1, {b.identity: "no luck"})
    assert capsys.readouterr().err.splitlines() == [
        "a on digits, seed 1: its process was killed by SIGKILL; tried again",
        "[1/2] a on digits, seed 1: 3 s; 1 left, about 3 s",
        "[2/2] b on digits, seed 1: FAILED: no luck",
    ]
