"""The head of a script's task on fixed features, and the tasks themselves."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

from coral_plugin.errors import DivergedError, InputError
from coral_plugin.multibench import head as head_module
from coral_plugin.multibench.head import LinearHead, fit_head
from coral_plugin.multibench.task import ScriptTask, output_shape, script_task


def features(count=120, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 3 + 2 * torch.randn(count, 6, generator=generator)


def only(monkeypatch, penalty):
    monkeypatch.setattr(head_module, "PENALTIES", (penalty,))


def standardised(x):
    return ((x - x.mean(0)) / x.std(0, correction=0)).double().numpy()


def test_regression_is_ridge(monkeypatch):
    only(monkeypatch, 0.1)
    x, noise = features(), features(seed=1)
    y = x @ torch.tensor([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [3.0, 1.0], [0.0, 0.0]]) + noise[:, :2]
    fitted = fit_head((x, y), (x, y), ScriptTask("regression", nn.MSELoss(), (2,)))
    # mean over N * 2 entries plus 0.05 |W|^2, against ridge's sum over entries plus alpha |W|^2
    known = Ridge(alpha=0.1 / 2 * len(x) * 2).fit(standardised(x), y.numpy())
    assert np.allclose(fitted.head(x).detach().numpy(), known.predict(standardised(x)), atol=1e-3)


def test_classification_is_logistic_regression(monkeypatch):
    only(monkeypatch, 0.01)
    x = features()
    y = (x[:, 0] + x[:, 1] > 6).long() + (x[:, 2] > 5).long()
    fitted = fit_head((x, y), (x, y), ScriptTask("classification", nn.CrossEntropyLoss(), (3,)))
    known = LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-8, max_iter=1000).fit(standardised(x), y.numpy())
    ours = fitted.head(x).softmax(1).detach().numpy()
    assert np.allclose(ours, known.predict_proba(standardised(x)), atol=2e-3)


def test_absolute_error_finds_the_median(monkeypatch):
    only(monkeypatch, 1e-3)
    y = torch.tensor([0.0, 1.0, 10.0]).repeat(40)[:, None]
    fitted = fit_head((torch.ones(120, 2), y), (torch.ones(120, 2), y), ScriptTask("regression", nn.L1Loss(), (1,)))
    assert float(fitted.head(torch.ones(1, 2)).detach()) == pytest.approx(1.0, abs=0.05)
    assert fitted.score == pytest.approx(-10 / 3, abs=0.05)


def test_the_penalty_is_chosen_on_valid_and_the_greater_of_equals_wins():
    x, y = features(30), features(30, seed=1)[:, :1]  # nothing to learn
    noise = fit_head((x, y), (features(30, 2), features(30, 3)[:, :1]), ScriptTask("regression", nn.MSELoss(), (1,)))
    assert noise.penalty == max(head_module.PENALTIES)
    signal = fit_head((x, x[:, :1]), (x, x[:, :1]), ScriptTask("regression", nn.MSELoss(), (1,)))
    assert signal.penalty == min(head_module.PENALTIES)
    classes = (x[:, 0] > 3).long()
    every = fit_head((x, classes), (x, classes), ScriptTask("classification", nn.CrossEntropyLoss(), (2,)))
    scores = []
    for penalty in head_module.PENALTIES:
        with pytest.MonkeyPatch.context() as patch:
            only(patch, penalty)
            task = ScriptTask("classification", nn.CrossEntropyLoss(), (2,))
            scores.append(fit_head((x, classes), (x, classes), task).score)
    assert every.penalty == head_module.PENALTIES[scores.index(max(scores))]


def test_two_fits_are_the_same_to_the_bit_and_say_nothing_of_the_seed():
    x, y = features(), (features()[:, 0] > 3).long()
    task = ScriptTask("classification", nn.CrossEntropyLoss(), (2,))
    torch.manual_seed(0)
    one = fit_head((x, y), (x, y), task)
    torch.manual_seed(1)
    two = fit_head((x, y), (x, y), task)
    assert torch.equal(one.head(x), two.head(x))


def test_constant_features_and_a_single_class_are_finite():
    x = torch.full((20, 3), 7.0)
    fitted = fit_head(
        (x, torch.zeros(20)), (x, torch.zeros(20)), ScriptTask("classification", nn.CrossEntropyLoss(), (2,))
    )
    assert fitted.score == 1
    assert fitted.head(x).isfinite().all()


def test_labels_that_are_not_finite_diverge():
    x, y = features(20), torch.full((20, 1), float("inf"))
    with pytest.raises(DivergedError, match="not finite for any penalty"):
        fit_head((x, y), (x, y), ScriptTask("regression", nn.MSELoss(), (1,)))


def test_outputs_take_the_shape_of_the_task():
    head = LinearHead(torch.zeros(4), torch.ones(4), (16, 2))
    assert head(torch.zeros(3, 4)).shape == (3, 16, 2)


@pytest.mark.parametrize(
    ("kind", "objective", "shape", "truth", "loss", "metric"),
    [
        ("classification", nn.CrossEntropyLoss(), (3,), torch.zeros(4, 1), nn.CrossEntropyLoss, "accuracy"),
        ("classification", print, (3,), torch.zeros(4), nn.CrossEntropyLoss, "accuracy"),
        ("multilabel", nn.BCEWithLogitsLoss(), (3,), torch.zeros(4, 3), nn.BCEWithLogitsLoss, "macro_f1"),
        ("multilabel", print, (3,), torch.zeros(4, 3).long(), nn.BCEWithLogitsLoss, "macro_f1"),
        ("regression", nn.L1Loss(), (1,), torch.zeros(4), nn.L1Loss, "loss"),
        ("regression", print, (5, 2), torch.zeros(4, 5, 2), nn.MSELoss, "loss"),
        ("regression", nn.SmoothL1Loss(), (1,), torch.zeros(4, 1), nn.MSELoss, "loss"),
    ],
)
def test_tasks_of_scripts(kind, objective, shape, truth, loss, metric):
    task = script_task(kind, objective, shape, truth)
    assert (type(task.loss), task.metric) == (loss, metric)
    assert task.loss_of(torch.zeros(4, *shape), truth).ndim == 0


def test_a_column_of_labels_is_not_compared_with_all_others():
    task = ScriptTask("regression", nn.MSELoss(), (1,))
    values = torch.tensor([0.0, 1.0, 2.0])
    assert float(task.loss_of(values[:, None], values)) == 0


def test_scores_are_multibenchs():
    outputs = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0], [1.0, 2.0]])
    truth = torch.tensor([0, 1, 1, 1])
    assert ScriptTask("classification", nn.CrossEntropyLoss(), (2,)).score(outputs, truth[:, None].float()) == 0.75
    labels, logits = torch.tensor([[1, 0], [0, 0], [1, 1]]), torch.tensor([[5.0, -5.0], [5.0, -5.0], [5.0, 5.0]])
    # F1 of the labels: 2 * 2 / (2 * 2 + 1) and 1
    assert ScriptTask("multilabel", nn.BCEWithLogitsLoss(), (2,)).score(logits, labels) == pytest.approx(0.9)
    assert ScriptTask("regression", nn.L1Loss(), (2,)).score(torch.zeros(2, 2), torch.ones(2, 2)) == -1


def test_labels_that_do_not_fit_are_told():
    with pytest.raises(InputError, match=r"BCEWithLogitsLoss does not fit outputs of shape \(B, 3\) .* \(4, 2\)"):
        script_task("multilabel", nn.BCEWithLogitsLoss(), (3,), torch.zeros(4, 2))
    with pytest.raises(InputError, match=r"CrossEntropyLoss does not fit outputs of shape \(B, 2\) .* \(4,\)"):
        script_task("classification", nn.CrossEntropyLoss(), (2,), torch.full((4,), 2))


class Tuple(nn.Module):
    def forward(self, x):
        values = x[0] if isinstance(x, list) else x
        return [values, torch.ones(len(values), dtype=torch.int64)]


class First(nn.Module):
    def forward(self, x):
        return x[0] if isinstance(x, list) else x


class Fused(nn.Module):
    def forward(self, parts):
        return torch.cat([part.flatten(1) for part in parts], 1), "more"


def test_output_shape_follows_multibenchs_model():
    values, lengths = [torch.zeros(5, 2, 3), torch.zeros(5, 2, 4)], [torch.ones(5).long()] * 2
    assert output_shape([nn.Identity()] * 2, Fused(), nn.Linear(14, 7), values, None) == (7,)
    assert output_shape([nn.Identity()] * 2, Fused(), None, values, None) == (14,)
    assert output_shape([First()] * 2, Fused(), nn.Linear(14, 7), values, lengths) == (7,)
    # encoders that return no tensors: their first items are fused, and the head gets lengths
    assert output_shape([Tuple()] * 2, Fused(), First(), values, lengths) == (14,)
