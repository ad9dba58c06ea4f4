"""Tables of a run, to the letter."""
# ruff: noqa: RUF001 - the dash of an empty cell is meant

import numpy as np
import pytest

from coral_plugin.evaluation.disentanglement import disentanglement
from coral_plugin.evaluation.tables.run import also_table, complexity_table, disentanglement_table, score_table


def summary(values, metric="balanced_accuracy", chance=None, also=None):
    level = {} if chance is None else {"chance": chance}
    also = {name: {"values": values_of} for name, values_of in (also or {}).items()}
    return {"metric": metric, "values": values, "also": also, **level}


@pytest.fixture
def metrics():
    return {
        "objective": "coral",
        "dataset": "mosi",
        "preset": "paper",
        "seeds": [41, 42],
        "tasks": {
            "label": summary([0.672, 0.686], chance=0.5, also={"accuracy": [0.7, 0.71], "auroc": [0.75, None]}),
            "strength": summary([1.5, 1.7], "mse", also={"mae": [0.9, 1.1]}),
        },
        "parts": {"shared": {"label": summary([0.6, 0.62]), "strength": summary([2.0, 2.0], "mse")}},
        "raw_features": {
            "all": {"label": summary([0.55]), "strength": summary([2.5], "mse")},
            "text": {"label": summary([0.5])},
        },
    }


def test_score_table(metrics):
    table = score_table(metrics)
    assert table.columns == ("representation", "label: balanced accuracy, % ↑", "strength: MSE ↓")
    assert table.rows == (
        ("all parts", "67.9 ± 1.0", "1.60 ± 0.14"),
        ("shared", "61.0 ± 1.4", "2.00 ± 0.00"),
        ("raw: all", "55.0", "2.50"),
        ("raw: text", "50.0", "–"),
        ("chance", "50.0", "–"),
    )
    assert table.title == "coral (paper) on mosi"
    assert table.caption == "Mean ± sample standard deviation of 2 seeds (41, 42)."


def test_a_record_of_schema_1_has_its_raw_features_under_another_key(metrics):
    older = {**metrics, "floor": metrics["raw_features"]}
    del older["raw_features"]
    assert score_table(older) == score_table(metrics)


def test_one_seed_has_no_deviation_to_explain(metrics):
    assert score_table({**metrics, "seeds": [41]}).caption == "Seed 41."


def test_probes_that_stopped_early_are_named(metrics):
    metrics["unconverged"] = {"all": [41, 42], "shared": [42]}
    line = score_table(metrics).caption.splitlines()[-1]
    assert line == "Probe of all parts (seeds 41, 42), shared (seed 42): stopped before convergence."


def test_also_table(metrics):
    table = also_table(metrics)
    assert table.columns == ("task", "accuracy, % ↑", "AUROC, % ↑", "MAE ↓")
    assert table.rows == (("label", "70.5 ± 0.7", "75.0", "–"), ("strength", "–", "–", "1.00 ± 0.14"))


def test_a_run_without_tasks_has_empty_tables(metrics):
    bare = {**metrics, "tasks": {}, "parts": {}, "raw_features": {}}
    assert score_table(bare).rows == (("all parts",), ("chance",))
    assert also_table(bare).rows == ()
    assert also_table(bare).text()


@pytest.mark.parametrize(("memory", "shown"), [(None, "–"), (3 * 2**20, "3.0")])
def test_complexity_table(memory, shown):
    cost = {
        "parameters": {"total": 12345, "trainable": 12000},
        "flops_per_sample": 2.5e6,
        "seconds_per_sample": 0.0015,
        "batch_size": 64,
        "peak_memory_bytes": memory,
    }
    table = complexity_table(cost)
    assert [value for _, value in table.rows] == ["12,345", "12,000", "2.50", "1.500", shown]
    assert "64" in table.caption


def test_disentanglement_table(metrics):
    def run(cka):
        return {
            "probed": {"shared | unique/text": {"cka": cka, "r2_backward": 0.5}},
            "projected": {"shared | unique/text": {"cosine": 0.25, "cka": 0.5}},
        }

    table = disentanglement_table({**metrics, "disentanglement": {"41": run(0.1), "42": run(0.3)}})
    assert table.columns == ("parts", "space", "mean |cos|", "linear CKA", "R² 2nd → 1st")
    assert table.rows == (
        ("shared | unique/text", "probed", "–", "0.200 ± 0.141", "0.500 ± 0.000"),
        ("shared | unique/text", "projected", "0.250 ± 0.000", "0.500 ± 0.000", "–"),
    )


@pytest.mark.parametrize("nothing", [{}, {"disentanglement": {"41": {}}}])
def test_disentanglement_of_nothing(metrics, nothing):
    table = disentanglement_table({**metrics, **nothing})
    assert (table.rows, table.caption[:32]) == ((), "The representation has one part;")


def test_every_measure_that_exists_has_a_head(metrics):
    rng = np.random.default_rng(0)
    measured = disentanglement({"shared": rng.normal(size=(40, 12)), "unique/text": rng.normal(size=(40, 12))})
    table = disentanglement_table({**metrics, "disentanglement": {"41": {"probed": measured}}})
    angle = "canonical-correlation angle over samples"
    heads = ("mean |cos|", "linear CKA", "Grassmann distance", angle, "R² 1st → 2nd", "R² 2nd → 1st")
    assert table.columns[2:] == heads
    assert "–" not in table.rows[0]
