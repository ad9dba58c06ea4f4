"""``coral bench`` with real processes: killed, continued, failing, and what it refuses."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from coral_plugin.cli.main import main

TINY = [
    "--epochs", "2", "--batch-size", "16", "--device", "cpu", "--set", "training.checkpoint_seconds=0",
    "--set", "network.width=8", "--set", "network.heads=2", "--set", "network.head_hidden=8",
    "--set", "network.head_output=8", "--set", "probe.kind=knn", "--no-embeddings",
]  # fmt: skip

FAKES = """
import os, pathlib, signal, time
from coral_plugin.objectives.clip import Clip
from coral_plugin.objectives.coral import Coral

class Halting(Coral):
    '''Where BENCH_HALT names the folder of a grid: as soon as one run is complete, the next waits in its last epoch.'''

    def loss(self, step):
        folder = os.environ.get("BENCH_HALT")
        if folder and step.progress > 0.5 and any(pathlib.Path(folder).glob("runs/*/record.json")):
            pathlib.Path(folder, "halted").write_text(f"{os.getpid()}\\n")
            while True:
                time.sleep(0.05)
        return super().loss(step)

class Failing(Clip):
    def loss(self, step):
        raise RuntimeError("no luck")

class Killed(Clip):
    def loss(self, step):
        with open(os.path.join(os.path.dirname(__file__), "tries"), "a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def fakes(tmp_path_factory):
    """The folder of an installed plugin with methods that fail and one that halts."""
    made = tmp_path_factory.mktemp("fakes")
    (made / "bench_fakes-0.1.dist-info").mkdir()
    (made / "bench_fakes.py").write_text(FAKES)
    (made / "bench_fakes-0.1.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: bench-fakes\nVersion: 0.1\n"
    )
    (made / "bench_fakes-0.1.dist-info" / "entry_points.txt").write_text(
        "[multibench.objectives]\nbench_failing = bench_fakes:Failing\nbench_killed = bench_fakes:Killed\n"
        "bench_halting = bench_fakes:Halting\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(made)
        yield made


@pytest.fixture(scope="module")
def bench(npz, fakes):
    """Arguments of a grid of two methods and two seeds."""

    def arguments(output, *more, objectives="strong=bench_halting,weak=bench_halting", seeds="41,42"):
        return [
            "bench", "--objectives", objectives, "--datasets", "mine=arrays", "--data", f"mine={npz}", "--seeds", seeds,
            "--output", str(output), *TINY, *(["--set", "weak:masking=none"] if "weak" in objectives else []), *more,
        ]  # fmt: skip

    return arguments


def records(folder):
    return {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/record.json")}


def wait_for(condition):
    """For as long as it takes: the time limit of the test ends what never comes."""
    while not condition():
        time.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def calm(bench, tmp_path_factory):
    """The folder of a grid that nobody disturbed."""
    folder = tmp_path_factory.mktemp("calm") / "out"
    assert main(bench(folder, "--workers", "2")) == 0
    return folder


@pytest.mark.parametrize("beside", [{}, {"toy": "digits"}])
def test_a_file_alone_is_read_as_ones_own_arrays_and_named_after_it(coral, npz, monkeypatch, beside):
    grids = []
    monkeypatch.setattr("coral_plugin.cli.bench.run_and_report", lambda grid, *_, **__: grids.append(grid) or 0)
    datasets = ["--datasets", ",".join(f"{label}={name}" for label, name in beside.items())] if beside else []
    status, _, err = coral("bench", "--objectives", "clip", *datasets, "--data", npz)
    assert (status, err) == (
        0, f"{npz}: read as your own arrays (--datasets {npz.stem}=arrays --data {npz.stem}={npz})\n"
    )  # fmt: skip
    columns = [(column.name, column.dataset, column.data) for column in grids[0].columns]
    assert columns == [*((*known, None) for known in beside.items()), (npz.stem, "arrays", str(npz))]
    _, _, err = coral("bench", "--objectives", "clip", "--datasets", f"{npz.stem}=digits", "--data", npz)
    assert f"{npz.stem} is named twice" in err


@pytest.mark.parametrize(("datasets", "label"), [("{stem}", "{stem}"), ("x=arrays", "x"), ("digits,x=arrays", "x")])
def test_a_file_alone_belongs_to_the_name_that_lacks_one(coral, npz, monkeypatch, datasets, label):
    grids = []
    monkeypatch.setattr("coral_plugin.cli.bench.run_and_report", lambda grid, *_, **__: grids.append(grid) or 0)
    label = label.format(stem=npz.stem)
    flags = ["--objectives", "clip", "--datasets", datasets.format(stem=npz.stem), "--data", npz]
    status, _, err = coral("bench", *flags)
    assert (status, err) == (0, f"{npz}: read as your own arrays (--datasets {label}=arrays --data {label}={npz})\n")
    assert [(c.name, c.data) for c in grids[0].columns if c.dataset == "arrays"] == [(label, str(npz))]


def test_files_go_to_the_names_that_are_theirs(coral, tmp_path, monkeypatch):
    grids = []
    monkeypatch.setattr("coral_plugin.cli.bench.run_and_report", lambda grid, *_, **__: grids.append(grid) or 0)
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        np.savez(f"{name}.npz", **{f"train/{key}": np.zeros((4, 2)) for key in "xy"})
    np.savez("digits.npz", **{f"train/{key}": np.zeros((4, 2)) for key in "xy"})
    (tmp_path / "mydata" / "train").mkdir(parents=True)
    for key in "xy":
        np.save(tmp_path / "mydata" / "train" / f"{key}.npy", np.zeros((4, 2)))
    start = ["bench", "--objectives", "clip"]
    assert coral(*start, "--datasets", "a=arrays,b=arrays", "--data", "b.npz", "--data", "a.npz")[0] == 0
    assert coral(*start, "--data", "mydata")[0] == 0
    columns = [[(column.name, column.data) for column in grid.columns] for grid in grids]
    assert columns == [[("a", "a.npz"), ("b", "b.npz")], [("mydata", "mydata")]]
    _, _, err = coral(*start, "--datasets", "x=arrays,z=arrays", "--data", "b.npz")
    assert err == "coral: b.npz may be that of x, z: say --data NAME=b.npz.\n"
    _, _, err = coral(*start, "--datasets", "digits", "--data", "digits.npz")
    assert "digits is a data set: say --data digits=digits.npz if digits.npz is its file, else other=" in err


@pytest.mark.slow
def test_a_grid_says_what_it_has_run(coral, bench, calm):
    status, out, err = coral(*bench(calm, "--workers", "2"))
    assert status == 0, err
    assert "0 run(s) now, 4 before" in err
    assert "strong" in out


@pytest.fixture
def halted(bench, fakes, tmp_path):
    """A grid of which one run is complete and the next waits in the middle: its process, and its folder."""
    folder = tmp_path / "killed"
    paths = os.pathsep.join(filter(None, [str(fakes), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": paths, "BENCH_HALT": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-m", "coral_plugin.cli.main", *bench(folder, "--workers", "1", "--quiet")],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True, env=environment,
    ) as process:  # fmt: skip
        try:
            mark = folder / "halted"
            wait_for(lambda: (mark.exists() and mark.read_text().endswith("\n")) or process.poll() is not None)
            assert process.poll() is None, process.communicate()[1]
            yield process, folder
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["parent", "group", "asked"])
def test_a_grid_that_is_killed_goes_on_and_gives_the_same_table(coral, bench, calm, halted, how):
    process, killed = halted
    child = int((killed / "halted").read_text())
    if how == "group":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.send_signal(signal.SIGKILL if how == "parent" else signal.SIGTERM)
    said = process.communicate()[1]
    assert process.returncode == (128 + signal.SIGTERM if how == "asked" else -signal.SIGKILL)
    assert said == ("coral: stopped. The same command goes on: finished runs are kept.\n" if how == "asked" else "")
    wait_for(lambda: not alive(child))  # no orphan works on
    before = records(killed)
    assert len(before) == 1
    assert len(list(killed.glob("runs/*/seed-*/last.ckpt"))) == 1
    assert not (killed / "scores.csv").exists()

    status, _, err = coral(*bench(killed, "--workers", "2"))
    assert status == 0, err
    after = records(killed)
    assert len(after) == 4
    assert {path: after[path] for path in before} == before
    assert f"{4 - len(before)} run(s) now, {len(before)} before" in err
    assert (killed / "scores.csv").read_bytes() == (calm / "scores.csv").read_bytes()

    status, _, err = coral(*bench(killed))
    assert status == 0
    assert "0 run(s) now, 4 before" in err
    assert records(killed) == after


@pytest.mark.slow
def test_the_report_shows_embeddings_which_are_drawn_once(coral, npz, tmp_path):
    flags = [flag for flag in TINY if flag != "--no-embeddings"]
    command = ["bench", "--objectives", "clip", "--data", npz, "--seeds", "41", "--output", tmp_path / "out", *flags]
    assert coral(*command)[0] == 0
    (picture,) = (tmp_path / "out" / "pictures").glob("clip-on-*-embeddings-seed-41-*.png")
    report = tmp_path / "out" / "report.html"
    page = report.read_text()
    assert f"clip on {npz.stem}: embeddings, seed 41" in page
    assert page.count("data:image/png;base64,") == 3  # and scores, training curves
    drawn = picture.stat().st_mtime_ns
    assert coral(*command)[0] == 0
    assert picture.stat().st_mtime_ns == drawn
    page = report.read_text()
    assert page.count("data:image/png;base64,") == 3
    assert coral(*command, "--epochs", "1")[0] == 0  # another run of the same name in the same folder
    assert len(list((tmp_path / "out" / "pictures").glob("clip-on-*-embeddings-seed-41-*.png"))) == 2
    assert coral(*command)[0] == 0
    first, again = (re.findall(r"data:image/png;base64,[^\"]*", text) for text in (page, report.read_text()))
    assert first == again


@pytest.mark.slow
def test_a_failed_run_is_reported_and_the_others_go_on(coral, bench, fakes, tmp_path):
    arguments = bench(tmp_path / "out", objectives="bench_failing,bench_killed,coral", seeds="41")
    status, out, err = coral(*arguments, "--workers", "3")
    assert status == 1
    assert (fakes / "tries").read_text() == "xx"
    lines = err.splitlines()
    assert "coral: bench_failing on mine, seed 41 failed: RuntimeError: no luck" in lines
    killed = "its process was killed by SIGKILL (out of memory?), 2 times"
    assert f"coral: bench_killed on mine, seed 41 failed: {killed}" in lines
    assert any(line.endswith("tried again") for line in lines)
    assert "Traceback" not in err
    assert "Traceback" in next((tmp_path / "out" / "runs").glob("bench_failing*/log.txt")).read_text()
    row = next(line for line in out.splitlines() if line.startswith("coral"))
    assert "*" in row
    assert "2 runs failed and are missing." in out
    assert len(records(tmp_path / "out")) == 1


@pytest.mark.slow
def test_a_record_is_drawn_anew_without_training(coral, bench, calm, tmp_path):
    assert coral(*bench(calm, "--record", tmp_path / "record"))[0] == 0
    whole = (tmp_path / "record" / "table.md").read_bytes()
    (tmp_path / "record" / "table.md").unlink()
    status, out, err = coral("redraw", tmp_path / "record")
    assert (status, err) == (0, "")
    assert str(tmp_path / "record" / "report.html") in out
    assert (tmp_path / "record" / "table.md").read_bytes() == whole


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--objectives", "corall", "--datasets", "digits"], "Did you mean 'coral'"),
        (["--objectives", "coral", "--datasets", "digit"], "Did you mean 'digits'"),
        (["--objectives", "coral,coral", "--datasets", "digits"], "coral is named twice"),
        (
            ["--objectives", "coral", "--datasets", "a b=digits,a-b=digits"],
            "'a b' and 'a-b' would share a name",
        ),
        (["--objectives", "clip,Clip=comm", "--datasets", "digits"], "'clip' and 'Clip' would share a name"),
        (["--objectives", "mae,masked autoencoder=clip", "--datasets", "digits"], "'mae' and 'masked autoencoder'"),
        (["--objectives", "coral", "--datasets", "digits", "--set", "coarl:masking=none"], "Did you mean 'coral'"),
        (["--objectives", "coral", "--datasets", "digits", "--set", "masking"], "--set needs KEY=VALUE"),
        (["--objectives", "coral", "--datasets", "digits", "--set", "maskin=none"], "Did you mean 'masking'"),
        (["--objectives", "coral", "--datasets", "digits", "--preset", "coral=mine"], "Unknown preset"),
        (["--objectives", "coral", "--datasets", "digits", "--data", "digit=x"], "Did you mean 'digits'"),
        (["--objectives", "coral", "--datasets", "digits", "--address", "a:1"], "--engine ray"),
        (["--objectives", "coral", "--datasets", "arrays", "--data", "arrays=/nowhere.npz"], "/nowhere.npz"),
        (["--objectives", "coral"], "--datasets"),
        (["--objectives", "coral", "--datasets", "digits", "--papers-data", "digit"], "Did you mean 'digits'"),
    ],
)
def test_mistakes_are_one_line(coral, tmp_path, arguments, text):
    status, out, err = coral("bench", *arguments, "--output", tmp_path / "out")
    assert (status, out) == (2, "")
    assert err.count("\n") == 1
    assert text in err
