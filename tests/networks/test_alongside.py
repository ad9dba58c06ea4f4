"""Encoders on threads of their own, against the same encoders one after the other."""

import threading

import pytest
import torch
from torch import nn

from coral_plugin.data import Modality, MultimodalBatch
from coral_plugin.errors import InputError
from coral_plugin.evaluation.complexity import count_flops
from coral_plugin.networks import NetworkSettings, alongside, dropout
from coral_plugin.networks.alongside import EncoderCall, one_after_the_other, tokenise_ahead
from coral_plugin.networks.dropout import Drawn, kept
from coral_plugin.networks.encoders.affect import AffectTransformer
from coral_plugin.networks.encoders.series import GRU, Conv1d
from coral_plugin.networks.encoders.tabular import MLP
from coral_plugin.networks.pathways import TokenEncoder, tokenise
from coral_plugin.objectives import Step
from coral_plugin.registry import OBJECTIVES

SERIES = Modality(name="series", kind="sequence", shape=(9, 3))
TABLE = Modality(name="table", kind="tabular", shape=(4,))
LENGTHS = torch.tensor([9, 1, 5, 3, 8, 2])


@pytest.fixture(autouse=True)
def two_threads(monkeypatch):
    monkeypatch.setattr(alongside, "_LEAST", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def samples(*, padded=True, present=False):
    torch.manual_seed(5)
    values = {"series": torch.randn(6, 9, 3, dtype=torch.float64), "table": torch.randn(6, 4, dtype=torch.float64)}
    padding = {"series": torch.arange(9)[None] >= LENGTHS[:, None]} if padded else {}
    return MultimodalBatch(values, padding, present={"series": torch.arange(6) > 0} if present else {})


def two_encoders(build):
    torch.manual_seed(0)
    return [TokenEncoder(SERIES, build(SERIES, 8), 8).double() for _ in range(2)]


def tokens_and_gradients(encoders, batches, ahead):
    """Tokens of every encoder and batch, and the gradients of a weighted sum of them."""
    calls = [EncoderCall(encoder, batch, "series") for batch in batches for encoder in encoders]
    torch.manual_seed(1)
    if ahead:
        tokenise_ahead(calls)
    tokens = [tokenise(call.encoder, call.batch, call.name)[0] for call in calls]
    loss = sum((number + part).square().sum() for number, part in enumerate(tokens))
    parameters = [p for encoder in encoders for p in encoder.parameters()]
    return [part.detach() for part in tokens], torch.autograd.grad(loss, parameters), torch.rand(())


def affect(modality, width):
    return AffectTransformer(modality, width, layers=2, heads=2, feedforward=32, dropout=0.3)


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("build", [affect, GRU, Conv1d])
def test_equals_one_after_the_other_in_tokens_gradients_and_random_numbers(build, padded):
    encoders, batches = two_encoders(build), [samples(padded=padded), samples(padded=padded)]
    apart, plain = (tokens_and_gradients(encoders, batches, ahead) for ahead in (True, False))
    for ours, theirs in zip(apart[:2], plain[:2], strict=True):
        assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(ours, theirs, strict=True))
    assert torch.equal(apart[2], plain[2])  # what is drawn next


@pytest.mark.parametrize("method", ["coral", "comm", "infmasking", "factorcl", "clip", "slip"])
def test_objectives_have_the_same_loss_and_gradients(method, monkeypatch):
    factory = OBJECTIVES.get(method)
    settings = NetworkSettings(width=8, heads=2, head_hidden=16, head_output=8)
    torch.manual_seed(0)
    other = Modality(name="other", kind="sequence", shape=(9, 3))
    encoders = dict.fromkeys(("series", "other"), affect)
    objective = factory((SERIES, other), settings, factory.Settings(), encoders=encoders).double()

    def view(seed):
        torch.manual_seed(seed)
        mask = torch.arange(9)[None] >= LENGTHS[:, None]
        values = {name: torch.randn(6, 9, 3, dtype=torch.float64) for name in ("series", "other")}
        return MultimodalBatch(values, dict.fromkeys(values, mask))

    def result():
        step = Step(view(1), view(2), 0.5, torch.Generator().manual_seed(0), view(3))
        torch.manual_seed(4)
        objective.zero_grad()
        terms = objective.loss(step)
        terms["total"].backward()
        return terms["total"].detach(), [p.grad.clone() for p in objective.parameters() if p.grad is not None]

    shared = []
    together = alongside._side_by_side
    monkeypatch.setattr(alongside, "_side_by_side", lambda tasks, *more: shared.append(tasks) or together(tasks, *more))
    apart = result()
    assert len(shared) >= 2  # forward and backward
    shared.clear()
    with one_after_the_other():
        plain = result()
    assert not shared
    assert torch.allclose(apart[0], plain[0], rtol=1e-12)
    assert len(apart[1]) == len(plain[1])
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in zip(apart[1], plain[1], strict=True))


