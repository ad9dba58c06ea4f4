"""``coral reproduce`` for every target, on small made-up files in the true formats.

Each run has the settings of the paper and stands beside its number; what is trained in its place is tiny, for an epoch.
"""

import dataclasses
import json
from functools import cache

import pytest
import torch

from coral_plugin.bench import fingerprints, pictures, report, runner, worker
from coral_plugin.errors import CoralError, one_line
from coral_plugin.evaluation.tables.model import NO_VALUE, cell
from coral_plugin.reproduce.targets import titles
from coral_plugin.runs import finetune as finetuning
from coral_plugin.runs import run as running

from ..adapters import formats
from ..reproduce.printed import APART, AVERAGES, PRINTED

SIZES = {
    name: {"vision": vision, "audio": audio, "text": 300}
    for name, vision, audio in (("mosi", 20, 5), ("mosei", 35, 74), ("humor", 371, 81), ("sarcasm", 371, 81))
}
SMALL = {
    "trifeature": {"image_size": 32, "pairs": 32, "probe_pairs": 64, "renders": 1},
    "robotics": {"side": 32},
}
TESTED = 64
ENCODERS = {"image": "small_conv(pool=True)", "sequence": "conv1d", "timeseries": "conv1d", "tabular": "mlp"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """``{data set: path}`` in the formats of MultiBench, with the papers' feature sizes."""
    folder = tmp_path_factory.mktemp("files")
    made = {
        name: formats.save(folder / f"{name}.pkl", formats.affect((24, 12, 12), 5, sizes))
        for name, sizes in SIZES.items()
    }
    made["mimic"] = formats.save(folder / "im.pk", formats.mimic(60), protocol=2)
    made["imdb"] = formats.imdb(folder / "multimodal_imdb.hdf5", image=None)
    made["robotics"] = formats.robotics(folder / "triangle_real_data", 4, 1, steps=12, side=32)
    return {**made, "humor3": made["humor"]}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """One folder for every target: runs that several tables have are trained once."""
    return tmp_path_factory.mktemp("reproduced")


@pytest.fixture
def tiny(monkeypatch):
    """Have runs trained and scored in this process, small, whatever their settings are."""
    load, run, finetune = running.load_data, running.run, finetuning.finetune

    def shrunk(settings):
        source = settings.source
        return dataclasses.replace(settings, source=dataclasses.replace(source, **SMALL.get(settings.dataset, {})))

    @cache
    def loaded(dataset, path, modalities, source, settings):
        del dataset, path, modalities, source
        data = load(shrunk(settings.value))
        return dataclasses.replace(data, test=data.test.subset(torch.arange(min(TESTED, len(data.test)))))

    def small_data(settings):
        return loaded(settings.dataset, settings.data, settings.modalities, settings.source, _Unhashed(settings))

    def small_run(settings, *, data, **options):
        settings = shrunk(settings)
        kinds = {modality.name: ENCODERS[modality.kind] for modality in data.modalities}
        network = dataclasses.replace(
            settings.network, width=16, heads=2, depth=1, head_hidden=8, head_output=8, encoders=kinds
        )
        training = dataclasses.replace(settings.training, epochs=1, batch_size=32, device="cpu")
        probe = dataclasses.replace(settings.probe, kind="knn", neighbours=3)
        settings = dataclasses.replace(settings, network=network, training=training, probe=probe)
        return run(settings, data=data, quiet=True, **options)

    def in_this_process(jobs, execute, progress, slots):
        del slots
        for job in jobs:
            try:
                execute(job)
            except CoralError as error:  # as a scheduler does
                progress.ended(job, 0.0, one_line(error, 400, with_type=True))
            else:
                progress.ended(job, 0.0)

    def small_finetune(folder, settings, **options):
        return finetune(folder, dataclasses.replace(settings, epochs=1, batch_size=16), quiet=True, **options)

    for module in (worker, fingerprints, pictures):
        monkeypatch.setattr(module, "load_data", small_data)
    monkeypatch.setattr(worker, "run", small_run)
    monkeypatch.setattr(report, "draw_scores", lambda folder, comparison: {})
    monkeypatch.setattr(runner, "run_code", lambda *names: "code")
    monkeypatch.setattr(finetuning, "finetune", small_finetune)
    monkeypatch.setattr(runner, "run_local", in_this_process)


class _Unhashed:
    """A value that a cache takes along and does not look at."""

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, _Unhashed)

    def __hash__(self):
        return 0


