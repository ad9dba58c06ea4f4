"""``coral reproduce``: what can be had, what is missing, and one target run on data that are here."""

import pytest

from coral_plugin.reproduce.targets import titles


def test_without_a_target_all_are_listed(coral):
    status, out, _ = coral("reproduce")
    assert status == 0
    assert all(f"{name} " in out for name in titles())


@pytest.mark.parametrize("name", list(titles()))
def test_a_dry_run_shows_every_row(coral, name):
    from coral_plugin.reproduce.targets import target

    status, out, err = coral("reproduce", name, "--dry-run")
    assert (status, err) == (0, "")
    grid = target(name).grid
    for row in grid.rows:
        assert f"| {row.name} | {row.objective} |" in out
    runs = len(grid.seeds) * len(grid.rows) * sum(len(column.conditions) for column in grid.columns)
    assert f"{runs} runs" in out


def test_missing_data_are_one_clear_line(coral, tmp_path):
    status, out, err = coral("reproduce", "table2", "--output", tmp_path)
    assert (status, out, err.count("\n")) == (2, "", 1)
    for text in (
        "mimic (im.pk",
        "physionet.org",
        "mosi (mosi_data.pkl",
        "humor.pkl",
        "github.com/pliang279/MultiBench",
    ):
        assert text in err
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_a_target_runs_on_what_is_here_with_the_paper_beside(coral, tmp_path):
    arguments = [
        "reproduce", "figure5", "--scale", "small", "--datasets", "digits", "--seeds", "41", "--epochs", "1", "--quiet",
        "--rows", "coral", "--device", "cpu", "--set", "network.width=8", "--set", "network.heads=2",
        "--set", "network.head_hidden=8", "--set", "network.head_output=8", "--set", "probe.kind=knn",
        "--output", tmp_path, "--record", tmp_path / "copy",
    ]  # fmt: skip
    status, out, err = coral(*arguments)
    assert (status, err) == (0, "")
    assert "Figure 5" in out
    page = (tmp_path / "figure5" / "report.html").read_text()
    assert "coral on digits: embeddings, seed 41" in page
    assert page.count("data:image/png") == 3  # scores, training and embeddings
    assert (tmp_path / "copy" / "table.md").read_bytes() == (tmp_path / "figure5" / "table.md").read_bytes()


@pytest.mark.slow
def test_fine_tuning_stands_beside_the_run_that_it_began_with(coral, tmp_path, npz):
    arguments = [
        "reproduce", "finetune", "--scale", "small", "--datasets", "arrays", "--data", f"arrays={npz}",
        "--seeds", "41", "--epochs", "1", "--batch-size", "32", "--device", "cpu", "--set", "network.width=8",
        "--set", "network.heads=2", "--set", "network.head_hidden=8", "--set", "network.head_output=8",
        "--set", "probe.kind=knn", "--output", tmp_path, "--quiet",
    ]  # fmt: skip
    status, out, err = coral(*arguments)
    assert (status, err) == (0, "")
    rows = [line.split()[0] for line in out.splitlines() if line.startswith(("pretrained", "fine-tuned", "cross-"))]
    assert rows == ["pretrained", "fine-tuned", "cross-entropy"]
    names = sorted(path.name.rsplit("-s41", 1)[0] for path in (tmp_path / "runs").iterdir())
    assert names == ["coral-arrays", "coral-finetuned-arrays", "coral-finetuned-arrays"]


def test_rows_of_a_target_are_declared(coral):
    status, _, err = coral("reproduce", "table1", "--set", "coral:masking=none")
    assert status == 2
    assert "coral bench sets single methods" in err
