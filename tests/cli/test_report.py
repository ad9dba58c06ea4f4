"""``coral report`` writes the page of a run or of a comparison."""

from functools import partial

import pytest

from coral_plugin.bench.report import write_report
from coral_plugin.reproduce.protocol import PaperNumbers

from ..bench.conftest import comparison_of, make_job, metrics

__all__ = ["comparison_of", "make_job", "metrics"]


def test_a_run_and_a_comparison_have_a_report(coral, npz, flags, tmp_path, comparison_of):
    run = tmp_path / "run"
    assert coral("train", "--dataset", "arrays", "--data", npz, "--output", run, *flags)[0] == 0
    written = run / "report.html"
    page = written.read_text()  # coral train leaves one
    written.unlink()
    assert coral("report", run) == (0, f"{written}\n", "")
    assert written.read_text() == page
    pictures = list((run / "plots").glob("*.png"))
    assert page.count("data:image/png;base64,") == len(pictures) > 2

    for picture in pictures:  # as after a run from Python
        if not picture.name.startswith("embeddings"):
            picture.unlink()
    assert coral("report", run) == (0, f"{written}\n", "")
    assert written.read_text() == page

    bench = tmp_path / "bench"
    write_report(bench, comparison_of({"coral": (0.8, 0.7)}, seeds=(1, 2)), partial(PaperNumbers, []))
    page = (bench / "report.html").read_text()
    (bench / "report.html").unlink()
    assert coral("report", bench) == (0, f"{bench / 'report.html'}\n", "")
    assert (bench / "report.html").read_text() == page


@pytest.mark.parametrize("command", ["report", "redraw"])
def test_a_run_that_is_not_finished_says_so(coral, npz, flags, tmp_path, command):
    run = tmp_path / "run"
    assert coral("train", "--dataset", "arrays", "--data", npz, "--output", run, *flags)[0] == 0
    (run / "metrics.json").unlink()
    status, _, err = coral(command, run)
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith(f"coral: {run} is a run that is not finished")
    assert "--resume" in err


def test_another_folder_is_refused(coral, tmp_path):
    status, _, err = coral("report", tmp_path)
    assert status == 2
    what = f"{tmp_path} holds neither a run (config.yaml) nor a comparison (table.json)"
    assert err == f"coral: {what}; give the folder that coral train or coral bench wrote.\n"