def cells_of(table):
    """``{row: cells}`` of a Markdown table, and its head."""
    head, _, *rows = [
        [text.strip().strip("*") for text in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    return head, {row[0].partition(" (raw")[0].partition(" (with")[0]: row for row in rows if row[0]}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(titles()))
def test_ours_stands_beside_the_number_that_the_paper_prints(coral, files, output, tiny, name):
    from coral_plugin.reproduce.targets import target

    columns = dict.fromkeys(column for column, _ in PRINTED[name])
    datasets = {column.name: column.dataset for column in target(name).grid.columns}
    paths = {column: files.get(column, files.get(datasets[column])) for column in columns}
    given = [f"--data={column}={path}" for column, path in paths.items() if path]
    declared = [f"--papers-data={','.join(columns)}"]
    status, _, err = coral("reproduce", name, "--seeds", "42", "--output", output, "--quiet", *given, *declared)
    assert not err, err
    assert status == 0
    folder = output / name
    stored = json.loads((folder / "table.json").read_text())
    assert list(stored["columns"]) == list(columns)
    tables = (folder / "table.md").read_text().split("\n**")
    single = dict(zip(columns, tables[-len(columns) :], strict=True))
    rows = {row["name"]: row for row in stored["rows"]}
    for (column, score), (modalities, task, unit, numbers) in PRINTED[name].items():
        assert stored["columns"][column]["modalities"] == list(modalities)
        head, cells = cells_of(single[column])
        several = sum(own == column for own, _ in PRINTED[name]) > 1
        (at,) = [i for i, told in enumerate(head) if not several or told.startswith(f"{score}:")][1 - several :][:1]
        assert "published probe" in head[at]
        assert ("MSE x 1e-4 ↓" in head[at]) == (unit == "MSE x 1e-4")
        assert (", % ↑" in head[at]) == (unit == "%")
        assert (head[at + 1] == "published") == bool(numbers)
        for row in rows.values():
            (found,) = [own for own in row["scores"] if (own["column"], own["score"]) == (column, score)]
            value = found["values"]["42"]
            assert value in recorded_values(output, row, datasets[column], task, found["metric"])
            shown = cell([value / (1e-4 if unit == "MSE x 1e-4" else 1)], percent=unit == "%")
            told = cells[row["name"]][at : at + 1 + bool(numbers)]
            apart = (row["name"], column) in APART.get(name, ())
            beside = None if apart else numbers.get(row["name"])
            assert told[0].replace("<u>", "").replace("</u>", "") == shown
            assert told[1:] == ([f"{beside} [1]" if beside else NO_VALUE] if numbers else [])
            assert row["published"].get(f"{column}/{score}") == (f"{beside} [1]" if beside else None)
    for row, text in AVERAGES.get(name, {}).items():
        assert f"{row}, published | " in tables[0]
        assert f"| {text} [1] |" in tables[0]


def recorded_values(output, row, dataset, task, metric):
    """The values of a task in the records of the runs of a row's method."""
    found = []
    for path in (output / "runs").glob("*/record.json"):
        record = json.loads(path.read_text())
        if (record["objective"], record["dataset"]) == (row["objective"], dataset) and task in record["metrics"][
            "tasks"
        ]:
            summary = record["metrics"]["tasks"][task]
            found += (summary if summary["metric"] == metric else summary["also"][metric])["values"]
    return found
