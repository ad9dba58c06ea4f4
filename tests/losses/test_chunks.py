"""Losses of large batches, a chunk of rows at a time, against the whole matrix at once."""

from functools import partial

import pytest
import torch

from coral_plugin.errors import InputError
from coral_plugin.losses import chunked, chunks, clip_loss, info_nce, nt_xent
from coral_plugin.losses.chunks import sum_over_rows
from coral_plugin.losses.infmasking import masked_bound
from coral_plugin.losses.supervised import supervised_contrast
from coral_plugin.machine import as_if_whole

SHAPES = {"masked": (9, 4, 5), "scale": ()}
LOSSES = {
    "nt_xent": (nt_xent, ("a", "b")),
    "info_nce": (info_nce, ("a", "b")),
    "clip": (clip_loss, ("a", "b", "scale")),
    "supervised": (partial(supervised_contrast, labels=torch.arange(9) % 3), ("a", "b")),
    "neutral": (partial(supervised_contrast, labels=torch.arange(9) % 3, neutral=True), ("a", "b")),
    "masked_bound": (partial(masked_bound, covariance_weight=0.7), ("a", "masked")),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


@pytest.fixture
def few(monkeypatch):
    """Chunks of a row or a few, where the matrices of nine samples have 81 entries and more."""

    def entries(number):
        monkeypatch.setattr(chunks, "_ENTRIES", {"cpu": number})

    return entries


def arguments(name, dtype=torch.float64):
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randn(SHAPES.get(key, (9, 5)), dtype=dtype, generator=generator).requires_grad_()
        for key in LOSSES[name][1]
    ]


def value_and_gradients(name, dtype=torch.float64):
    tensors = arguments(name, dtype)
    value = LOSSES[name][0](*tensors)
    return [value.detach(), *torch.autograd.grad(1.7 * value, tensors)]


@every_loss
@pytest.mark.parametrize("entries", [1, 40, 80])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_value_and_gradients_are_those_of_the_whole_matrix(few, name, entries, dtype):
    whole = value_and_gradients(name, dtype)
    few(entries)
    tolerance = {"rtol": 1e-12, "atol": 1e-13} if dtype == torch.float64 else {"rtol": 1e-5, "atol": 1e-6}
    parts = value_and_gradients(name, dtype)
    assert all(torch.allclose(a, b, **tolerance) for a, b in zip(whole, parts, strict=True))
    with chunked(False):
        assert all(map(torch.equal, whole, value_and_gradients(name, dtype)))


@every_loss
def test_gradient_against_finite_differences(few, name):
    few(40)
    assert torch.autograd.gradcheck(LOSSES[name][0], arguments(name), fast_mode=True)


@every_loss
def test_no_chunk_is_larger_than_asked_and_none_is_kept(few, name, monkeypatch):
    few(40)
    sizes, widths, kept = [], [], []

    def spy(term, rows, whole, width):
        widths.append(width)

        def watched(start, *tensors):
            sizes.append(len(tensors[0]) * width)
            return term(start, *tensors)

        return sum_over_rows(watched, rows, whole, width)

    for module in ("contrastive", "clip", "supervised", "infmasking"):
        monkeypatch.setattr(f"coral_plugin.losses.{module}.sum_over_rows", spy)
    tensors = arguments(name)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.numel()), t)[1], lambda t: t):
        LOSSES[name][0](*tensors)
    assert min(widths) >= 9  # a row is compared with every sample
    assert len(sizes) > len(widths)
    assert max(sizes) <= max(40, *widths)  # a row is the least
    assert max(kept) <= 2 * max(tensor.numel() for tensor in tensors)


def test_one_gradient_alone_and_none(few):
    few(20)
    one, two = arguments("nt_xent")
    (alone,) = torch.autograd.grad(nt_xent(one, two.detach()), one)
    assert torch.allclose(alone, torch.autograd.grad(nt_xent(one, two), one)[0])
    with torch.no_grad():
        assert not nt_xent(one, two).requires_grad
    assert torch.allclose(nt_xent(one.detach(), two.detach()), nt_xent(one, two))


def test_a_second_derivative_is_refused(few):
    few(20)
    one, two = arguments("nt_xent")
    with pytest.raises(InputError, match=r"cannot be differentiated twice: .*chunked\(False\)"):
        torch.autograd.grad(nt_xent(one, two), one, create_graph=True)
    with chunked(False):
        (gradient,) = torch.autograd.grad(nt_xent(one, two), one, create_graph=True)
    assert torch.autograd.grad(gradient.square().sum(), one)[0].abs().sum() > 0


def test_a_part_of_a_batch_is_cut_as_the_whole_one_would_be():
    calls = []

    def term(start, part, z):
        calls.append((start, len(part)))
        return (part @ z.T).sum()

    z = torch.randn(8, 3, requires_grad=True)
    for share in (1.0, 8 / 1448, 8 / 2000):
        with as_if_whole(share):
            sum_over_rows(term, [z], [z], width=8)
    # 1448 rows of 1448 entries are computed at once; of 2000 rows 1048 are, which are 4.2 of 8
    assert calls == [(0, 8), (0, 8), (0, 4), (4, 4)]


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "clip"])  # the scale of clip is an argument
@pytest.mark.parametrize("entries", [40, 10_000])
def test_a_learnt_temperature_has_its_gradient_at_every_size(few, name, entries):
    few(entries)
    tensors = [tensor.detach() for tensor in arguments(name)]
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: LOSSES[name][0](*tensors, temperature=t), temperature)


@every_loss
def test_autocast_is_off_inside(few, name):
    tensors = [tensor.detach() for tensor in arguments(name, torch.float32)]
    expected = LOSSES[name][0](*tensors)
    for entries in (40, 10_000):
        few(entries)
        with torch.autocast("cpu", torch.bfloat16):
            value = LOSSES[name][0](*tensors)
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)


def test_torch_func_takes_the_matrix_at_once(few):
    a, b = (tensor.detach() for tensor in arguments("nt_xent"))
    expected = torch.func.grad(nt_xent)(a, b)
    few(40)
    torch.testing.assert_close(torch.func.grad(nt_xent)(a, b), expected)


def test_shapes_alone_are_computed_on_the_meta_device():
    assert nt_xent(*(tensor.to("meta") for tensor in arguments("nt_xent"))).shape == ()
