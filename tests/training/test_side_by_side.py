"""The GPU that each of several processes sees; the trainings themselves are in tests/runs/test_workers.py."""

import pytest

from coral_plugin.training import side_by_side
from coral_plugin.training.side_by_side import Team, Workers


class Finished:
    """A process that is over as soon as it is started."""

    stdin, returncode = None, 0

    def __init__(self, _, env, **__):
        self.gpus.append(env["CUDA_VISIBLE_DEVICES"])

    def poll(self):
        return self.returncode


@pytest.mark.parametrize(("gpus", "seen"), [(("0",), ["0", "0", "0"]), (("2", "5"), ["2", "5", "2"])])
def test_processes_share_the_gpus_in_turn(monkeypatch, gpus, seen):
    Finished.gpus = []
    monkeypatch.setattr(side_by_side.subprocess, "Popen", Finished)
    with Team("job", Workers(3, 1), gpus) as team:
        team.run([print] * 3, lambda number, error: pytest.fail(f"{number}: {error}"))
    assert Finished.gpus == seen
