"""The pages of the data sets: each has a row and a page, and every command reads files of the layout shown."""

import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from coral_plugin.cli.main import main
from coral_plugin.cli.train import parse_run
from coral_plugin.registry import DATASETS

from ..adapters import formats
from ..adapters.formats.everything import write_all

PAGES = {
    path.stem: path.read_text().replace("\\\n", " ")
    for path in (Path(__file__).parents[2] / "docs" / "datasets").glob("*.md")
}
COMMANDS = [
    (page, command)
    for page, text in PAGES.items()
    for command in re.findall(r"^coral (data check \S+|train .*)", text, re.M)
]
PLUS = ("BRCA", "meld", "trento", "tw15")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with small files of every format, under the names of the pages."""
    pytest.importorskip("h5py")
    pytest.importorskip("PIL")
    folder = tmp_path_factory.mktemp("files")
    write_all(folder)
    formats.stocks(folder / "stocks", days=900)
    shutil.copy(folder / "mosi_raw.pkl", folder / "mosei_raw.pkl")
    for name in PLUS:
        formats.plus(name, folder / name, count=200 if name == "trento" else 60)
    return folder


def test_every_data_set_has_a_row_with_its_licence_and_a_page():
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\((\S+)\)(?=.*\|)", PAGES["index"], re.M))
    ours = {name for name in DATASETS.names() if DATASETS.get(name).__module__.startswith("coral_plugin.")}
    assert set(rows) == ours
    for name, target in rows.items():
        (row,) = re.findall(rf"^\| \[`{name}`\].*", PAGES["index"], re.M)
        assert row.rstrip(" |").endswith(DATASETS.get(name).licence), row
        page = PAGES.get(target.partition(".md")[0], "")
        assert name in ("arrays", "dataloaders") or DATASETS.get(name).licence in " ".join(page.split()), name


def test_every_setting_that_is_named_exists():
    for page, text in PAGES.items():
        known = {
            field
            for name in re.findall(r"--dataset ([a-z]+)", text)
            for field in DATASETS.get(name).Settings.__dataclass_fields__
        }
        if page != "index":
            assert set(re.findall(r"source\.(\w+)", text)) <= known, page


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_commands_read_the_layout(page, command, files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    arguments = shlex.split(command)
    if arguments[0] == "data":
        if arguments[2] == "PATH":
            return
        assert main(arguments) == 0
        assert "it cannot be trained on" not in capsys.readouterr().out
        return
    settings, _ = parse_run(arguments[1:])
    if settings.data == "wearables.npz":
        pytest.skip("its samples are not part of the repository")
    data = DATASETS.get(settings.dataset).load(settings.data, settings.source)
    assert min(len(split) for split in data.splits().values()) > 0
    assert data.select(settings.modalities or tuple(m.name for m in data.modalities)).tasks


def test_the_loaders_of_the_index():
    (code,) = re.findall(r"```python\n(.*?)```", PAGES["index"], re.DOTALL)
    code = code.replace(
        'epochs=100, output="runs/mine"', "epochs=1, network__width=8, training__device='cpu', quiet=True"
    )
    assert "network__width" in code
    values = torch.Generator().manual_seed(0)
    labels = torch.arange(24) % 2
    samples = [
        (labels[i] + torch.randn(4, generator=values), torch.randn(6, 3, generator=values), labels[i])
        for i in range(24)
    ]
    loaders = {
        f"{split}_loader": torch.utils.data.DataLoader(samples, batch_size=8) for split in ("train", "valid", "test")
    }
    exec(code, loaders)
    assert loaders["fitted"].metrics["tasks"]["label"]["metric"] == "balanced_accuracy"
