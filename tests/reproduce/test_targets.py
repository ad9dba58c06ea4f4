"""Every declared target is a grid that could be run, and what it lacks is said."""

import pytest

from coral_plugin.bench.grid import Reading, run_settings
from coral_plugin.errors import InputError
from coral_plugin.registry import DATASETS, OBJECTIVES
from coral_plugin.reproduce.published import parse_table, published_tables, read_data
from coral_plugin.reproduce.targets import TRIFEATURE, available, missing, require, target, titles
from coral_plugin.reproduce.trifeature import trifeature_column

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
                for condition in column.conditions:
                    settings = run_settings(row, column, condition, grid.seeds[0])
                    assert scale == "paper" or settings.training.epochs <= 10
    for row in grid.rows:
        assert set(row.presets) <= {column.name for column in grid.columns}


@pytest.mark.parametrize("name", [name for name in titles() if target(name).published])
def test_published_rows_and_columns_are_those_of_the_target(name):
    wanted = target(name)
    columns = {column.name for column in wanted.grid.columns}
    for source in wanted.published:
        rows, datasets, _ = (set(part) for part in zip(*published_tables()[source].values, strict=True))
        assert rows <= {row.name for row in wanted.grid.rows}
        assert datasets - {"average"} <= columns


def test_published_numbers_lie_in_range():
    """A slip of a column would show: chance, percent, and synergy near one half where a paper says so."""
    table1 = published_tables()["coral-table1"]
    assert table1.values["coral", "trifeature", "uniqueness"] == "96.4 ± 1.08"
    assert table1.values["factorcl", "trifeature", "synergy"] == "46.5"
    for source in published_tables().values():
        assert all(0 < float(text.split()[0]) <= 100 for text in source.values.values())


def test_missing_data_are_listed_with_where_they_come_from():
    grid = target("infmasking-table4").grid
    with pytest.raises(InputError, match=r"imdb .*multimodal_imdb.hdf5.*from archive\.org.*--datasets"):
        require(grid, "infmasking-table4")
    mosi = target("figure5", data={"mosi": "/x.pkl"}).grid
    assert (mosi.columns[0].data, mosi.columns[0].modalities) == ("/x.pkl", ("vision", "text"))


@pytest.mark.parametrize("name", ["table1", "comm-figure", "infmasking-table1"])
def test_factorcl_on_trifeature_is_the_published_one(name):
    """150 epochs, and a second image without the crop (specification 2.4)."""
    grid = target(name, rows=["factorcl"]).grid
    for condition in grid.columns[0].conditions:
        settings = run_settings(grid.rows[0], grid.columns[0], condition, 41)
        assert settings.training.epochs == 150
        assert settings.augmentations == {"image1": "simclr", "image2": "color_jitter+grayscale+blur+flip"}


def test_figure_4_is_the_papers_grid_on_the_data_that_are_here():
    whole = target("figure4", data={"mosi": "/x.pkl", "humor": "/y.pkl"})
    weights = {key: value for row in whole.grid.rows for key, value in row.chosen.items()}
    chosen = {row.name: row.chosen for row in whole.grid.rows}
    assert set(weights) == {"method.shared_weight", "method.unique_weight", "method.orthogonality_weight"}
    assert sorted(str(own) for own in chosen.values()) == sorted(
        [
            "{}",
            *(f"{{'method.{name}_weight': {value}}}" for name in ("shared", "unique") for value in (0.5, 2.0)),
            *(f"{{'method.orthogonality_weight': {value}}}" for value in (3.0, 5.0)),
        ]
    )
    here, absent = available(whole)
    assert [column.name for column in here.grid.columns] == ["mosi", "humor"]
    assert absent == ["mimic", "mosei", "sarcasm"]
    nothing = target("figure4")
    assert available(nothing) == (nothing, [])
    with pytest.raises(InputError, match=r"mosi_data\.pkl"):
        require(nothing.grid, "figure4")
    assert available(target("table2", data={"mosi": "/x.pkl"}))[1] == []  # a table is run whole


@pytest.mark.parametrize("name", list(titles()))
def test_the_scale_of_the_papers_has_the_published_probe(name):
    for scale, kind in (("paper", "reference"), ("small", "linear")):
        grid = target(name, scale).grid
        row = next(row for row in grid.rows if row.objective == "coral" or row.objective == "comm")
        kinds = {
            run_settings(row, column, condition, 1).probe.kind
            for column in grid.columns
            for condition in column.conditions
        }
        assert kinds == {kind}


def test_columns_of_targets_say_what_they_read():
    columns = read_data("targets.yaml")["columns"]
    readings = {name: Reading(**own) for name, own in columns["trifeature"]["readings"].items()}
    assert readings == trifeature_column(TRIFEATURE["paper"]).readings
    several = {"trifeature": ("redundancy", "synergy"), "mosi": ("label",)}
    entry = {"cite": "x", "protocol": "y", "columns": ["mosi", "trifeature"], "rows": {}}
    with pytest.raises(InputError, match=r"t: 'trifeature' names no reading .* redundancy, synergy"):
        parse_table("t", entry, several)
    with pytest.raises(InputError, match="mimic has none"):
        parse_table("t", {**entry, "columns": ["mimic"]}, several)


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
        ({"name": "table2", "papers_data": ["mosii"]}, "Did you mean 'mosi'"),
    ],
)
def test_wrong_names_are_said(arguments, text):
    with pytest.raises(InputError, match=text):
        target(**arguments)
