"""The log: means over samples, whole lines, and the sums of an epoch that is not over."""

import csv

import pytest
import torch

from coral_plugin.errors import DivergedError, InputError
from coral_plugin.training.log import EpochLog, read_log, table


def feed(log, values, start=0):
    for step, (value, size) in enumerate(values, start):
        log.add(["x", "total"], torch.tensor([value, 2 * value]), size)
        if step % 2:
            log.end_epoch(step // 2, step + 1, {"learning_rate": 0.1})


VALUES = [(1.0, 4), (4.0, 2), (3.0, 4), (0.0, 2)]


def test_a_record_is_the_mean_over_samples(tmp_path):
    log = EpochLog(tmp_path / "m.csv")
    feed(log, VALUES)
    assert [row["loss/x"] for row in log.rows] == [(1 * 4 + 4 * 2) / 6, 3 * 4 / 6]
    assert list(log.rows[0]) == [
        "epoch", "step", "loss/x", "loss/total", "learning_rate", "skipped", "samples_per_second", "seconds",
    ]  # fmt: skip
    with (tmp_path / "m.csv").open() as file:
        assert [float(row["loss/total"]) for row in csv.DictReader(file)] == [4.0, 4.0]


@pytest.mark.parametrize("cut", range(1, 4))
def test_it_goes_on_in_the_middle_of_an_epoch(tmp_path, cut):
    whole, first = EpochLog(tmp_path / "a.csv"), EpochLog(tmp_path / "b.csv")
    feed(whole, VALUES)
    feed(first, VALUES[:cut])
    state = first.state()
    feed(first, VALUES[cut:], cut)  # what came after the checkpoint is dropped
    second = EpochLog(tmp_path / "b.csv")
    second.restore(state)
    feed(second, VALUES[cut:], cut)
    columns = [k for k in whole.rows[0] if k not in ("seconds", "samples_per_second")]
    assert [[row[k] for k in columns] for row in second.rows] == [[row[k] for k in columns] for row in whole.rows]
    assert (tmp_path / "b.csv").read_text() == table(second.rows)


def test_skipped_steps_are_counted_by_epoch():
    log = EpochLog(None)
    log.skip()
    feed(log, VALUES)
    assert [row["skipped"] for row in log.rows] == [1, 0]


def test_an_epoch_without_a_step_has_diverged():
    log = EpochLog(None)
    for _ in range(20):
        log.skip()
    with pytest.raises(DivergedError, match="epoch 0 was finite: the last 20 steps"):
        log.end_epoch(0, 20, {})


def test_an_epoch_of_few_steps_may_lack_them():
    """One step an epoch; a scaler of half precision skips the first ones, and the next record counts them."""
    log = EpochLog(None)
    for epoch in range(19):
        log.skip()
        log.end_epoch(epoch, epoch + 1, {})
    assert log.rows == []
    log.add(["total"], torch.tensor([1.0]), 4)
    log.end_epoch(19, 20, {})
    assert [(row["epoch"], row["skipped"]) for row in log.rows] == [(19, 19)]
    log.end()
    log.skip()
    log.end_epoch(20, 21, {})
    log.end()
    assert log.rows[-1]["skipped"] == 20, "a step that was skipped at the very end is counted"
    for epoch in range(21, 23):
        log.skip()
        log.end_epoch(epoch, epoch + 1, {})
    with pytest.raises(DivergedError, match="of the last 2 steps was finite"):
        log.end()
    for epoch in range(23, 40):
        log.skip()
        log.end_epoch(epoch, epoch + 1, {})
    log.skip()
    with pytest.raises(DivergedError, match="epoch 40 was finite: the last 20 steps"):
        log.end_epoch(40, 41, {})


def test_a_training_without_any_step_has_diverged():
    log = EpochLog(None)
    log.skip()
    log.end_epoch(0, 1, {})
    with pytest.raises(DivergedError, match="of the last 1 steps was finite"):
        log.end()


def test_the_file_has_whole_lines_at_any_moment(tmp_path):
    path = tmp_path / "m.csv"
    seen = []
    log = EpochLog(path, lambda _: seen.append(path.read_text()))
    feed(log, VALUES * 20)
    assert len(seen) == 40
    for number, text in enumerate(seen, 1):
        assert text.endswith("\n")
        assert [len(line.split(",")) for line in text.splitlines()] == [8] * (number + 1)


def test_a_log_is_read_as_it_was_written(tmp_path):
    rows = [{"epoch": 0.0, "loss/töne": 0.25}, {"epoch": 1.0, "loss/töne": float("inf")}]
    path = tmp_path / "m.csv"
    assert read_log(path) == []
    path.write_text(table(rows), encoding="utf-8")
    assert read_log(path) == rows
    for content in ("epoch,loss\n0,much\n", "epoch\n0,1\n"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"m\.csv is damaged"):
            read_log(path)
