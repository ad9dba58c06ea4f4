"""Formats of numbers, compiled networks, deterministic algorithms, and what is not finite."""

import copy
import math
import os

import pytest
import torch
from torch._dynamo.utils import counters

from coral_plugin.data import Modality
from coral_plugin.errors import DivergedError, InputError, MachineError
from coral_plugin.objectives.base import over_batch
from coral_plugin.registry import ENCODERS
from coral_plugin.training.numerics import check_compiler, compiled, deterministic
from coral_plugin.training.step import _AdamW


@pytest.fixture
def first_step(run, still):
    """Terms of one step on all samples, without views, masks and dropout, which draw other numbers in other formats."""

    def terms(**settings):
        row = run(build=still, augmenter=lambda batch, _: batch, epochs=1, batch_size=40, **settings).history[0]
        return {name: value for name, value in row.items() if name.startswith("loss/")}

    return terms


@pytest.mark.parametrize(("precision", "tolerance"), [("bf16-mixed", 0.03), ("64-true", 1e-5)])
def test_other_formats_agree_with_float32(first_step, precision, tolerance):
    assert first_step(precision=precision) == pytest.approx(first_step(), rel=tolerance)


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_what_comes_out_is_float32(run, precision, toy):
    trained = run(build=toy, epochs=1, precision=precision)
    assert {p.dtype for p in trained.objective.parameters()} == {torch.float32}


def test_losses_are_float32_in_bfloat16(run, toy):
    seen = set()

    def note(objective, terms):
        seen.update((name, term.dtype) for name, term in terms.items())
        return terms

    def loss_products(z):
        seen.add(("product", (z @ z.T).dtype))
        return z.sum()

    run(build=lambda: toy(note), epochs=1, precision="bf16-mixed")
    assert {dtype for _, dtype in seen} == {torch.float32}
    with torch.autocast("cpu", torch.bfloat16):
        over_batch(loss_products, torch.ones(3, 2, dtype=torch.bfloat16))
    assert ("product", torch.float32) in seen


@pytest.mark.parametrize("precision", ["bf16-mixed", "64-true"])
def test_other_formats_resume_to_the_same_bits(run, same, tmp_path, killed, precision):
    whole = run(epochs=2, precision=precision)
    killed(4, lambda: run(tmp_path, epochs=2, precision=precision))
    same(whole, run(tmp_path, epochs=2, precision=precision, resume=True))


def spoiling(term, step, value=math.nan):
    def spoil(objective, terms):
        if objective.training and objective.calls == step + 1:
            terms[term] = terms[term] * value
            if term != "total":
                terms["total"] = terms["total"] + terms[term]
        return terms

    return spoil


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_step_term_and_samples(run, value, toy):
    with pytest.raises(DivergedError, match=r"loss is not finite at step 4 of epoch 1 \(terms: b, total; .*samples \["):
        run(build=lambda: toy(spoiling("b", 4, value)))


def test_a_gradient_that_is_not_finite_stops(run, toy):
    class Steep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * math.inf

    def spoil(objective, terms):
        return terms | {"total": Steep.apply(terms["total"])} if objective.calls == 3 else terms

    with pytest.raises(DivergedError, match=r"gradient is not finite at step 2 of epoch 0 \(gradients: maps.a"):
        run(build=lambda: toy(spoil))


def test_the_modality_and_its_samples_are_named(run, split):
    split.columns["b"].values[[7, 30]] = math.inf
    with pytest.raises(DivergedError, match=r"modality b: its (input|view), samples \[(7|30)(, (7|30))?\]"):
        run(split=split, augmenter=lambda batch, _: batch, batch_size=40)


def test_skipping_counts_and_leaves_weights_and_statistics_alone(run, split, toy):
    rows = split.columns["a"].values
    spoiled = rows.clone()
    spoiled[5] = math.nan
    split.columns["a"].__dict__["values"] = spoiled
    trained = run(build=toy, split=split, augmenter=lambda b, _: b, on_nonfinite="skip")
    assert [row["skipped"] for row in trained.history] == [1, 1, 1, 1]
    assert all(math.isfinite(row["loss/total"]) for row in trained.history)
    for name, value in trained.objective.state_dict().items():
        assert torch.isfinite(value).all(), name
    assert trained.objective.norm.num_batches_tracked == 4 * (3 - 1) * 4  # two modalities, two views


def test_a_step_that_is_skipped_is_no_step(run, same, toy):
    class Once:
        def __call__(self, objective, terms):
            if objective.calls == 3:
                objective.before = {k: v.clone() for k, v in objective.state_dict().items() if "maps" in k}
                return terms | {"total": terms["total"] * math.nan}
            if objective.calls == 4:
                for name, value in objective.before.items():
                    assert torch.equal(value, objective.state_dict()[name])
            return terms

    history = run(build=lambda: toy(Once()), on_nonfinite="skip").history
    assert [row["skipped"] for row in history] == [1, 0, 0, 0]


