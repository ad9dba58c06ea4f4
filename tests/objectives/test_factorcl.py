"""FactorCL: the loss from its formula, the gradients from the two steps computed apart, parts, padding, absence."""

from dataclasses import replace
from itertools import combinations

import pytest
import torch

from coral_plugin.augmentations import build_augmenter
from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.networks import NetworkSettings
from coral_plugin.objectives import Step, base
from coral_plugin.objectives.factorcl import FactorCL, FactorCLSettings
from coral_plugin.runs.settings import defaults, make_settings

KINDS = (
    Modality(name="text", kind="sequence", shape=(6, 4)),
    Modality(name="table", kind="tabular", shape=(5,)),
    Modality(name="scan", kind="image", shape=(2, 8, 8)),
    Modality(name="force.x", kind="timeseries", shape=(12, 3)),
)
ENCODERS = {"text": "affect_transformer(layers=1, feedforward=8, dropout=0.0)", "force.x": "gru"}
WIDTH, SIZE = 8, 6
OWN = ("shared", "unique", "conditional", "shared_bound", "conditional_bound")


def objective(n=2, **settings):
    torch.manual_seed(0)
    encoders = {m.name: ENCODERS[m.name] for m in KINDS[:n] if m.name in ENCODERS}
    network = NetworkSettings(width=WIDTH, encoders=encoders)
    return FactorCL(KINDS[:n], network, FactorCLSettings(**{"critic_hidden": 16} | settings)).double()


def a_batch(n=2, seed=1, size=SIZE):
    generator = torch.Generator().manual_seed(seed)
    values = {m.name: torch.rand(size, *m.shape, generator=generator, dtype=torch.float64) for m in KINDS[:n]}
    lengths = torch.arange(size) % 5 + 1
    return MultimodalBatch(values, {"text": torch.arange(6)[None] >= lengths[:, None]})


def with_missing(batch):
    """Samples 0 and 2 lack the text, sample 4 the table."""
    rows = torch.arange(batch.size)
    return replace(batch, present={"text": (rows != 0) & (rows != 2), "table": rows != 4})


def scores(critic, u, v):
    """Row i, column j: f(u_i, v_j), the MLP of the concatenation."""
    n = len(u)
    pairs = torch.cat([u[:, None].expand(-1, n, -1), v[None].expand(n, -1, -1)], dim=-1)
    return critic.score(critic.hidden(critic.joint(pairs).relu()).relu()).squeeze(-1)


def nce(critic, u, v):
    f = scores(critic, u, v)
    return f.diagonal().mean() - f.exp().sum(dim=0).log().mean() + torch.tensor(float(len(u))).double().log()


def club(critic, u, v):
    f = scores(critic, u, v)
    return f.diagonal().mean() - f.mean()


def inputs(model, number, plain, copies, rows):
    """Both arguments of each critic of a pair, from specification 2.4."""
    a, b = model.names[number]
    heads = dict(zip((a, b), model.pairs[number].heads, strict=True))
    h = {(o, m): heads[m][o](plain[m]) for o in OWN for m in (a, b)}
    c = {(o, m): heads[m][o](copies[m]) for o in OWN for m in (a, b)}
    joined = {(o, m): torch.cat([h[o, m], c[o, m]], 1) for o in ("conditional", "conditional_bound") for m in (a, b)}
    return {
        "shared": (h["shared", a][rows[2]], h["shared", b][rows[2]]),
        "shared_bound": (h["shared_bound", a][rows[2]], h["shared_bound", b][rows[2]]),
        "unique_first": (h["unique", a][rows[0]], c["unique", a][rows[0]]),
        "unique_second": (h["unique", b][rows[1]], c["unique", b][rows[1]]),
        "conditional": (joined["conditional", a][rows[2]], joined["conditional", b][rows[2]]),
        "conditional_bound": (joined["conditional_bound", a][rows[2]], joined["conditional_bound", b][rows[2]]),
    }


