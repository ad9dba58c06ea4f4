"""The ceiling: the loss of each kind of task from its formula, the scale of targets, COrAL's shared network."""

import copy
from dataclasses import replace

import pytest
import torch

from coral_plugin.data import Modality, MultimodalBatch, Task
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step, base
from coral_plugin.objectives.coral import Coral, CoralSettings
from coral_plugin.objectives.supervised import Supervised, TargetScale

KINDS = (
    Modality(name="text", kind="sequence", shape=(6, 4)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="scan", kind="image", shape=(2, 8, 8)),
)
NETWORK = NetworkSettings(
    width=8, heads=2, head_hidden=6, head_output=5, encoders={"text": "affect_transformer(layers=1, feedforward=8)"}
)
CLASSES = Task(name="emotion.of", kind="classification", classes=("a", "b", "c"))
LABELS = Task(name="topics", kind="multilabel", classes=("x", "y"))
NUMBER = Task(name="score", kind="regression", classes=("score",))
NUMBERS = Task(name="pose", kind="regression", classes=("u", "v", "w"))
TASKS = (CLASSES, LABELS, NUMBER, NUMBERS)
SIZE = 6


def targets(size=SIZE, seed=9):
    generator = torch.Generator().manual_seed(seed)
    return {
        "emotion.of": torch.randint(3, (size,), generator=generator),
        "topics": torch.randint(2, (size, 2), generator=generator),
        "score": 100 + 7 * torch.randn(size, generator=generator),
        "pose": 0.01 * torch.randn(size, 3, generator=generator),
    }


def objective(n=2, tasks=TASKS):
    torch.manual_seed(0)
    encoders = {k: v for k, v in NETWORK.encoders.items() if k in [m.name for m in KINDS[:n]]}
    model = Supervised(KINDS[:n], replace(NETWORK, encoders=encoders), Supervised.Settings())
    model.prepare(tasks)
    return model.double()


def a_batch(n=2, seed=1, size=SIZE):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(size, *m.shape, generator=generator, dtype=torch.float64) for m in KINDS[:n]}
    lengths = torch.arange(size) % 5 + 1
    return MultimodalBatch(values, {"text": torch.arange(6)[None] >= lengths[:, None]}, targets(size))


def naive(task, logits, wanted):
    """Mean over samples and outputs, with loops."""
    n, outputs = logits.shape
    total = 0.0
    if task.kind == "classification":
        for i in range(n):
            total = total - torch.log(logits[i, wanted[i]].exp() / logits[i].exp().sum())
        return total / n
    wanted = wanted.double().reshape(n, outputs)
    for j in range(outputs):
        column = wanted[:, j]
        for i in range(n):
            if task.kind == "multilabel":
                p = 1 / (1 + torch.exp(-logits[i, j]))
                total = total - column[i] * torch.log(p) - (1 - column[i]) * torch.log(1 - p)
            else:
                deviation = ((column - column.mean()) ** 2).mean().sqrt()
                total = total + (logits[i, j] - (column[i] - column.mean()) / deviation) ** 2
    return total / (n * outputs)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_loss_of_each_task_is_the_mean_over_both_views(n):
    model = objective(n).eval()  # no dropout
    for scale, name in ((model.scales["m_score"], "score"), (model.scales["m_pose"], "pose")):
        scale.train()(targets()[name].double().reshape(SIZE, -1))
        scale.eval()
    first, second = a_batch(n), a_batch(n, 2)
    terms = model.loss(Step(first, second, 0.5))
    for task in TASKS:
        head = model.heads["m_" + task.name.replace(".", "%2E")]
        wanted = first.targets[task.name]
        expected = sum(naive(task, head(model.embed(view)["shared"]), wanted) for view in (first, second)) / 2
        assert terms[f"task/{task.name}"].item() == pytest.approx(expected.item(), rel=1e-6), task.name
    assert list(terms) == [*(f"task/{task.name}" for task in TASKS), "total"]
    assert torch.allclose(terms["total"], sum(terms[f"task/{task.name}"] for task in TASKS) / 4)


