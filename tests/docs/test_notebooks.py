"""The notebooks run from top to bottom on fewer samples and epochs, and write what is stored, but for the numbers."""

import re
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
FEWER = {
    "own_data": {"samples = 400": "samples = 80", "epochs=6": "epochs=1"},
    "compare": {
        "epochs=4": "epochs=1",
        "quiet=True": "quiet=True, probe__kind='ridge'",
        "--levels 0,0.5,1": "--levels 0,1 --probe ridge",
    },
}
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:::(jupyter_client|zmq|traitlets|nbclient|ipykernel)")
@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    for written, small in FEWER[name].items():
        (cell,) = (cell for cell in notebook.cells if written in cell.source)
        cell.source = cell.source.replace(written, small)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for cell, stored in zip(notebook.cells, _stored(name), strict=True):
        assert _words(cell) == _words(stored), cell.source
        assert len(_pictures(cell)) == len(_pictures(stored)), cell.source


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_is_small_and_was_run_in_order(name):
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 200_000
    code = [cell for cell in _stored(name) if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    for cell in code:
        assert "error" not in [output.output_type for output in cell.outputs], cell.source


def _stored(name):
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells


def _words(cell):
    """The words that a cell has written, one after the other; its numbers are those of fewer samples."""
    outputs = [output for output in cell.get("outputs", []) if not _pictures({"outputs": [output]})]
    texts = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs]
    # the quicker probe that FEWER takes
    text = " ".join(texts).replace("evaluation-ridge", "evaluation-linear").replace(", ridge probe", "")
    return re.findall(r"[^\W\d_]+", text)


def _pictures(cell):
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