def two_steps(model, raw, copy):
    """Step A's loss by term, and step B's, each an ordinary function of all parameters."""
    plain = {name: model.encoders[key](raw) for name, key in zip(raw, model.encoders, strict=True)}
    copies = {name: model.encoders[key](copy) for name, key in zip(copy, model.encoders, strict=True)}
    main, critics = dict.fromkeys(OWN, 0.0), 0.0
    for number, (a, b) in enumerate(model.names):
        everyone = torch.ones(raw.size, dtype=torch.bool)
        rows = [raw.present.get(a, everyone), raw.present.get(b, everyone)]
        of = inputs(model, number, plain, copies, [*rows, rows[0] & rows[1]])
        pair = model.pairs[number]
        main["shared"] -= nce(pair.critics["shared"], *of["shared"])
        main["shared_bound"] += club(pair.club_critics["shared_bound"], *of["shared_bound"])
        main["unique"] -= nce(pair.critics["unique_first"], *of["unique_first"])
        main["unique"] -= nce(pair.critics["unique_second"], *of["unique_second"])
        main["conditional"] -= nce(pair.critics["conditional"], *of["conditional"])
        main["conditional_bound"] += club(pair.club_critics["conditional_bound"], *of["conditional_bound"])
        critics -= nce(pair.club_critics["shared_bound"], *of["shared_bound"])
        critics -= nce(pair.club_critics["conditional_bound"], *of["conditional_bound"])
    return main, critics


@pytest.mark.parametrize("absent", [False, True])
@pytest.mark.parametrize("n", [2, 3])
def test_terms_and_gradients_are_those_of_the_two_steps_computed_apart(n, absent):
    model = objective(n)
    raw, copy = (with_missing(a_batch(n, seed)) if absent else a_batch(n, seed) for seed in (1, 2))
    terms = model.loss(Step(a_batch(n, 5), copy, 0.0, raw=raw))
    main, critics = two_steps(model, raw, copy)
    for name, expected in {**main, "main": sum(main.values()), "critics": critics}.items():
        assert torch.allclose(terms[name], expected, atol=1e-10), name
    assert list(terms)[-3:] == ["main", "critics", "total"]
    assert torch.allclose(terms["total"], terms["main"] + terms["critics"])
    clubs = [name for name, _ in model.named_parameters() if ".club_critics." in name]
    assert len(clubs) == 12 * len(model.pairs)
    parameters = dict(model.named_parameters())
    others = [name for name in parameters if name not in clubs]
    terms["total"].backward()
    step_a = torch.autograd.grad(sum(main.values()), [parameters[name] for name in others], retain_graph=True)
    step_b = torch.autograd.grad(critics, [parameters[name] for name in clubs])
    for name, expected in zip([*others, *clubs], [*step_a, *step_b], strict=True):
        assert torch.allclose(parameters[name].grad, expected, atol=1e-10), name


def test_neither_step_moves_the_parameters_of_the_other():
    model = objective()
    terms = model.loss(Step(a_batch(), a_batch(seed=2), 0.0))
    clubs = {name for name, _ in model.named_parameters() if ".club_critics." in name}
    for loss, moved in (("main", set(dict(model.named_parameters())) - clubs), ("critics", clubs)):
        model.zero_grad(set_to_none=True)
        terms[loss].backward(retain_graph=True)
        for name, parameter in model.named_parameters():
            if name not in moved:
                assert parameter.grad is None or not parameter.grad.any(), name
            elif not name.endswith("bias"):
                assert parameter.grad.any(), name


@pytest.mark.parametrize("n", [2, 3, 4])
def test_every_parameter_is_trained(n):
    model = objective(n)
    model.loss(Step(a_batch(n), a_batch(n, 2), 0.0))["total"].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.isfinite().all(), name
        # a bias of the key has no effect on a softmax, one of the last layer of a critic cancels in both bounds
        if not name.endswith("bias"):
            assert parameter.grad.any(), name


def test_ten_heads_and_six_critics_for_two_modalities():
    pair = objective().pairs[0]
    assert sum(len(heads) for heads in pair.heads) == 10
    assert len(pair.critics) + len(pair.club_critics) == 6
    assert len(objective(3).pairs) == 3
    assert [p.shape for p in pair.heads[0]["unique"].parameters()] == [(8, 8), (8,), (8, 8), (8,)]


