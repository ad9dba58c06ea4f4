"""Gated recurrent units whose weights get their gradient in one product over all steps of time.

torch's own network for the CPU multiplies once a step for the gradient of the recurrent weights, with as many rows as
there are samples, and adds the results up: of MIMIC's shapes (24 steps, 512 units) these are 24 matrices of 3 MiB.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from coral_plugin.derivatives import refuse_second_derivative
from coral_plugin.networks.precision import plain_on_cpu, untouched
from coral_plugin.networks.rows import exporting

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def gated_states(gru: nn.GRU, x: Tensor, *, fused: bool = True) -> Tensor:
    """States ``(B, T, H)`` of the last layer for ``x`` (B, T, d): ``gru(x)[0]``.

    Args:
        gru: Network with biases, batch first, in one direction and without dropout.
        x: Series.
        fused: Whether a CPU may compute the gradients of all steps at once; otherwise, on other devices and in other
            types than float32 and float64 the network itself is called (same result).

    Example:
        >>> gru = nn.GRU(3, 8, batch_first=True)
        >>> x = torch.ones(2, 5, 3)
        >>> bool(torch.allclose(gated_states(gru, x), gru(x)[0], atol=1e-6))
        True
    """
    if not (fused and _fits(gru, x)):
        plain: Tensor = gru(x)[0]
        return plain
    states = x
    for layer in range(gru.num_layers):
        weights = [getattr(gru, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        states = _Layer.apply(states, *weights)
    return states


def _fits(gru: nn.GRU, x: Tensor) -> bool:
    return plain_on_cpu(x) and torch.is_grad_enabled() and not exporting() and x.numel() > 0 and untouched(gru, nn.GRU)


class _Layer(torch.autograd.Function):
    """One layer, with the gates in torch's order: reset r, update z, new n."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w_x: Tensor, w_h: Tensor, b_x: Tensor, b_h: Tensor) -> Tensor:
        size, steps, _ = x.shape
        units = w_h.shape[1]
        series = x.transpose(0, 1).reshape(steps * size, -1)
        outer = 2 * units  # r and z; a bias of theirs may be added to either side
        bias = b_x + torch.cat([b_h[:outer], b_h.new_zeros(units)])
        gates = torch.addmm(bias, series, w_x.t()).view(steps, size, 3 * units)
        states = x.new_empty(steps + 1, size, units)
        states[0] = 0
        of_state = x.new_empty(steps, size, units)  # what r scales
        product, transposed = x.new_empty(size, 3 * units), w_h.t()
        for t in range(steps):
            torch.mm(states[t], transposed, out=product)
            r_z, n = gates[t, :, :outer], gates[t, :, outer:]
            r_z.add_(product[:, :outer]).sigmoid_()
            torch.add(product[:, outer:], b_h[outer:], out=of_state[t])
            n.addcmul_(r_z[:, :units], of_state[t]).tanh_()
            torch.lerp(n, states[t], r_z[:, units:], out=states[t + 1])
        ctx.save_for_backward(series, w_x, w_h, states, gates, of_state)
        return states[1:].transpose(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        refuse_second_derivative("The fused GRU", "choose the encoder gru(fused=False)")
        series, w_x, w_h, states, gates, of_state = ctx.saved_tensors
        steps, size, units = of_state.shape
        grad = grads[0].transpose(0, 1)
        by_state, by_new = torch.empty_like(gates), torch.empty_like(of_state)
        scratch = grad.new_empty(size, units)
        of_h = grad[-1]
        for t in reversed(range(steps)):
            r, z, n = gates[t].split(units, dim=1)
            by_r, by_z, by_n = by_state[t].split(units, dim=1)
            torch.sub(states[t], n, out=scratch).mul_(of_h)
            _sigmoid_backward(scratch, z, grad_input=by_z)
            torch.addcmul(of_h, of_h, z, value=-1, out=scratch)
            _tanh_backward(scratch, n, grad_input=by_new[t])
            torch.mul(by_new[t], of_state[t], out=scratch)
            _sigmoid_backward(scratch, r, grad_input=by_r)
            torch.mul(by_new[t], r, out=by_n)
            if t:
                of_h = torch.addcmul(grad[t - 1], of_h, z).addmm_(by_state[t], w_h)
        rows, new = by_state.flatten(0, 1), by_new.flatten(0, 1)
        outer = rows[:, : 2 * units]
        of_w_h = (states[:-1].flatten(0, 1).t() @ rows).t()
        of_w_x = torch.cat([outer.t() @ series, new.t() @ series])
        of_b_h = rows.sum(0)
        of_b_x = torch.cat([of_b_h[: 2 * units], new.sum(0)])
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = (outer @ w_x[: 2 * units]).addmm_(new, w_x[2 * units :]).view(steps, size, -1).transpose(0, 1)
        return of_x, of_w_x, of_w_h, of_b_x, of_b_h
