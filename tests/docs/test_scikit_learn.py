"""The page on scikit-learn: its code runs from top to bottom, and prints what its comments say."""

import re
import warnings
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "scikit_learn.md").read_text()


def test_its_code_runs(capsys):
    names = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # decisions on how samples are read
        exec("\n".join(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)), names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[1:3] == ["{'shared': 16, 'unique/acc': 8, 'unique/ecg': 8}", "['shared_0' 'shared_1']"]
    assert float(printed[0]) > 0.7
    assert names["z"].shape == (120, 32)
    assert not names["z"][:, 24:].any()
    assert not hasattr(names["fresh"], "objective_")