def test_without_raw_the_first_view_stands_in():
    model = objective()
    one, two, three = (a_batch(seed=seed) for seed in (1, 2, 3))
    assert FactorCL.needs_raw
    assert torch.equal(model.loss(Step(one, two, 0.0))["total"], model.loss(Step(three, two, 0.0, raw=one))["total"])


@pytest.mark.parametrize("n", [2, 3, 4])
def test_a_part_is_the_five_heads_of_each_pair_side_by_side(n):
    model, batch = objective(n), a_batch(n)
    parts = model.embed(batch)
    names = [m.name for m in KINDS[:n]]
    assert {name: tuple(part.shape) for name, part in parts.items()} == dict.fromkeys(
        names, (SIZE, 5 * WIDTH * (n - 1))
    )
    assert list(parts) == names
    for name, key in zip(names, model.encoders, strict=True):
        encoded = model.encoders[key](batch)
        found = [
            pair.heads[both.index(name)][own](encoded)
            for both, pair in zip(combinations(names, 2), model.pairs, strict=True)
            if name in both
            for own in OWN
        ]
        assert torch.equal(parts[name], torch.cat(found, 1))


def test_a_subset_of_the_modalities():
    model, batch = objective(3), a_batch(3)
    whole, two = model.embed(batch), model.embed(batch.select(["scan", "text"]))
    assert list(two) == ["scan", "text"]
    assert all(torch.allclose(two[name], whole[name], atol=1e-12) for name in two)
    terms = model.loss(Step(batch.select(["text", "scan"]), a_batch(3, 2).select(["text", "scan"]), 0.0))
    assert terms["total"].isfinite()
    with pytest.raises(InputError, match="pairs of modalities, but the batch has only text"):
        model.loss(Step(batch.select(["text"]), batch.select(["text"]), 0.0))


@pytest.mark.parametrize("pool", ["mean", "last"])
@pytest.mark.parametrize("content", [0.0, 100.0])
def test_neither_content_nor_amount_of_padding_matters(content, pool):
    model, batch, copy = objective(pool=pool).eval(), a_batch(), a_batch(seed=2)

    def longer(batch):
        mask = batch.padding["text"]
        filled = torch.where(mask[..., None], content, batch["text"])
        values = {**batch, "text": torch.cat([filled, torch.full_like(filled[:, :3], content)], 1)}
        return MultimodalBatch(values, {"text": torch.cat([mask, torch.ones_like(mask[:, :3])], 1)})

    for name, expected in model.embed(batch).items():
        assert torch.allclose(model.embed(longer(batch))[name], expected, atol=1e-10)
    expected = model.loss(Step(batch, copy, 0.0))["total"]
    assert torch.allclose(model.loss(Step(longer(batch), longer(copy), 0.0))["total"], expected, atol=1e-10)


@pytest.mark.parametrize("pool", ["mean", "last"])
def test_what_absent_rows_hold_does_not_matter(pool):
    model = objective(3, pool=pool)

    def spoiled(batch):
        values = {name: value.clone() for name, value in batch.items()}
        for name, there in batch.present.items():
            values[name][~there] = float("nan")
        return batch.with_values(values)

    raw, copy = with_missing(a_batch(3)), with_missing(a_batch(3, 2))
    expected, got = model.loss(Step(raw, copy, 0.0)), model.loss(Step(spoiled(raw), spoiled(copy), 0.0))
    assert all(torch.equal(got[name], value) for name, value in expected.items())
    parts = model.eval().embed(spoiled(raw))
    assert not parts["text"][[0, 2]].any()
    assert not parts["table"][4].any()
    assert parts["scan"].any(dim=1).all()


def test_a_batch_of_which_no_sample_has_a_modality():
    model = objective(3)
    nobody = torch.zeros(SIZE, dtype=torch.bool)
    raw, copy = (replace(a_batch(3, seed), present={"table": nobody}) for seed in (1, 2))
    terms = model.loss(Step(raw, copy, 0.0))
    terms["total"].backward()
    assert all(term.isfinite() for term in terms.values())
    two = FactorCL.loss(model, Step(*(batch.select(["text", "scan"]) for batch in (raw, copy)), 0.0))
    unique = terms["unique"] - two["unique"]  # text and scan count once more in their pairs with the table
    assert unique.item() != 0
    assert torch.allclose(terms["shared"], two["shared"], atol=1e-12)


