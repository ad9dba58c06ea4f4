"""COrAL inside MultiBench's own loop."""

import copy

import pytest
import torch
from torch import nn

from coral_plugin.errors import InputError
from coral_plugin.losses import cosine_embedding, nt_xent
from coral_plugin.multibench import coral_objective
from coral_plugin.multibench.masking import masked
from coral_plugin.multibench.outputs import Output
from coral_plugin.networks import NetworkSettings
from coral_plugin.training.randomness import generator

SMALL = NetworkSettings(width=16, heads=2, head_hidden=16, head_output=8)


def series(bench, packed, **options):
    """Encoders, fusion, head of a late fusion of packed series, and the objective made of them."""
    torch.manual_seed(0)
    encoders = [bench.model("GRU", d, 9, has_padding=True) for d in (4, 3, 6)]
    fusion, head = bench.fusion("Concat"), bench.model("MLP", 27, 8, 1)
    values = {"epochs": 3, "criterion": nn.L1Loss(), "is_packed": True, "network": SMALL, **options}
    return encoders, fusion, head, coral_objective(encoders, fusion, packed[0], **values)


def tables(bench, loaders, **options):
    torch.manual_seed(0)
    encoders = [bench.model("MLP", 4, 8, 6), bench.model("MLP", 3, 8, 6)]
    fusion, head = bench.fusion("Concat"), bench.model("MLP", 12, 8, 2)
    values = {"epochs": 2, "criterion": nn.CrossEntropyLoss(), "network": SMALL, **options}
    return encoders, fusion, head, coral_objective(encoders, fusion, loaders[0], **values)


def called(bench, modules, loader, packed, training=True):
    """The objective on the first batch, as the loop calls it; the loss, the model and the arguments."""
    encoders, fusion, head, objective = modules
    model = bench.training.MMDL(encoders, fusion, head, has_padding=packed)
    batch = next(iter(loader))
    out = model([[x.float() for x in batch[0]], batch[1]] if packed else [x.float() for x in batch[:-1]])
    args = {"reps": model.reps, "fused": model.fuseout, "inputs": batch[:-1], "training": training, "model": model}
    return objective(out, batch[-1], args), model, {**args, "truth": batch[-1]}


def test_packed_in_the_loop(bench, packed, tmp_path):
    encoders, fusion, head, objective = series(bench, packed)
    before = {name: p.clone() for name, p in objective.named_parameters()}
    args = {}
    bench.training.train(
        encoders,
        fusion,
        head,
        *packed,
        3,
        [objective],
        is_packed=True,
        task="regression",
        objective=objective,
        objective_args_dict=args,
        optimtype=torch.optim.AdamW,
        save="loop.pt",
        track_complexity=False,
    )
    assert objective.progress == 1
    assert set(objective.terms) == {"supervised", "shared", "unique", "orthogonality", "total"}
    assert all(not torch.equal(p, before[name]) for name, p in objective.named_parameters())
    assert isinstance(args["model"], bench.training.MMDL)
    model = torch.load("loop.pt")
    assert bench.training.single_test(model, packed[1], True, nn.L1Loss(), "posneg-classification")["Accuracy"] > 0.5
    values, lengths = next(iter(packed[1]))[:2]
    parts = objective.represent(model, (values, lengths))
    assert {name: part.shape[1] for name, part in parts.items()} == {
        "shared": 27,
        **{f"unique/series_{i}": 8 for i in (1, 2, 3)},
    }


@pytest.mark.parametrize("shapes", [((5,), (6, 4), (1, 16, 16))])
def test_positional_in_the_loop(bench, positional, shapes):
    loaders = positional(*shapes)
    encoders = [bench.model("MLP", 5, 8, 7), bench.model("GRU", 4, 9, flatten=True), bench.model("LeNet", 1, 4, 3)]
    fusion, head = bench.fusion("Concat"), bench.model("MLP", 7 + 54 + 32, 8, 2)
    objective = coral_objective(encoders, fusion, loaders[0], epochs=2, criterion=nn.CrossEntropyLoss(), network=SMALL)
    bench.training.train(
        encoders, fusion, head, *loaders, 2, [objective], objective=objective, objective_args_dict={}, save="loop.pt"
    )
    assert objective.progress == 1


