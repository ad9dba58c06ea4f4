"""The figures that README, the records' README and the pages print are those of the records."""

import json
from pathlib import Path

ROOT = Path(__file__).parents[2]
SMALL = "results/small"
KINDS = ("redundancy", "uniqueness", "synergy")


def cell(record, row, column=None, score="label"):
    """``mean ± std`` of a table in %, or the mean alone where there is one seed or no spread."""
    rows = json.loads((ROOT / record / "table.json").read_text())["rows"]
    (scores,) = (entry["scores"] for entry in rows if entry["name"] == row)
    (value,) = (s for s in scores if s["score"] == score and column in (None, s["column"]))
    return f"{100 * value['mean']:.1f}" + (f" ± {100 * value['std']:.1f}" if value["std"] else "")


def wearables(row):
    return cell(f"{SMALL}/wearables", row)


def avmnist(row):
    return cell(f"{SMALL}/avmnist", row)


def speed(name):
    rows = json.loads((ROOT / "benchmarks/records/train_speed.json").read_text())["rows"]
    (row,) = (row for row in rows if (row["method"], row["shape"]) == ("coral", name))
    return row["sides"]["this code"]["whole_samples_per_second"]["median"]


def test_readme():
    text = (ROOT / "README.md").read_text()
    sensors = [wearables("coral"), wearables("comm"), wearables("concat_raw"), wearables("supervised").split(" ")[0]]
    ours, other, raw, labels = sensors
    assert f"| {ours} | CoMM {other} (no difference between methods is significant) | {raw} | {labels} |" in text
    digits = [avmnist("coral"), avmnist("cross_self"), avmnist("concat_raw"), avmnist("supervised").split(" ")[0]]
    ours, other, raw, labels = digits
    assert f"| {ours} | **Cross+Self {other}** | {raw} | {labels} |" in text
    ours, raw = (cell(f"{SMALL}/mosi", name, "all") for name in ("coral", "concat_raw"))
    floor = json.loads((ROOT / SMALL / "mosi/floor.json").read_text())["floor"]
    words = 100 * floor["text"]["label"]["mean"]
    assert f"| {ours} | not run | {raw}; text alone {words:.1f} |" in text


def test_no_method_differs_on_the_sensors():
    rows = json.loads((ROOT / SMALL / "wearables/table.json").read_text())["rows"]
    values = [score["p_value"] for row in rows if row["kind"] == "method" for score in row["scores"]]
    assert min(value for value in values if value is not None) > 0.05


def test_the_records_readme():
    text = (ROOT / "results/README.md").read_text()
    for row, title in (("focal", "FOCAL"), ("decur", "DeCUR")):
        kinds = [
            cell(f"{SMALL}/rivals_trifeature", row, score=kind) for kind in ("redundancy", "uniqueness", "synergy")
        ]
        assert f"{title} {', '.join(kinds)}" in text
        assert f"{title} {cell(f'{SMALL}/rivals_wearables', row)}" in text
    summary = json.loads((ROOT / "results/demo/summary.json").read_text())
    kinds = [f"{kind} {100 * summary[kind]['mean']:.1f}" for kind in KINDS]
    assert ", ".join(kinds) in text


def test_speeds_of_the_questions():
    text = (ROOT / "docs/faq.md").read_text()
    shown = f"features of MOSI {speed('mosi'):.0f} samples/s, MIMIC {speed('mimic'):.0f}, images of 224 px"
    assert f"{shown} {speed('trifeature'):.1f}" in text