@pytest.mark.parametrize("tasks", [(task,) for task in TASKS] + [TASKS])
def test_every_parameter_is_trained(tasks):
    model = objective(3, tasks)
    model.loss(Step(a_batch(3), a_batch(3, 2), 0.0))["total"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        if not name.endswith("bias"):
            assert parameter.grad.any(), name


def test_the_network_is_that_of_corals_shared_pathway():
    coral = Coral(KINDS, NETWORK, CoralSettings())
    model = Supervised(KINDS, NETWORK, Supervised.Settings())
    model.shared.load_state_dict(coral.shared.state_dict())
    parts = model.eval().embed(a := MultimodalBatch({k: v.float() for k, v in a_batch(3).items()}))
    assert list(parts) == ["shared"]
    assert torch.equal(parts["shared"], coral.eval().embed(a)["shared"])


def test_the_scale_is_that_of_all_targets_so_far():
    scale = TargetScale(2)
    generator = torch.Generator().manual_seed(0)
    seen = 1000 + torch.randn(37, 2, dtype=torch.float64, generator=generator) * torch.tensor([3.0, 0.01]).double()
    for stop, batch in zip((5, 6, 37), (seen[:5], seen[5:6], seen[6:]), strict=True):
        so_far, out = seen[:stop], scale(batch)
        expected = (batch - so_far.mean(0)) / so_far.std(0, correction=0)
        assert torch.allclose(out, expected, atol=1e-6)
    frozen = {name: value.clone() for name, value in scale.state_dict().items()}
    assert torch.allclose(scale.eval()(seen[:3] + 1) - scale(seen[:3]), 1 / seen.std(0, correction=0).expand(3, 2))
    assert all(torch.equal(value, frozen[name]) for name, value in scale.state_dict().items())
    again = TargetScale(2).eval()
    again.load_state_dict(frozen)
    assert torch.equal(again(seen), scale(seen))


def test_a_constant_target_becomes_zero():
    assert not TargetScale(1)(torch.full((7, 1), 0.1)).any()
    assert torch.equal(TargetScale(1).eval()(torch.full((7, 1), 0.1)), torch.full((7, 1), 0.1))  # nothing seen yet


def test_a_subset_of_the_modalities():
    model, batch = objective(3).eval(), a_batch(3)
    two = model.embed(batch.select(["scan", "table"]))["shared"]
    assert two.shape == (SIZE, 8)
    assert not torch.allclose(two, model.embed(batch)["shared"])


def test_padding_and_absent_rows_do_not_matter():
    model, batch = objective(3), a_batch(3)
    rows = torch.arange(SIZE)
    batch = replace(batch, present={"table": rows != 2, "scan": (rows != 0) & (rows != 1)})
    values = {name: value.clone() for name, value in batch.items()}
    values["table"][2] = values["scan"][:2] = float("nan")
    mask = batch.padding["text"]
    filled = torch.where(mask[..., None], 50.0, values["text"])
    values["text"] = torch.cat([filled, filled[:, :2]], 1)
    padding = {"text": torch.cat([mask, torch.ones_like(mask[:, :2])], 1)}
    other = replace(batch, tensors=values, padding=padding)
    expected = model.eval().loss(Step(batch, batch, 0.0))["total"]
    assert torch.allclose(model.loss(Step(other, other, 0.0))["total"], expected, atol=1e-10)
    assert torch.allclose(model.embed(other)["shared"], model.embed(batch)["shared"], atol=1e-10)


def test_what_is_refused():
    model = Supervised(KINDS, NETWORK, Supervised.Settings())
    assert Supervised.needs_labels
    with pytest.raises(InputError, match="trains on labels, but the data have none"):
        model.prepare(())
    with pytest.raises(InputError, match="call prepare"):
        model.loss(Step(a_batch(3), a_batch(3), 0.0))
    with pytest.raises(InputError, match=r"targets of emotion.of, score, pose, but the batch"):
        objective().loss(Step(replace(a_batch(), targets={"topics": targets()["topics"]}), a_batch(), 0.0))
    with pytest.raises(InputError, match="at least one modality"):
        Supervised((), NetworkSettings(), Supervised.Settings())


def test_two_processes_have_loss_gradient_and_scales_of_one(monkeypatch):
    model, rows = objective(), torch.arange(SIZE)
    model.shared.eval()  # no dropout
    first, second = a_batch(), a_batch(seed=2)
    alone = copy.deepcopy(model)
    whole = alone.loss(Step(first, second, 0.0))
    one, two = ([part_of(batch, rows[half]) for batch in (first, second)] for half in (slice(0, 2), slice(2, SIZE)))
    sent = []
    monkeypatch.setattr(base, "gather", lambda x: (sent.append(x), x)[1])
    scales, model.scales = model.scales, copy.deepcopy(model.scales)
    model.loss(Step(*two, 0.0))
    model.scales = scales
    monkeypatch.setattr(base, "gather", lambda x: torch.cat([x, sent.pop(0)]))
    got = model.loss(Step(*one, 0.0))
    assert all(torch.allclose(got[name], value, atol=1e-12) for name, value in whole.items())
    gradients = [
        torch.autograd.grad(terms["total"], list(of.parameters())) for terms, of in ((whole, alone), (got, model))
    ]
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*gradients, strict=True))
    assert all(torch.allclose(a, b) for a, b in zip(model.buffers(), alone.buffers(), strict=True))


def part_of(batch, rows):
    """The samples at ``rows``, as another process holds them."""
    keys = ("tensors", "padding", "present", "targets")
    return replace(batch, **{key: {k: v[rows] for k, v in getattr(batch, key).items()} for key in keys})
