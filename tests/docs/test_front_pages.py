"""The Python of README and of the site's home page runs as it stands, on small arrays."""

import re
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SMALL = "epochs=1, network__width=16, training__device='cpu', training__batch_size=16, probe__kind='ridge'"


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_its_code_trains_and_embeds(page, tmp_path, monkeypatch, capsys):
    code = "\n".join(re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL))
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0)
    classes = np.arange(60) % 3
    names = {"y": np.array(["walk", "run", "sit"])[classes]}
    for name, channels in (("acc", 3), ("ecg", 1)):
        names[name] = values.normal(size=(60, 8, channels)) + classes[:, None, None]
    names |= {f"{name}_test": series[:30] for name, series in names.items()}
    assert code.count("epochs=20") == 1
    exec(code.replace("epochs=20", SMALL), names)
    printed = capsys.readouterr().out.splitlines()
    assert 0 < float(printed[0]) <= 1
    assert any("chance" in line for line in printed) == ("print(fitted)" in code)
    assert names["z"].shape == (30, 32)
    if "model.save" in code:
        assert list(names["model"].parts) == ["shared", "unique/acc", "unique/ecg"]
        assert (tmp_path / "models" / "mine" / "model.safetensors").is_file()
