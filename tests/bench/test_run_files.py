"""A report reads data and losses in the run directories that are on this machine."""

import csv
import json

import pytest

from coral_plugin.bench.run_files import draw_training, facts_of

DATA = {
    "name": "digits", "fingerprint": "f", "samples": {"train": 9}, "notes": [], "tasks": [],
    "modalities": [{"name": "top", "kind": "image", "shape": [1, 4, 8], "mean": [0.3]}],
}  # fmt: skip


@pytest.fixture
def finished(make_job):
    """Write the data record and the log of a run of two epochs."""

    def make(row, seed, **options):
        job = make_job(row, seed=seed, **options)
        job.folder.mkdir()
        (job.folder / "data.json").write_text(json.dumps(DATA))
        rows = [f"{seed},{epoch},{10.0 * seed - epoch},0.5" for epoch in range(2)]
        (job.folder / "metrics.csv").write_text("\n".join(["seed,epoch,loss/total,loss/shared", *rows]) + "\n")
        return job

    return make


def test_facts_are_those_of_the_first_run_that_is_here(make_job, finished):
    jobs = [make_job("lost", seed=3), finished("coral", 1), finished("coral", 2)]
    assert facts_of(jobs) == {
        "digits": {
            "": {"samples": {"train": 9}, "tasks": [], "notes": [],
                 "modalities": [{"name": "top", "kind": "image", "shape": [1, 4, 8]}]},
        },
    }  # fmt: skip
    assert facts_of(jobs[:1]) == {"digits": {}}


def test_the_total_losses_of_all_methods_are_one_picture(make_job, finished, tmp_path):
    jobs = [finished("coral", 1), finished("coral", 2), finished("b c", 1), make_job("lost", seed=3)]
    (caption,) = drawn = draw_training(tmp_path, jobs)
    assert caption.startswith("digits: total loss of each method by epoch.")
    assert drawn[caption] == tmp_path / "pictures" / "digits-training.png"
    rows = list(csv.DictReader((tmp_path / "pictures" / "digits-training.csv").read_text().splitlines()))
    assert [(r["seed"], r["epoch"], r["loss/COrAL"], r["loss/b c"]) for r in rows] == [
        ("1", "0", "10.0", "10.0"), ("1", "1", "9.0", "9.0"), ("2", "0", "20.0", ""), ("2", "1", "19.0", ""),
    ]  # fmt: skip
    assert draw_training(tmp_path, jobs[-1:]) == {}
