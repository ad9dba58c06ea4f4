"""Every declared target is a grid that could be run, and what it lacks is said."""

import pytest

from coral_plugin.errors import InputError
from coral_plugin.experiments.bench.grid import Column, run_settings
from coral_plugin.experiments.bench.published import sources
from coral_plugin.experiments.bench.targets import missing, require, target, titles
from coral_plugin.registry import DATASETS, OBJECTIVES

PAPER = ["table1", "table2", "table3", "table4", "table5", "figure4", "figure5", "finetune"]


def test_all_that_the_papers_show_is_there():
    assert [name for name in PAPER if name not in titles()] == []


@pytest.mark.parametrize("scale", ["paper", "small"])
@pytest.mark.parametrize("name", list(titles()))
def test_a_target_has_settings_that_its_methods_take(name, scale):
    grid = target(name, scale).grid
    for column in grid.columns:
        for row in grid.rows:
            if row.objective in OBJECTIVES.names() and column.dataset in DATASETS.names():
                for arm in column.arms:
                    settings = run_settings(row, column, arm, grid.seeds[0])
                    assert scale == "paper" or settings.training.epochs <= 10
    for row in grid.rows:
        assert set(row.presets) <= {column.name for column in grid.columns}


@pytest.mark.parametrize("name", [name for name in titles() if target(name).published])
def test_published_rows_and_columns_are_those_of_the_target(name):
    wanted = target(name)
    columns = {key for column in wanted.grid.columns for key in (column.name, column.dataset)}
    for source in wanted.published:
        rows, datasets, _ = (set(part) for part in zip(*sources()[source].values, strict=True))
        assert rows <= {row.name for row in wanted.grid.rows}
        assert datasets - {"average"} <= columns


@pytest.mark.parametrize(
    ("modalities", "text"), [(("vision", "text"), "67.9 ± 0.70"), (("audio", "text"), None), (None, None)]
)
def test_a_published_number_stands_beside_its_own_modalities(modalities, text):
    table = sources()["coral-table2"]
    assert table.find("coral", Column(name="mine", dataset="mosi", modalities=modalities), "label") == text
    assert table.find("coral", Column(name="mimic", dataset="mimic"), "label") == "67.4 ± 0.22"


def test_published_numbers_lie_in_range():
    """A slip of a column would show: chance, percent, and synergy near one half where a paper says so."""
    table1 = sources()["coral-table1"]
    assert table1.values["coral", "trifeature", "uniqueness"] == "96.4 ± 1.08"
    assert table1.values["factorcl", "trifeature", "synergy"] == "46.5"
    for source in sources().values():
        assert all(0 < float(text.split()[0]) <= 100 for text in source.values.values())


def test_missing_data_are_listed_with_where_they_come_from():
    grid = target("infmasking-table4").grid
    with pytest.raises(InputError, match=r"imdb .*multimodal_imdb.hdf5.*from archive\.org.*--datasets"):
        require(grid, "infmasking-table4")
    mosi = target("figure4", data={"mosi": "/x.pkl"}).grid
    assert (mosi.columns[0].data, mosi.columns[0].modalities) == ("/x.pkl", ("vision", "text"))


def test_a_target_can_be_cut_down():
    wanted = target("table2", "small", datasets=["digits"], rows=["coral"], seeds=[7], chosen={"training.epochs": 1})
    assert ([r.name for r in wanted.grid.rows], [c.name for c in wanted.grid.columns]) == (["coral"], ["digits"])
    assert run_settings(wanted.grid.rows[0], wanted.grid.columns[0], "", 7).training.epochs == 1
    assert missing(wanted.grid) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"name": "tabel1"}, "Did you mean 'table1'"),
        ({"name": "table1", "rows": ["corall"]}, "Did you mean 'coral'"),
        ({"name": "table1", "datasets": ["digit"]}, "Did you mean 'digits'"),
        ({"name": "table1", "data": {"mosi": "x"}}, "--data"),
    ],
)
def test_wrong_names_are_said(arguments, text):
    with pytest.raises(InputError, match=text):
        target(**arguments)