class Watched(nn.Linear):
    """An encoder that notes the thread that it runs on, forward and backward."""

    def __init__(self, modality, width):
        super().__init__(modality.features, width)
        self.threads = []

    def draws(self, values, padding):
        return []

    def forward(self, x):
        self.threads.append((threading.current_thread().name, torch.get_num_threads()))
        out = super().forward(x)
        if out.requires_grad:
            out.register_hook(lambda _: self.threads.append((threading.current_thread().name, 0)))
        return out


def test_runs_on_other_threads_of_one_thread_each_forward_and_backward():
    encoders = two_encoders(Watched)
    for encoder in encoders:
        encoder.encoder.threads.clear()
    tokens_and_gradients(encoders, [samples()], ahead=True)
    here = threading.current_thread().name
    for encoder in encoders:
        (name, threads), (behind, _) = encoder.encoder.threads
        assert name.startswith("coral-encoder")
        assert behind.startswith("coral-encoder")
        assert here not in (name, behind)
        assert threads == 1
    assert torch.get_num_threads() == 2


def laid_by(encoders, batch, calls=None):
    tokenise_ahead([EncoderCall(encoder, batch, "series") for encoder in encoders] if calls is None else calls)
    return any(batch.take((encoder, name)) for encoder in encoders for name in batch)


@pytest.mark.parametrize("build", [affect, GRU, Conv1d])
def test_is_done_where_it_may(build):
    assert laid_by(two_encoders(build), samples())


@pytest.mark.parametrize(
    "build",
    [
        lambda modality, width: nn.Linear(modality.features, width),  # it does not say what it draws
        lambda modality, width: AffectTransformer(modality, width, alongside=False),
        lambda modality, width: AffectTransformer(modality, width, fused=False),
        lambda modality, width: GRU(modality, width, alongside=False),
    ],
)
def test_an_encoder_may_forbid_it(build):
    assert not laid_by(two_encoders(build), samples())


def test_not_without_gradients_on_one_thread_or_with_missing_modalities():
    encoders = two_encoders(GRU)
    with torch.no_grad():
        assert not laid_by(encoders, samples())
    assert not laid_by(encoders, samples(present=True))
    assert not laid_by(encoders[:1], samples())
    encoders[0].register_forward_hook(lambda *_: None)
    assert not laid_by(encoders, samples())
    torch.set_num_threads(1)
    assert not laid_by(two_encoders(GRU), samples())


def test_not_where_one_encoder_has_nearly_all_the_work():
    torch.manual_seed(0)
    series, table = TokenEncoder(SERIES, GRU(SERIES, 32), 8).double(), TokenEncoder(TABLE, MLP(TABLE, 8), 8).double()
    batch = samples()
    assert not laid_by(
        [series, table], batch, [EncoderCall(series, batch, "series"), EncoderCall(table, batch, "table")]
    )


def test_not_for_less_than_is_worth_the_threads(monkeypatch):
    monkeypatch.undo()
    torch.set_num_threads(2)
    assert not laid_by(two_encoders(affect), samples())


def test_not_with_attention_that_is_computed_twice(monkeypatch):
    monkeypatch.setattr("coral_plugin.networks.encoders.affect.MOST_WEIGHTS", 10)
    assert not laid_by(two_encoders(affect), samples())


def test_gradients_may_be_asked_for_twice():
    encoder, other = two_encoders(affect)
    batch = samples()
    tokenise_ahead([EncoderCall(encoder, batch, "series"), EncoderCall(other, batch, "series")])
    total = tokenise(encoder, batch, "series")[0].square().sum()
    weights = [p for p in encoder.parameters() if p.requires_grad]
    first = torch.autograd.grad(total, weights, retain_graph=True)
    second = torch.autograd.grad(total, weights)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_an_error_of_an_encoder_reaches_the_caller():
    class Failing(Watched):
        draws = Watched.draws

        def forward(self, x):
            if threading.current_thread().name.startswith("coral-encoder"):
                raise ValueError("no such step")
            return super().forward(x)

    with pytest.raises(ValueError, match="no such step"):
        laid_by(two_encoders(Failing), samples())
    assert torch.get_num_threads() == 2


