"""The code of the site's home page runs as it stands."""

import re
from pathlib import Path

import numpy as np

HOME = (Path(__file__).parents[2] / "docs" / "index.md").read_text()
(CODE,) = re.findall(r"```python\n(.*?)```", HOME, re.DOTALL)


def test_the_code_for_data_of_your_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0)
    classes = np.arange(60) % 3
    names = {"y": np.array(["walk", "run", "sit"])[classes]}
    for name, channels in (("acc", 3), ("ecg", 1)):
        names[name] = values.normal(size=(60, 8, channels)) + classes[:, None, None]
    names |= {f"{name}_test": series[:30] for name, series in names.items()}
    small = CODE.replace("epochs=20", "epochs=1, network__width=16, training__device='cpu', training__batch_size=16")
    assert small != CODE
    exec(small, names)
    assert 0 < float(capsys.readouterr().out) <= 1
    assert names["z"].shape == (30, 32)
