"""The measurement of growth: points in processes of their own, fitted lines, the page, the picture."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import growth
from growth_page import fitted, lines_of, meaning, numbered, page
from growth_picture import draw
from growth_points import SERIES, measure, write_samples

from coral_plugin.data import from_arrays
from coral_plugin.data.shards import Shards

MIB = 2**20
PLACE = {"command": ["x.py"], "when": "2026-01-01T00", "processor": "a CPU", "packages": {"torch": "2"}, "commit": None}


def invented():
    """Points on known lines: time and memory of every series."""
    points = {}
    for name, series in SERIES.items():
        power = 2 if name == "batch, whole" else 1
        points[name] = {
            str(x): {"seconds": 1e-3 * x, "step_bytes": 10.0 * x**power, "peak_bytes": 500 * MIB + 10.0 * x**power}
            for x in series.points
        }
        if series.axis in ("samples", "processes"):
            for x, point in points[name].items():
                del point["step_bytes"]
                point |= {"samples_per_second": 100.0 * int(x) ** 0.5, "peak_bytes": 500 * MIB + 24 * int(x)}
    return points


def record():
    return {"environment": PLACE, "memory": 16 * 2**30, "load": 0.1, "points": invented()}


def test_a_line_has_its_slope_and_the_standard_error_of_it():
    line = fitted([1, 2, 3, 4], [1.0, 3.0, 4.0, 6.0], power=False)
    assert (line.slope, line.start) == pytest.approx((1.6, -0.5))
    assert line.error == pytest.approx((0.2 / 2 / 5) ** 0.5)  # squared residuals 0.2, two degrees of freedom
    assert fitted([1, 2], [1.0, 2.0], power=True).error is None
    exact = fitted([64, 128, 256], [3.0 * x**1.5 for x in (64, 128, 256)], power=True)
    assert (exact.slope, exact.start, exact.at(100)) == pytest.approx((1.5, 3.0, 3000.0))


def test_small_values_do_not_count_for_an_exponent():
    points = numbered(invented())["batch"]
    points[64] = {"seconds": 100.0, "step_bytes": 1e12, "peak_bytes": 1e12}
    lines = lines_of("batch", points)
    assert [line.slope for line in lines.values()] == pytest.approx([1, 1])
    assert lines_of("batch", {64: points[64], 4096: points[4096]}) == {}


def test_the_page_says_what_the_lines_say():
    text = page(record(), 100.0)
    assert "| samples in a batch | whole matrix | 1,024 | x^1.00 ± 0.00 | x^2.00 ± 0.00 |" in text
    assert "an epoch of a million samples in a folder, and 12 days for a billion" in text
    assert "17 minutes for" in text  # 1 ms a sample
    assert "it is 2.8 hours and 116 days" in text  # 100 samples/s
    assert "a folder takes 24 ± 0 bytes of memory per sample" in text
    assert "(four fifths of this machine's 16 GiB hold 551 million of them)" in text
    assert "train 1.41 times as fast" in text
    assert "| 8,192 | 8.19 |" in text
    noisy = record()
    for number, point in enumerate(noisy["points"]["samples, shards"].values()):
        point["peak_bytes"] = (500 + (30, 0, 20)[number]) * MIB
    assert "shards none beyond noise (-" in page(noisy, 100.0)
    few = {**record(), "points": {"batch": {"64": invented()["batch"]["64"]}}}
    assert meaning(numbered(few["points"]), None, None) == []
    assert "| samples in a batch | in chunks |  |  |  |" in page(few, None)


def test_the_picture_is_drawn(tmp_path):
    few = {name: points for name, points in invented().items() if SERIES[name].axis in ("modalities", "samples")}
    draw(tmp_path / "growth", few)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png", ".svg", ".csv"}
    assert '"modalities, FactorCL",seconds,8,0.008' in (tmp_path / "growth.csv").read_text()


def test_what_was_measured_is_kept(tmp_path, monkeypatch, capsys):
    calls = []

    def invent(name, x):
        calls.append((name, x))
        if len(calls) == 3:
            sys.exit("killed")
        return invented()["batch"]["64"]

    monkeypatch.setattr(growth, "measured", invent)
    command = ["growth.py", "--only", "batch", "--points", "batch=64,128", "batch, whole=64", "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="killed"):
        growth.main()
    monkeypatch.setattr(sys, "argv", [*command, "--resume"])
    growth.main()
    assert calls == [("batch", 64), ("batch", 128), ("batch, whole", 64), ("batch, whole", 64)]
    points = json.loads((tmp_path / "records/growth.json").read_text())["points"]
    assert {name: list(xs) for name, xs in points.items()} == {"batch": ["64", "128"], "batch, whole": ["64"]}
    assert (tmp_path / "GROWTH.md").is_file()
    assert (tmp_path / "pictures/growth.png").is_file()


@pytest.mark.parametrize("text", ["batch=many", "depth=1,2", "batch"])
def test_points_that_cannot_be_read_are_refused(text, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["growth.py", "--points", text])
    with pytest.raises(SystemExit):
        growth.main()
    assert "--points takes SERIES=NUMBER,NUMBER" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "x"), [("batch", 8), ("length, convolutions", 40), ("modalities, FactorCL", 2)])
def test_a_step_is_measured(name, x, monkeypatch):
    monkeypatch.setattr("growth_points.MOST_STEPS", 1)
    point = measure(name, x)
    assert point["steps"] == 1
    assert 0 < point["seconds"] < 60
    assert 0 <= point["step_bytes"] < point["peak_bytes"]


def test_every_source_has_the_samples(tmp_path, monkeypatch):
    monkeypatch.setenv("CORAL_CACHE", str(tmp_path / "cache"))
    for source in ("memory", "folder", "shards"):
        (tmp_path / source).mkdir()
        write_samples(source, tmp_path / source, 12)
    with np.load(tmp_path / "memory/data.npz") as file:
        assert len(from_arrays(dict(file)).train) == 12
    assert np.load(tmp_path / "folder/train/sensor.npy").shape == (12, 224)
    shards = Shards(tmp_path / "shards/train")
    assert len(shards) == 12
    assert shards[11]["meta"].shape == (32,)


def test_a_point_is_measured_in_a_process():
    point = growth.measured("batch, whole", 4)
    assert 0 <= point["step_bytes"] < point["peak_bytes"]
    with pytest.raises(SystemExit, match="none at 4: KeyError"):
        growth.measured("none", 4)


def test_the_page_and_the_picture_are_those_of_the_record(tmp_path):
    home = Path(growth.__file__).parent
    growth.write(tmp_path, json.loads((home / "records" / "growth.json").read_text()))
    assert (tmp_path / "GROWTH.md").read_text() == (home / "GROWTH.md").read_text()
    csv = Path("pictures") / "growth.csv"
    assert (tmp_path / csv).read_text() == (home / csv).read_text()