def test_nothing_but_skipped_steps_is_a_divergence(run, toy):
    def spoil(objective, terms):
        return terms | {"total": terms["total"] * math.nan}

    with pytest.raises(DivergedError, match="of the last 12 steps was finite"):
        run(build=lambda: toy(spoil), on_nonfinite="skip")


def test_clipping_bounds_the_gradient(run, monkeypatch):
    norms = []
    original = _AdamW.step

    def step(self, *rest):
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.nn.utils.get_total_norm(grads)))
        return original(self, *rest)

    monkeypatch.setattr(_AdamW, "step", step)
    run(epochs=1)
    assert max(norms) > 0.05
    norms.clear()
    run(epochs=1, gradient_clip=0.05)
    assert norms == [pytest.approx(0.05, rel=1e-3)] * 3


def test_deterministic_algorithms_are_set_and_given_back(run, same, toy):
    seen = []

    def note(objective, terms):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return terms

    trained = run(build=lambda: toy(note), epochs=1, deterministic=True)
    assert seen == [True] * 3
    assert not torch.are_deterministic_algorithms_enabled()
    same(trained, run(build=toy, epochs=1))


def test_an_operation_without_a_deterministic_algorithm_is_refused(run, toy):
    def put(objective, terms):
        index = torch.zeros(2, dtype=torch.long)
        torch.zeros(3).put_(index, torch.ones(2), accumulate=False)
        return terms

    with pytest.raises(InputError, match=r"training.deterministic: put_ does not have a deterministic"):
        run(build=lambda: toy(put), epochs=1, deterministic=True)
    assert not torch.are_deterministic_algorithms_enabled()


def test_other_errors_inside_stay_what_they_are():
    with pytest.raises(RuntimeError, match="something else"), deterministic(True):
        raise RuntimeError("something else")


def test_compiling_without_a_compiler_is_refused_in_one_line(run, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(MachineError, match=r"needs a C\+\+ compiler \(g\+\+ or clang\+\+\), and none is found"):
        run(compile=True)


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")  # torch's own, as it loads its compiler
def test_networks_are_compiled_where_they_are_called_and_no_longer_afterwards(build, monkeypatch):
    objective = build()
    names = list(objective.state_dict())
    with compiled(objective, True):
        inside = {name for name, module in objective.named_modules() if module._compiled_call_impl is not None}
        assert list(objective.state_dict()) == names
    assert {"shared.encoders.m_a", "shared.encoders.m_b", "unique_encoders.m_a", "shared_head", "unique.m_b"} <= inside
    assert "shared" not in inside  # it masks and draws
    assert all(module._compiled_call_impl is None for module in objective.modules())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_compiled_networks_agree_with_plain_ones(run, toy):
    check_compiler(torch.device("cpu"))
    counters.clear()
    plain, fast = (run(build=toy, epochs=1, compile=c) for c in (False, True))
    assert counters["stats"]["calls_captured"] > 0
    assert fast.history[-1]["loss/total"] == pytest.approx(plain.history[-1]["loss/total"], rel=1e-5)
    for a, b in zip(plain.objective.parameters(), fast.objective.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_sequences_of_any_length_are_not_compiled_again_for_each_batch():
    """With dropout, whose random numbers torch's compiler cannot trace; two networks may share the encoder."""
    check_compiler(torch.device("cpu"))
    modality = Modality(name="text", kind="sequence", shape=(12, 3))
    encoder = ENCODERS.get("affect_transformer")(modality, 8, layers=1)
    whole = torch.nn.ModuleDict({"text": _Scaled(encoder), "again": _Scaled(encoder)})
    network, plain = whole["text"], copy.deepcopy(whole["text"])
    counters.clear()
    graphs = []
    with compiled(whole, True), torch.no_grad():
        for seed in range(4):
            generator = torch.Generator().manual_seed(seed)
            x, lengths = torch.randn(9, 12, 3, generator=generator), torch.randint(1, 13, (9, 1), generator=generator)
            outputs = []
            for way in (network, plain):
                torch.manual_seed(seed)
                outputs.append(way(x, torch.arange(12) >= lengths))
            torch.testing.assert_close(*outputs)
            graphs.append(counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[-1] > 0
    assert "forward" not in vars(encoder)


class _Scaled(torch.nn.Module):
    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, x, padding):
        return 2 * self.encoder(x, padding).tanh()
