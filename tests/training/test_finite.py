"""The cause of a number that is not finite: weights, input, view, embedding, gradient."""

import pytest
import torch

from coral_plugin.data import Modality, ModalityColumn, Split
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.training.finite import find_cause, nonfinite_terms
from coral_plugin.training.step import TrainingStep

MODALITIES = tuple(Modality(name=name, kind="tabular", shape=(3,)) for name in ("a", "b"))


@pytest.fixture
def objective():
    torch.manual_seed(0)
    return Coral(MODALITIES, NetworkSettings(width=8, heads=2, head_hidden=8, head_output=8), CoralSettings())


def prepared(objective, values=None, augmenter=lambda batch, _: batch):
    columns = {m.name: torch.ones(6, 3) for m in MODALITIES}
    columns.update(values or {})
    split = Split({name: ModalityColumn(each) for name, each in columns.items()}, {})
    batch = split.batch(torch.tensor([5, 1, 3]))
    return batch, TrainingStep(objective, augmenter, 0, 1).prepare(batch, 0)


def test_the_input_of_a_modality(objective):
    values = torch.ones(6, 3)
    values[3, 1] = float("inf")
    assert find_cause(objective, *prepared(objective, {"b": values})) == (0, "modality b: its input, samples [3]")


def test_a_view(objective):
    def augmenter(batch, _):
        return batch.with_values({**batch.tensors, "a": batch["a"] / 0 * 0})

    found = find_cause(objective, *prepared(objective, augmenter=augmenter))
    assert found == (0, "modality a: its view, samples [5, 1, 3]")


def test_weights(objective):
    with torch.no_grad():
        objective.shared_head[0].weight[0, 0] = float("nan")
    sure, cause = find_cause(objective, *prepared(objective))
    assert (sure, cause) == (1, "weights: shared_head.0.weight; samples [5, 1, 3]")


def test_the_embedding_of_one_modality(objective):
    huge = torch.ones(6, 3)
    huge[1] = 3e38  # finite, and its products are not
    assert find_cause(objective, *prepared(objective, {"b": huge})) == (2, "modality b: its embedding, samples [1]")


def test_the_gradient_of_one_modality(objective):
    batch, step = prepared(objective)
    for name, parameter in objective.named_parameters():
        parameter.grad = torch.full_like(parameter, float("nan") if "unique_encoders.m_b" in name else 0.0)
    sure, cause = find_cause(objective, batch, step)
    assert sure == 3
    assert cause.startswith("modality b; gradients: unique_encoders.m_b.")


def test_names_of_the_terms():
    assert nonfinite_terms(["x", "total"], torch.tensor([1.0, 2.0])) == ("gradient", "")
    assert nonfinite_terms(["x", "total"], torch.tensor([float("inf"), 2.0])) == ("loss", "terms: x; ")