def test_the_loss_is_the_criterion_and_the_terms_by_their_definition(opened, positional):
    loaders = positional((4,), (3,))
    modules = tables(opened, loaders, weight=0.5, masking="none", augmentations="none")
    loss, _, args = called(opened, modules, loaders[0], packed=False)
    objective = modules[3]
    x = [value.float() for value in args["inputs"]]
    objective.train()  # views are the samples themselves, nothing is masked: both views are the same
    shared = objective.shared_head(torch.cat([e(v) for e, v in zip(modules[0], x, strict=True)], 1))
    unique = []
    for name, value in zip(objective.names, x, strict=True):
        tokens, _ = objective.unique_encoders[f"m_{name}"](value)
        unique.append(objective.unique_heads[f"m_{name}"](objective.unique[f"m_{name}"](tokens)))
    contrast = [nt_xent(part, part, temperature=0.1) for part in (shared, *unique)]
    apart = 2 * sum(
        cosine_embedding(a, b) for a, b in ((shared, unique[0]), (shared, unique[1]), (unique[0], unique[1]))
    )
    total = sum(contrast) + apart
    assert objective.terms["total"] == pytest.approx(float(total), rel=1e-4)
    assert float(loss) == pytest.approx(objective.terms["supervised"] + 0.5 * float(total), rel=1e-4)


def test_gradients_reach_the_model_and_the_objective(opened, packed):
    modules = series(opened, packed, criterion=None)
    loss, model, _ = called(opened, modules, packed[0], packed=True)
    loss.backward()
    assert loss.ndim == 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for e in model.encoders for p in e.parameters())
    missing = [name for name, p in modules[3].named_parameters() if p.grad is None]
    assert not missing


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_terms_leave_the_scripts_random_stream_as_it_was(opened, positional, weight):
    loaders = positional((4,), (3,))
    encoders = [opened.model("MLP", size, 8, 6, dropout=True) for size in (4, 3)]
    fusion, head = opened.fusion("Concat"), opened.model("MLP", 12, 8, 2)
    criterion = nn.CrossEntropyLoss()
    objective = coral_objective(
        encoders, fusion, loaders[0], epochs=1, criterion=criterion, network=SMALL, weight=weight
    )
    model = opened.training.MMDL(encoders, fusion, head).train()
    batch = next(iter(loaders[0]))
    torch.manual_seed(5)
    out = model([x.float() for x in batch[:-1]])
    before = torch.get_rng_state()
    objective(out, batch[-1], {"inputs": batch[:-1], "training": True, "model": model})
    assert torch.equal(torch.get_rng_state(), before)


def test_the_model_keeps_what_it_made_of_the_inputs_and_its_statistics(opened, positional):
    loaders = positional((1, 16, 16), (3,))
    encoders = [opened.model("LeNet", 1, 4, 2), opened.model("MLP", 3, 8, 6)]
    fusion, head = opened.fusion("Concat"), opened.model("MLP", 16 * 4 + 6, 8, 2)
    objective = coral_objective(encoders, fusion, loaders[0], epochs=2, network=SMALL)
    model = opened.training.MMDL(encoders, fusion, head)
    batch = next(iter(loaders[0]))
    out = model([x.float() for x in batch[:-1]])
    reps, fused, state = list(model.reps), model.fuseout, copy.deepcopy(model.state_dict())
    objective(out, batch[-1], {"inputs": batch[:-1], "training": True, "model": model})
    assert all(a is b for a, b in zip(model.reps, reps, strict=True))
    assert model.fuseout is fused
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert all(m.momentum == 0.1 for m in model.modules() if isinstance(m, nn.BatchNorm2d))


def test_validation_is_the_criterion_alone(opened, packed):
    modules = series(opened, packed)
    with torch.no_grad():
        loss, _, args = called(opened, modules, packed[1], packed=True, training=False)
        assert torch.equal(loss, nn.L1Loss()(modules[2](args["fused"]), args["truth"]))
    assert not modules[3].training
    assert int(modules[3].step) == 0


def test_validation_without_a_criterion_draws_the_same_views_in_every_epoch(opened, packed, monkeypatch):
    encoders, fusion, head, objective = series(opened, packed, criterion=None)
    streams = []
    monkeypatch.setattr(
        "coral_plugin.multibench.objective.generator",
        lambda seed, stream, step, device: (streams.append((stream, step)), generator(seed, stream, step, device))[1],
    )
    model, batch = opened.training.MMDL(encoders, fusion, head, has_padding=True), next(iter(packed[1]))
    out = model([batch[0], batch[1]])
    values = []
    for training in (True, False, False, True, False):
        with torch.set_grad_enabled(training):
            args = {"inputs": batch[:-1], "training": training, "model": model}
            values.append(float(objective(out, batch[-1], args)))
    assert streams == [("loop", 0), ("loop-valid", 0), ("loop-valid", 1), ("loop", 1), ("loop-valid", 0)]
    assert values[1] != values[2]


def test_validation_before_any_training_and_single_samples_are_the_criterion(opened, positional):
    loaders = positional((4,), (3,))
    modules = tables(opened, loaders)
    pred, truth = torch.randn(5, 2), torch.arange(5) % 2
    args = {"inputs": [torch.randn(5, 4), torch.randn(5, 3)], "training": False}
    expected = nn.CrossEntropyLoss()(pred, truth)
    assert torch.equal(modules[3](pred, truth, args), expected)
    single = {"inputs": [torch.randn(1, 4), torch.randn(1, 3)], "training": True, "model": None}
    assert torch.equal(modules[3](pred[:1], truth[:1], single), nn.CrossEntropyLoss()(pred[:1], truth[:1]))


