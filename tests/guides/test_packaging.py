"""The ``pyproject.toml`` of every guide builds a wheel with the modules in it, whatever else lies beside them."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
BUILD = "from setuptools.build_meta import build_wheel; build_wheel('dist')"


@pytest.mark.parametrize("guide", sorted(path.stem for path in GUIDES.glob("*.md") if "```toml" in path.read_text()))
def test_wheel(guide, tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", (GUIDES / f"{guide}.md").read_text(), re.DOTALL)
    project = tomllib.loads(text)
    assert project["build-system"]["build-backend"] == "setuptools.build_meta"
    modules = {*project["tool"]["setuptools"]["py-modules"], "another"}
    (tmp_path / "pyproject.toml").write_text(re.sub(r"(py-modules = \[.*)\]", r'\1, "another"]', text))
    for name in (*modules, "test_it", "conftest", "runs/seed-1/config", "data/notes"):
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    (tmp_path / "dist").mkdir()
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        (points,) = (content.read(name).decode() for name in names if name.endswith("entry_points.txt"))
    assert {name for name in names if ".dist-info/" not in name} == {f"{module}.py" for module in modules}
    (group,) = project["project"]["entry-points"]
    assert f"[{group}]" in points
    targets = {target.partition(":")[0] for target in project["project"]["entry-points"][group].values()}
    assert targets <= modules
