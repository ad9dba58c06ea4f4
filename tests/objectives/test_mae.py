"""The masked autoencoder: what is hidden, the error from its definition, and what has no part in it."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step, base
from coral_plugin.objectives.mae import Mae, MaeSettings

KINDS = (
    Modality(name="text", kind="sequence", shape=(6, 4), mean=(0.5,) * 4, std=(2.0,) * 4),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="scan", kind="image", shape=(2, 12, 12)),
    Modality(name="force", kind="timeseries", shape=(20, 3)),
    Modality(name="words.raw", kind="sequence", shape=(18, 2)),
)
ENCODERS = {"text": "affect_transformer(layers=1, feedforward=8, dropout=0.0)"}
SIZE = 6


def objective(names=("text", "table"), **settings):
    torch.manual_seed(0)
    encoders = {name: ENCODERS[name] for name in names if name in ENCODERS}
    network = NetworkSettings(width=16, heads=2, encoders=encoders)
    return Mae(tuple(m for m in KINDS if m.name in names), network, MaeSettings(**settings)).double()


def a_batch(names=("text", "table"), seed=1, size=SIZE):
    generator = torch.Generator().manual_seed(seed)
    modalities = [m for m in KINDS if m.name in names]
    values = {m.name: torch.rand(size, *m.shape, generator=generator, dtype=torch.float64) for m in modalities}
    lengths = torch.arange(size) % 6 + 1
    padding = {m.name: torch.arange(m.shape[0])[None] >= lengths[:, None] for m in modalities if m.kind == "sequence"}
    return MultimodalBatch(values, padding)


def loss(model, batch, seed=3, raw=None):
    return model.loss(Step(batch, batch, 0.0, torch.Generator().manual_seed(seed), raw=raw))


ALL = tuple(m.name for m in KINDS)


@pytest.mark.parametrize("names", [("table",), ("text", "table"), ("text", "table", "scan"), ALL])
def test_every_parameter_is_trained(names):
    model = objective(names)
    terms = loss(model, a_batch(names))
    assert list(terms) == [*(f"reconstruction/{name}" for name in names), "total"]
    assert torch.allclose(terms["total"], torch.stack(list(terms.values())[:-1]).mean())
    terms["total"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        if not name.endswith("bias"):
            assert parameter.grad.any(), name


def test_which_encoders_keep_their_grid():
    model = objective(ALL)
    assert {key: patches.aligned for key, patches in model.patches.items()} == {
        "m_text": True, "m_table": False, "m_scan": True, "m_force": True, "m_words%2Eraw": True,
    }  # fmt: skip
    assert set(model.mask_tokens) == set(model.patches) - {"m_table"}


@pytest.mark.parametrize(("ratio", "counts"), [(0.75, [1, 1, 2, 3, 3, 4]), (0.01, [1] * 6), (1.0, [1, 2, 3, 4, 5, 6])])
def test_a_share_of_the_patches_that_are_there_is_hidden_but_at_least_one(ratio, counts):
    model = objective(mask_ratio=ratio)
    there = torch.arange(6)[None] < torch.arange(1, 7)[:, None]
    hidden = model._draw(there, torch.Generator().manual_seed(0))
    assert hidden.sum(1).tolist() == counts
    assert not (hidden & ~there).any()
    assert not model._draw(torch.zeros(2, 6, dtype=torch.bool), None).any()


def test_every_patch_is_hidden_equally_often():
    hidden = objective()._draw(torch.ones(4000, 8, dtype=torch.bool), torch.Generator().manual_seed(0))
    assert hidden.sum(1).unique().tolist() == [6]
    assert torch.allclose(hidden.double().mean(0), torch.full((8,), 0.75).double(), atol=0.03)  # deviation 0.007


def seen(model, batch, monkeypatch, seed=3):
    """What the draw hides, what the encoders see, what is fused and what is reconstructed in one loss."""
    found = {"hidden": []}
    draw, tokenise, reconstruct = model._draw, model.shared.tokenise, model._reconstruct
    fuse = model.shared.fusion.all_tokens

    def keep(key, function):
        def wrapped(*arguments):
            result = function(*arguments)
            if key == "hidden":
                found[key].append(result)
            else:
                found[key] = (arguments, result)
            return result

        return wrapped

    monkeypatch.setattr(model, "_draw", keep("hidden", draw))
    monkeypatch.setattr(model.shared, "tokenise", keep("encoded", tokenise))
    monkeypatch.setattr(model, "_reconstruct", keep("reconstructed", reconstruct))
    monkeypatch.setattr(model.shared.fusion, "all_tokens", keep("fused", fuse))
    return loss(model, batch, seed), found


@pytest.mark.parametrize("normalise", [True, False])
def test_the_error_is_that_of_hidden_values_alone(monkeypatch, normalise):
    names = ("text", "table", "scan")
    model, batch = objective(names, normalise_patches=normalise), a_batch(names)
    terms, found = seen(model, batch, monkeypatch)
    hidden = dict(zip(names, found["hidden"], strict=True))
    read = found["reconstructed"][1]
    errors = {name: [] for name in names}
    for i in range(SIZE):
        for t in range(6):
            if hidden["text"][i, t]:
                assert not batch.padding["text"][i, t]
                errors["text"].append((read["text"][i, t] - (batch["text"][i, t] - 0.5) / 2) ** 2)
        for j in range(5):
            if hidden["table"][i, j]:
                errors["table"].append((read["table"][i, j] - batch["table"][i, j]) ** 2)
        for p in range(hidden["scan"].shape[1]):
            if hidden["scan"][i, p]:
                row, column = divmod(p, 3)
                patch = batch["scan"][i, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten()
                if normalise:
                    patch = (patch - patch.mean()) / (patch.var(correction=0) + 1e-6).sqrt()
                errors["scan"].append((read["scan"][i, p] - patch) ** 2)
    for name, squares in errors.items():
        assert torch.allclose(terms[f"reconstruction/{name}"], torch.cat(squares).mean(), atol=1e-10), name


def test_hidden_patches_reach_neither_the_encoders_nor_the_fusion(monkeypatch):
    names = ("text", "table", "scan")
    model, batch = objective(names).eval(), a_batch(names)
    _, found = seen(model, batch, monkeypatch)
    hidden = dict(zip(names, found["hidden"], strict=True))
    inputs, fused = found["encoded"][0][0], found["fused"][0][0]
    for name in names:
        patches = model.patches[f"m_{name}"]
        assert not (patches.cut(inputs[name]) * hidden[name][..., None]).any(), name
        assert torch.equal(patches.cut(inputs[name])[~hidden[name]], patches.cut(batch[name])[~hidden[name]])
    for name in ("text", "scan"):
        expected = model.mask_tokens[f"m_{name}"] + model.patches[f"m_{name}"].position
        rows, places = hidden[name].nonzero(as_tuple=True)
        assert torch.equal(fused[name][rows, places], expected[places])


def test_without_a_grid_the_cls_is_decoded():
    """A table is reconstructed from one token, whatever its encoder makes of it."""
    model = objective(("table",))
    assert model.outputs["m_table"].out_features == 5
    vector = Mae(
        KINDS[3:4],
        NetworkSettings(width=16, heads=2),
        MaeSettings(),
        {"force": nn.Sequential(nn.Flatten(), nn.Linear(60, 16))},
    )
    assert vector.outputs["m_force"].out_features == 60
    terms = loss(vector.double(), a_batch(("force",)))
    terms["total"].backward()
    assert all(p.grad is not None for p in vector.parameters())


def test_raw_is_masked_and_the_first_view_stands_in():
    model = objective()
    one, two = a_batch(), a_batch(seed=2)
    assert Mae.needs_raw
    assert torch.equal(loss(model, one)["total"], loss(model, two, raw=one)["total"])
    assert not torch.equal(loss(model, one)["total"], loss(model, two)["total"])
    assert not torch.equal(loss(model, one, seed=3)["total"], loss(model, one, seed=4)["total"])


@pytest.mark.parametrize("content", [0.0, 100.0])
def test_neither_content_nor_amount_of_padding_matters(content):
    names = ("text", "table", "words.raw")
    model, batch = objective(names).eval(), a_batch(names)

    def other(batch, steps):
        values, padding = dict(batch), {}
        for name, mask in batch.padding.items():
            values[name] = torch.where(mask[..., None], content, batch[name])[:, :steps]
            padding[name] = mask[:, :steps]
        return replace(batch, tensors=values, padding=padding)

    expected = loss(model, batch)
    for steps in (6, 18):  # the longest sample has 6 of 6 and of 18
        got = loss(model, other(batch, steps))
        assert all(torch.allclose(got[name], value, atol=1e-9) for name, value in expected.items())
        assert torch.allclose(model.embed(other(batch, steps))["shared"], model.embed(batch)["shared"], atol=1e-9)


def test_what_absent_rows_hold_does_not_matter():
    names = ("text", "table", "scan")
    model, rows = objective(names), torch.arange(SIZE)
    batch = replace(a_batch(names), present={"text": rows != 2, "table": rows < 3, "scan": rows != 0})
    values = {name: value.clone() for name, value in batch.items()}
    for name, there in batch.present.items():
        values[name][~there] = float("nan")
    spoiled = batch.with_values(values)
    expected, got = loss(model, batch), loss(model, spoiled)
    assert all(torch.equal(got[name], value) for name, value in expected.items())
    got["total"].backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
    assert torch.equal(model.eval().embed(spoiled)["shared"], model.embed(batch)["shared"])


def test_a_modality_that_no_sample_has():
    model = objective(("text", "scan"))
    batch = replace(a_batch(("text", "scan")), present={"scan": torch.zeros(SIZE, dtype=torch.bool)})
    terms = loss(model, batch)
    assert terms["reconstruction/scan"].item() == 0
    alone = loss(model, batch.select(["text"]))
    assert torch.allclose(terms["reconstruction/text"], alone["reconstruction/text"])


def test_the_representation_is_the_fused_cls_of_what_is_there():
    model, batch = objective(("text", "table", "scan")).eval(), a_batch(("text", "table", "scan"))
    assert torch.equal(model.embed(batch)["shared"], model.shared(batch))
    two = model.embed(batch.select(["text", "scan"]))["shared"]
    assert two.shape == (SIZE, 16)
    assert not torch.allclose(two, model.shared(batch))
    assert not model._full_length(batch).padding.keys() - {"text"}


def test_a_reconstruction_reads_what_is_left_of_all_modalities_and_nothing_that_is_hidden():
    names = ("text", "table", "scan")
    model, batch = objective(names).eval(), a_batch(names)
    shown = {name: torch.ones(SIZE, model.patches[f"m_{name}"].count, dtype=torch.bool) for name in names}
    hidden = {name: mask.clone() for name, mask in shown.items()}
    for mask in hidden.values():
        mask[:, ::3] = False
    before = model._reconstruct(batch, hidden)
    for changed in names:
        for where, moves in ((hidden[changed], False), (~hidden[changed], True)):
            values = model.patches[f"m_{changed}"].hide(batch[changed], where)
            after = model._reconstruct(batch.with_values({**batch, changed: values}), hidden)
            for name in names:
                assert torch.allclose(after[name], before[name], atol=1e-9) is not moves, (changed, name)


def test_two_processes_have_loss_and_gradient_of_one(monkeypatch):
    names = ("text", "table", "scan")
    model = objective(names, mask_ratio=1.0).eval()  # nothing is drawn
    rows = torch.arange(SIZE)
    batch = replace(a_batch(names), present={"text": rows != 2, "table": rows < 3})
    whole = loss(model, batch)
    one, two = (part_of(batch, rows[half]) for half in (slice(0, 2), slice(2, SIZE)))
    sent = []
    monkeypatch.setattr(base, "gather", lambda x: (sent.append(x), x)[1])
    loss(model, two)
    monkeypatch.setattr(base, "gather", lambda x: torch.cat([x, sent.pop(0)]))
    got = loss(model, one)
    assert all(torch.allclose(got[name], value, atol=1e-12) for name, value in whole.items())
    parameters = list(model.parameters())
    gradients = [torch.autograd.grad(terms["total"], parameters) for terms in (whole, got)]
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*gradients, strict=True))


def part_of(batch, rows):
    """The samples at ``rows``, as another process holds them."""
    fields = {key: {k: v[rows] for k, v in getattr(batch, key).items()} for key in ("tensors", "padding", "present")}
    return replace(batch, **fields)


def test_what_is_refused():
    with pytest.raises(InputError, match="at least one modality"):
        Mae((), NetworkSettings(), MaeSettings())
    for ratio in (0.0, 1.1):
        with pytest.raises(InputError, match="mask_ratio is a share"):
            MaeSettings(mask_ratio=ratio)
    with pytest.raises(InputError, match="decoder_depth must be at least 1"):
        MaeSettings(decoder_depth=0)