def test_making_it_leaves_the_random_state_and_the_encoders_alone(opened, packed):
    encoders = [opened.model("GRU", d, 9, has_padding=True) for d in (4, 3, 6)]
    before = [copy.deepcopy(e.state_dict()) for e in encoders]
    state = torch.get_rng_state()
    one, two = (
        coral_objective(encoders, opened.fusion("Concat"), packed[0], epochs=1, is_packed=True, network=SMALL)
        for _ in range(2)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a[k], e.state_dict()[k]) for a, e in zip(before, encoders, strict=True) for k in a)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    own = one.unique_encoders["m_series_1"].encoder.module
    assert own is not encoders[0]
    assert torch.equal(own.gru.weight_hh_l0, encoders[0].gru.weight_hh_l0)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"epochs": 0}, r"epochs must be at least 1"),
        ({"weight": float("nan")}, r"weight must be a number from 0 on, got nan"),
        ({"masking": "sometimes"}, r"method\.masking"),
        ({"tempreature": 0.2}, r"Did you mean 'temperature'\?"),
        ({"positives": "class"}, r"has its labels in the criterion"),
        ({"alignment_weight": 1.0}, r"alignment_weight must be 0 there"),
        ({"is_packed": True}, r"is_packed=True, but"),
        ({"kinds": {"table_9": "image"}}, r"table_9"),
    ],
)
def test_mistakes(opened, positional, change, said):
    with pytest.raises(InputError, match=said):
        tables(opened, positional((4,), (3,)), **change)


def test_mistakes_in_the_loop(opened, positional):
    loaders = positional((4,), (3,))
    objective = tables(opened, loaders)[3]
    with pytest.raises(InputError, match=r"call train\(\.\.\., objective_args_dict=\{\}\)"):
        objective(torch.zeros(4, 2), torch.zeros(4), None)
    with pytest.raises(InputError, match="at least two modalities, got 1"):
        coral_objective([nn.Linear(4, 3)], nn.Identity(), loaders[0], epochs=1)
    with pytest.raises(InputError, match="has no batches"):
        coral_objective([nn.Linear(4, 3)] * 2, nn.Identity(), [], epochs=1)
    with pytest.raises(InputError, match="how many batches"):
        tables(opened, [iter(list(loaders[0]))])


@pytest.mark.parametrize(
    ("returned", "output", "tokens"),
    [
        (torch.ones(6, 50), Output(item=None, batch=0, steps=None, shape=(50,)), (6, 50)),
        (torch.ones(6, 50, 3), Output(item=None, batch=0, steps=1, shape=(50, 3)), (6, 50)),
        (torch.ones(50, 6, 3), Output(item=None, batch=1, steps=0, shape=(50, 3)), (50, 6)),
        (torch.ones(6, 3, 50), Output(item=None, batch=0, steps=2, shape=(50, 3)), (6, 50)),
        (torch.ones(6, 50, 3), Output(item=None, batch=0, steps=None, shape=(50, 3)), (6, 50)),
        (torch.ones(6, 50, 1), Output(item=None, batch=0, steps=None, shape=(50,)), (6, 50)),
        (torch.ones(6, 3, 7, 8), Output(item=None, batch=0, steps=None, shape=(3, 7, 8)), (6, 7, 8)),
        ((torch.ones(6, 50), "kept"), Output(item=None, batch=0, steps=None, shape=(50,)), (6, 50)),
        ([torch.ones(6, 50, 3), torch.full((6,), 50)], Output(item=None, batch=0, steps=1, shape=(50, 3)), (6, 50)),
    ],
)
def test_tokens_are_masked_whole_and_independently(returned, output, tokens):
    out = masked(returned, output, 0.4, torch.Generator().manual_seed(0))
    assert type(out) is type(returned)
    tensor = out if isinstance(out, torch.Tensor) else out[0]
    if not isinstance(out, torch.Tensor):
        assert out[1] is returned[1]
    features = [axis for axis in range(tensor.ndim) if tensor.shape[axis] == 3]
    whole = tensor.amax(features) if features else tensor
    assert torch.equal(whole, tensor.amin(features) if features else tensor)  # a token is there or not
    assert 0.5 < float(whole.mean()) < 0.7
    assert whole.reshape(tokens).shape == tokens
    assert len(whole.flatten(1).unique(dim=0)) > 1


def test_nothing_is_masked_of_what_is_the_same_for_all():
    constant = torch.ones(5)
    assert masked(constant, Output(item=None, batch=None, steps=None, shape=(5,)), 1.0) is constant
