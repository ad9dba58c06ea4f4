"""Two thousand epochs: memory and file handles stay where they were, and the log can be read meanwhile."""

import csv
import gc
import resource
from pathlib import Path

import pytest

from coral_plugin.training import loggers

EPOCHS = 2000


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux does")
def test_two_thousand_epochs(run, toy, split, tmp_path, monkeypatch):
    without = loggers.Loggers(())  # TensorBoard has its own thread and buffers
    monkeypatch.setattr("coral_plugin.training.fit.Loggers", lambda: without)
    seen = []

    def look(record):
        if record["epoch"] % 200 == 199:
            gc.collect()
            text = (tmp_path / "metrics.csv").read_text()
            seen.append((len(list(Path("/proc/self/fd").iterdir())), resident(), text))

    from coral_plugin.training import fit

    original = fit.EpochLog
    monkeypatch.setattr(fit, "EpochLog", lambda path, *tell: original(path, *tell, look))
    few = split.subset(split.columns["a"].values.new_tensor(range(8)).long())
    history = run(
        tmp_path, build=toy, split=few, augmenter=lambda b, _: b, epochs=EPOCHS, batch_size=8, checkpoint_seconds=1.0
    ).history
    assert len(history) == EPOCHS
    files, memory, texts = zip(*seen, strict=True)
    assert len(set(files)) == 1
    # from the second look on: what the first steps allocate stays. History and texts take 3 MiB here, and the heap of a
    # process that ran many tests before is full of holes (13 MiB were seen); a leak of one step's graph is over 60 MiB
    assert memory[-1] - memory[1] < 24 * 2**20, memory
    for number, text in enumerate(texts, 1):
        rows = list(csv.DictReader(text.splitlines()))
        assert text.endswith("\n")
        assert [int(row["epoch"]) for row in rows] == list(range(200 * number))
        assert all(None not in row.values() for row in rows)


def resident():
    """Bytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
