"""Three training steps from formulas, against numbers of the authors' own classes (benchmarks/twins.py wrote them)."""

import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from twins_names import pair_names
from twins_ours import STEPS, Ours, gradient_norm, numbers, weighted_sum
from twins_rows import FULL, GOLDEN, ROWS, TINY
from twins_table import page

RECORD = Path(__file__).parents[2] / "results" / "twins"
AUTHORS = json.loads((RECORD / "golden.json").read_text())


@pytest.mark.parametrize("name", list(GOLDEN))
def test_our_steps_have_the_authors_numbers(name):
    """Loss terms and gradients of three steps, and the embedding behind them."""
    ours, theirs = Ours(GOLDEN[name].method, GOLDEN[name].shape), AUTHORS[name]
    for step in range(STEPS):
        terms = {term: float(value) for term, value in ours.backward(step).items()}
        assert terms == pytest.approx(theirs["steps"][step]["terms"], rel=1e-9, abs=1e-10)
        norm = gradient_norm({n: p.grad for n, p in ours.objective.named_parameters()})
        assert norm == pytest.approx(theirs["steps"][step]["gradient_norm"], rel=1e-9)
        ours.update()
    embedding = ours.embedding()
    assert float(embedding.norm()) == pytest.approx(theirs["embedding_norm"], rel=1e-8)
    assert weighted_sum(embedding) == pytest.approx(theirs["embedding_weighted_sum"], rel=1e-8, abs=1e-8)


def test_every_method_of_the_papers_has_numbers():
    assert set(AUTHORS) == set(GOLDEN)
    assert {row.method for row in GOLDEN.values()} == {
        "coral", "comm", "infmasking", "factorcl", "clip", "cross_self", "cmc", "supervised"
    }  # fmt: skip


def test_names_of_rows_are_one_each():
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


def test_the_numbers_are_those_of_the_record():
    """Another formula would be another comparison."""
    expected = torch.tensor([-0.7499010116, 0.7474713088, -0.1868161894], dtype=torch.float64)
    assert torch.allclose(numbers((3,), "a"), expected, atol=1e-9)
    many = numbers((200, 500), "b")
    assert many.mean().abs() < 0.01
    assert many.std().item() == pytest.approx(3**-0.5, abs=0.01)
    assert torch.linalg.matrix_rank(many) == 200  # no pattern of rows


def test_a_parameter_without_a_pair_is_refused():
    ours = Ours("clip", "tiny")
    with pytest.raises(KeyError, match="new"):
        pair_names("clip", ours.shape.modalities, ["new"])


def test_the_record_has_all_rows_and_all_agree():
    measured = json.loads((RECORD / "twins.json").read_text())
    assert set(measured["rows"]) == {row.name for row in ROWS}
    for row in (*TINY, *FULL):
        differences = measured["rows"][row.name]["differences"]
        assert differences["loss"] < 1e-10, row.name
        assert max(differences["gradient"], differences["parameter"]) < 1e-9, row.name
        assert differences["embedding"] < 1e-8, row.name  # sums over up to 9,216 parameters
    assert (RECORD / "README.md").read_text() == page(measured)
