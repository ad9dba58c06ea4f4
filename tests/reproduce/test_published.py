"""Every published number, with its modalities, task and unit, against a table typed by hand from PUBLISHED.md."""

import pytest

from coral_plugin.reproduce.published import AVERAGE, published_tables
from coral_plugin.reproduce.targets import target, titles

from .printed import APART, AVERAGES, PRINTED


def test_the_table_by_hand_has_every_target_and_every_number():
    assert list(PRINTED) == list(titles())
    used = {source for name in titles() for source in target(name).published}
    assert used == set(published_tables())


@pytest.mark.parametrize("name", list(titles()))
def test_numbers_modalities_tasks_and_units(name):
    wanted, found = target(name), {}
    columns = {column.name: column for column in wanted.grid.columns}
    for source in wanted.published:
        found |= published_tables()[source].values
    rows = {row.name for row in wanted.grid.rows}
    apart = {key for source in wanted.published for key in published_tables()[source].apart if key[0] in rows}
    assert apart & {(row, column) for row in rows for column in columns} == {
        (row, column) for row, column in APART.get(name, ()) if row in rows and column in columns
    }
    averages = {row: text for (row, column, _), text in found.items() if column == AVERAGE}
    assert averages == AVERAGES.get(name, {})
    by_hand = {(row, *place): text for place, (*_, numbers) in PRINTED[name].items() for row, text in numbers.items()}
    assert {key: text for key, text in found.items() if key[1] != AVERAGE} == by_hand
    for (column, score), (modalities, task, unit, _) in PRINTED[name].items():
        reading = columns[column].readings[score]
        assert (columns[column].modalities or ("image1", "image2"), reading.task) == (modalities, task)
        assert (reading.metric, reading.unit) == (("mse", 1e-4) if unit == "MSE x 1e-4" else (reading.metric, 1.0))


def test_factorcl_on_trifeature_is_withheld_or_has_its_caveat():
    for name, table in published_tables().items():
        if ("factorcl", "trifeature", "synergy") in table.values:
            assert ("factorcl", "trifeature") in table.apart or "swapped" in table.protocol, name
