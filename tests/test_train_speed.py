"""The pure parts of benchmarks/train_speed.py: summaries, the rule on what became slower, the page."""

import copy
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import speed_table
from speed_shapes import SHAPES
from speed_table import AUTHORS, OURS, PLAIN
from train_speed import FAST_PATHS, ROWS

from coral_plugin.runs.folder import build_objective

BENCHMARKS = Path(speed_table.__file__).parent
END = {"peak_memory_bytes": 2**30, "operations": 4e9, "batch_size": 64, "threads": 2, "parameters": 10}
OURS_BLOCKS = [
    {"whole": [1.0, 9.0, 1.0], "model": [0.5], "matmul": 16e9},
    {"whole": [2.0], "model": [1.0], "matmul": 8e9},
]
OTHER_BLOCKS = [{"whole": [4.0], "model": [4.0], "matmul": None}, {"whole": [4.0], "model": [4.0], "matmul": None}]
PATH = f"{PLAIN}: a path"


def row(name="coral on mosi"):
    end = {key: value for key, value in END.items() if key != "operations"}
    return {
        "row": name,
        "shape": "mosi",
        "sides": {
            OURS: speed_table.summary(OURS_BLOCKS, END),
            AUTHORS: speed_table.summary(OTHER_BLOCKS, end),
            PATH: speed_table.summary(OURS_BLOCKS, END),
        },
        "gains": {side: speed_table.gain(OURS_BLOCKS, OTHER_BLOCKS) for side in (AUTHORS, PATH)},
    }


def test_a_block_counts_by_its_median_and_the_share_by_its_own_matmul_rate():
    summary = row()["sides"][OURS]
    assert summary["whole_samples_per_second"] == {"median": 48, "min": 32, "max": 64}
    assert summary["share_of_matmul"] == {"median": 0.5, "min": 0.5, "max": 0.5}  # 8 of 16, 4 of 8 GFLOP/s
    assert "matmul_flops" not in row()["sides"][AUTHORS]


def test_the_gain_is_the_median_of_the_ratios_of_neighbouring_blocks():
    assert speed_table.gain(OURS_BLOCKS, OTHER_BLOCKS) == {"median": 3, "min": 2, "max": 4}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({}, None),
        ({"whole": 0.81}, None),
        ({"whole": 0.79}, "coral on mosi: 21 % slower than the record, per matmul rate"),
        ({"whole": 0.5, "matmul": 0.5}, None),  # a machine half as fast
        ({"whole": 1.0, "matmul": 2.0}, "coral on mosi: 50 % slower than the record, per matmul rate"),
        ({"peak": 1.19}, None),
        ({"peak": 1.25}, "coral on mosi: 1.25 GiB at its peak, 1.00 in the record"),
        ({"gain": 0.7}, f"coral on mosi: {PATH} gains 2.10 times, 3.00 in the record"),
    ],
)
def test_what_is_more_than_a_fifth_worse_is_reported(change, line):
    now = copy.deepcopy(row())
    side = now["sides"][OURS]
    side["whole_samples_per_second"]["median"] *= change.get("whole", 1)
    side["matmul_flops"]["median"] *= change.get("matmul", 1)
    side["peak_memory_bytes"] *= change.get("peak", 1)
    now["gains"][PATH]["median"] *= change.get("gain", 1)
    assert speed_table.slower([row()], [now]) == ([] if line is None else [line])


def test_rows_without_a_record_are_not_compared():
    assert speed_table.slower([row("another")], [row()]) == []


def test_the_page_has_every_side_of_a_row():
    place = {"command": ["x.py"], "when": "2026-01-01T00", "processor": "a CPU", "packages": {"torch": "2"}}
    record = {"environment": {**place, "commit": None}, "rows": [row()], "failures": ["a row: no module"]}
    page = speed_table.page(
        {**record, "references": {"coral": "0123456789abcdef"}, "regressions": ["it is slow"]}, {"mosi": "sentences"}
    )
    assert "| coral on mosi | 48.0 (32.0 to 64.0) | 96.0 (64.0 to 128) | 12 | 50 % (50 to 50) | 1.00 |" in page
    assert "| coral on mosi | 16.0 (16.0 to 16.0) | 16.0 (16.0 to 16.0) | 1.00 | 3.00 times (2.00 to 4.00) |" in page
    assert "| a path | coral on mosi | 48.0 (32.0 to 64.0) |" in page
    assert "coral 0123456789" in page
    assert "- it is slow" in page
    assert "- a row: no module" in page
    quiet = speed_table.page({**record, "references": {}, "failures": [], "regressions": []}, {"mosi": "sentences"})
    assert "No row is more than 20 % worse" in quiet
    assert "Not measured" not in quiet


def test_the_page_is_that_of_the_record():
    record = json.loads((BENCHMARKS / "records" / "train_speed.json").read_text())
    written = speed_table.page(record, {name: shape.words for name, shape in SHAPES.items()})
    assert (BENCHMARKS / "RESULTS.md").read_text() == written


def test_a_fast_path_belongs_to_a_row_and_its_switch_is_a_setting():
    from speed_shapes import data_of, settings_of

    for path in FAST_PATHS:
        assert (path.method, path.shape) in ROWS
        fast, plain = (settings_of(path.shape, path.method, chosen) for chosen in ({}, path.off))
        assert fast != plain
        data = data_of(path.shape, plain)
        shapes = [
            {name: value.shape for name, value in build_objective(settings, data.modalities).state_dict().items()}
            for settings in (fast, plain)
        ]
        assert shapes[0] == shapes[1]  # the same networks