def test_an_error_while_masks_are_drawn_reaches_the_caller(monkeypatch):
    """Threads that wait for a mask do not wait for ever."""

    def fails(shape, p):
        raise MemoryError("no memory for a mask")

    monkeypatch.setattr(alongside, "kept", fails)
    calls = [EncoderCall(encoder, samples(), "series") for encoder in two_encoders(affect)]
    with pytest.raises(MemoryError, match="no memory for a mask"):
        tokenise_ahead(calls)


def test_a_thread_that_does_not_start_leaves_nobody_waiting(monkeypatch):
    pool = alongside._pool(2)
    submitted = []

    class Full:
        def submit(self, *task):
            if submitted:
                raise RuntimeError("can't start new thread")
            submitted.append(pool.submit(*task))
            return submitted[0]

    monkeypatch.setattr(alongside, "_pool", lambda threads: Full())
    with pytest.raises(RuntimeError, match="can't start new thread"):
        tokenise_ahead([EncoderCall(encoder, samples(), "series") for encoder in two_encoders(affect)])
    assert submitted[0].done()


def test_a_second_backward_pass_needs_the_graph():
    encoders, batch = two_encoders(GRU), samples()
    tokenise_ahead([EncoderCall(encoder, batch, "series") for encoder in encoders])
    loss = sum(tokenise(encoder, batch, "series")[0].sum() for encoder in encoders)
    loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        loss.backward()


@pytest.mark.parametrize(("ahead", "words"), [(True, "one_after_the_other"), (False, "fused=False")])
def test_a_second_derivative_is_refused(ahead, words):
    encoders, batch = two_encoders(GRU), samples()
    if ahead:
        tokenise_ahead([EncoderCall(encoder, batch, "series") for encoder in encoders])
    loss = sum(tokenise(encoder, batch, "series")[0].sum() for encoder in encoders)
    with pytest.raises(InputError, match=words):
        loss.backward(create_graph=True)


def test_operations_on_all_threads_are_counted():
    encoders = two_encoders(GRU)

    def step():
        batch = samples()
        tokenise_ahead([EncoderCall(encoder, batch, "series") for encoder in encoders])
        sum(tokenise(encoder, batch, "series")[0].sum() for encoder in encoders).backward()

    together = count_flops(step, gradients=True)
    for encoder in encoders:
        encoder.encoder.fused = False
    assert together == count_flops(step, gradients=True) > 0


class Dropping(Conv1d):
    """Draws what its base class does not know of."""

    def forward(self, x, padding=None):
        return super().forward(torch.dropout(x, 0.5, self.training), padding)


def test_what_a_class_says_of_its_forward_pass_is_not_believed_of_another_one():
    assert not laid_by(two_encoders(Dropping), samples())
    parametrised = two_encoders(Conv1d)
    for encoder in parametrised:
        (layer,) = [part for part in encoder.encoder.modules() if isinstance(part, nn.Conv1d)][:1]
        nn.utils.parametrizations.weight_norm(layer)
    assert not laid_by(parametrised, samples())


def test_hooks_of_parameters_run_once():
    encoders = two_encoders(GRU)
    next(encoders[0].encoder.parameters()).register_hook(lambda gradient: 2 * gradient)
    assert not laid_by(encoders, samples())


@pytest.mark.parametrize(("drawn", "asked"), [([], 4), ([3], 4)])
def test_a_mask_that_was_not_drawn_is_an_error(drawn, asked):
    source = Drawn()
    for size in drawn:
        source.put(kept(torch.Size([size]), 0.5))
    source.end()
    with source.read(), pytest.raises(RuntimeError, match=r"asks for a mask of shape \(4,\)"):
        kept(torch.Size([asked]), 0.5)
    assert kept(torch.Size([asked]), 0.5).shape == (4,)  # afterwards masks are drawn again


def test_other_threads_draw_for_themselves():
    source, seen = Drawn(), []
    source.put(kept(torch.Size([2]), 0.5))
    source.end()
    with source.read():
        thread = threading.Thread(target=lambda: seen.append(dropout.kept(torch.Size([7]), 0.5)))
        thread.start()
        thread.join()
    assert seen[0].shape == (7,)
