"""The first hour: its code runs from top to bottom on fewer samples, then its commands on what the code has written."""

import re
import shlex
from pathlib import Path

import pytest

from coral_plugin.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "first_hour.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
ONE_LINE = PAGE.replace("\\\n", " ")
COMMANDS = [shlex.split(command) for command in re.findall(r"^coral ([a-z]+ [^ ].*)", ONE_LINE, re.MULTILINE)]
SMALL = {"samples = 600": "samples = 120", "epochs=10": "epochs=1, training__device='cpu'"}
FEWER = {"--epochs": "1", "--seeds": "41"}


@pytest.mark.slow
def test_it(tmp_path, monkeypatch, capsys):
    pytest.importorskip("pandas")
    monkeypatch.chdir(tmp_path)
    text = "\n".join(BLOCKS)
    for written, small in SMALL.items():
        assert written in PAGE
        text = text.replace(written, small)
    names = {}
    exec(text, names)
    out, err = capsys.readouterr()
    assert "balanced_accuracy: 0." in out
    # what the page shows is what is printed, but for sizes and scores
    for line in ("arrays: left: table, 4 features, float32", "arrays: labels are text: 2 classes, both feet, one foot"):
        assert line in PAGE
        assert line in err
    (model,) = re.findall(r"^Model\(.*", PAGE, re.MULTILINE)
    assert model in out
    assert names["z"].shape == (120, 64)
    assert not names["alone"][:, 48:].any()

    assert [command[0] for command in COMMANDS] == ["data", "evaluate", "evaluate", "bench"]
    for command in COMMANDS:
        small = [FEWER.get(before, part) for before, part in zip(["", *command], command, strict=False)]
        extra = ["--device", "cpu", "--workers", "1"] if command[0] == "bench" else []
        assert main([*small, *extra]) == 0, capsys.readouterr().err
    assert "concat_raw (raw features)" in capsys.readouterr().out
    assert Path("runs/bench/report.html").stat().st_size > 10_000