def test_pool_last_takes_the_last_valid_token_of_series_only():
    model, batch = objective(4, pool="last").eval(), a_batch(4)
    text, table, scan, force = model.encoders.values()
    tokens, padding = text.tokens(batch["text"], batch.padding["text"])
    rows = [tokens[i, (~padding[i]).nonzero().max()] for i in range(SIZE)]
    assert torch.equal(text(batch), torch.stack(rows))
    assert torch.equal(force(batch), force.tokens(batch["force.x"])[0][:, -1])
    for encoder, name in ((table, "table"), (scan, "scan")):
        assert torch.allclose(encoder(batch), encoder.tokens(batch[name])[0].mean(1))


def test_the_preset_clips_gradients_and_does_not_decay():
    chosen = defaults("factorcl", "digits", "paper")
    assert chosen["training.gradient_clip"] == 1.0
    assert (chosen["training.learning_rate"], chosen["training.weight_decay"]) == (1e-4, 0.0)


def test_the_copy_of_trifeatures_second_image_is_not_cropped():
    """Specification 2.4, and 150 epochs."""
    settings = make_settings("factorcl", "trifeature", preset="trifeature")
    assert (settings.training.epochs, settings.training.batch_size) == (150, 64)
    modalities = [Modality(name=name, kind="image", shape=(3, 32, 32)) for name in ("image1", "image2")]
    # black but for the frame, which a crop loses and a flip, a blur or a change of colour does not
    frame = torch.ones(200, 3, 32, 32)
    frame[:, :, 1:-1, 1:-1] = 0
    augmenter = build_augmenter(settings.augmentations, modalities)
    view = augmenter(MultimodalBatch({"image1": frame, "image2": frame}), torch.Generator().manual_seed(0))

    def has_frame(images):
        edges = [images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]]
        inside = images[..., 8:-8, 8:-8].mean(dim=(1, 2, 3))
        return torch.stack([edge.mean(dim=(1, 2)) > inside + 0.05 for edge in edges]).all(dim=0)

    assert has_frame(view["image2"]).all()
    assert has_frame(view["image1"]).double().mean() < 0.2


def test_what_is_refused():
    with pytest.raises(InputError, match=r"at least two modalities, got 1 \(text\)"):
        objective(1)
    with pytest.raises(InputError, match="critic_hidden must be at least 1, got 0"):
        FactorCLSettings(critic_hidden=0)
    with pytest.raises(InputError, match="one of mean, last, got 'max'"):
        FactorCLSettings(pool="max")


def test_two_processes_have_loss_and_gradient_of_one(monkeypatch):
    model = objective(3).eval()
    raw, copy = (with_missing(a_batch(3, seed)) for seed in (1, 2))
    whole = model.loss(Step(raw, copy, 0.0))
    rows = torch.arange(SIZE)
    one, two = ([part_of(batch, rows[half]) for batch in (raw, copy)] for half in (slice(0, 2), slice(2, SIZE)))
    sent = []
    monkeypatch.setattr(base, "gather", lambda x: (sent.append(x), x)[1])
    model.loss(Step(*two, 0.0))
    monkeypatch.setattr(base, "gather", lambda x: torch.cat([x, sent.pop(0)]))
    got = model.loss(Step(*one, 0.0))
    assert all(torch.allclose(got[name], value, atol=1e-12) for name, value in whole.items())
    parameters = list(model.parameters())
    gradients = [torch.autograd.grad(terms["total"], parameters) for terms in (whole, got)]
    assert all(torch.allclose(a, b, atol=1e-10) for a, b in zip(*gradients, strict=True))


def part_of(batch, rows):
    """The samples at ``rows``, as another process holds them."""
    keys = ("tensors", "padding", "present", "targets")
    return replace(batch, **{key: {k: v[rows] for k, v in getattr(batch, key).items()} for key in keys})
