"""Both twins take three steps; what they differ by, and the authors' numbers for the tests."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from twins_authors import Authors
from twins_names import align
from twins_ours import STEPS, Ours, gradient_norm, weighted_sum

# gradients that are smaller than this, where the largest is 1, are rounding: those of a bias in front of a
# normalisation or of keys of the attention. Adam divides them by themselves, and a parameter wanders by as much
ROUNDING = 1e-11


def take_steps(ours: Ours, theirs: Authors) -> tuple[dict[str, Any], dict[str, Any]]:
    """Three steps of both.

    Returns:
        Largest absolute differences of each step and of the embedding, and what a test holds on to: the authors' terms
        of the loss, norms of gradients, norm and weighted sum of the embedding.
    """
    places = share_positions(ours, theirs)
    mine = dict(ours.objective.named_parameters())
    steps, golden = [], []
    for step in range(STEPS):
        terms, other_terms = ours.backward(step), theirs.backward(step)
        if terms.keys() != other_terms.keys():
            raise AssertionError(f"terms {sorted(terms)} here, {sorted(other_terms)} there")
        pairs = {name: (mine[name].grad, theirs.parameters[other].grad) for name, other in ours.names.items()}
        aligned_gradients = {name: aligned(ours.names[name], gradient) for name, (_, gradient) in pairs.items()}
        gradients = {name: difference(gradient, aligned_gradients[name]) for name, (gradient, _) in pairs.items()}
        largest = max(float(g.abs().max()) for g in aligned_gradients.values() if g is not None)
        moved = {
            name
            for name, g in aligned_gradients.items()
            if g is not None and float(g.abs().max()) > ROUNDING * max(1.0, largest)
        }
        ours.update()
        theirs.update()
        parameters = {
            name: difference(mine[name].detach(), aligned(other, theirs.parameters[other].detach()))
            for name, other in ours.names.items()
        }
        unmoved = {name: value for name, value in parameters.items() if name not in moved}
        steps.append(
            {
                "terms": {name: abs(float(term - other_terms[name])) for name, term in terms.items()},
                "loss": max(abs(float(term - other_terms[name])) for name, term in terms.items()),
                "gradient": max(gradients.values()),
                "gradient_largest": largest,
                "gradient_where": max(gradients, key=gradients.__getitem__),
                "parameter": max(value for name, value in parameters.items() if name in moved),
                "parameter_rounding": max(unmoved.values(), default=0.0),
                "parameter_rounding_names": sorted(unmoved),
            }
        )
        total = gradient_norm(aligned_gradients)
        golden.append({"terms": {k: float(v) for k, v in other_terms.items()}, "gradient_norm": total})
    mine_z, their_z = ours.embedding(), theirs.embedding()
    result = {
        "steps": steps,
        **{name: max(step[name] for step in steps) for name in ("loss", "gradient", "parameter", "parameter_rounding")},
        "embedding": float((mine_z - their_z).abs().max()),
        "embedding_width": mine_z.shape[1],
        "parameters": sum(p.numel() for p in mine.values()),
        "without_a_pair": sorted(set(theirs.parameters) - set(ours.names.values())),
        **places,
    }
    kept = {"embedding_norm": float(their_z.norm()), "embedding_weighted_sum": weighted_sum(their_z)}
    return result, {"steps": golden, **kept}


def aligned(theirs: str, values: Tensor | None) -> Tensor | None:
    """Their tensor in our order of columns."""
    return None if values is None else align(theirs, values)


def difference(mine: Tensor | None, theirs: Tensor | None) -> float:
    """Largest absolute difference; no gradient is a gradient of zeros. Shapes may differ by axes of length 1."""
    if mine is None or theirs is None:
        present = mine if theirs is None else theirs
        return 0.0 if present is None else float(present.abs().max())
    return float((mine - theirs.reshape(mine.shape)).abs().max())


def share_positions(ours: Ours, theirs: Authors) -> dict[str, float]:
    """Give our tokenizers of images the authors' position codes; how much the two differ, if there are any."""
    mine = [buffer for name, buffer in ours.objective.named_buffers() if name.endswith("tokenizer.position")]
    codes = [p for name, p in theirs.parameters.items() if name.endswith("pos_emb")]
    if not codes:
        return {}
    differences = []
    for buffer, code in zip(mine, codes, strict=True):
        flat = code.detach().flatten(2).transpose(1, 2)[0]
        differences.append(float((buffer - flat).abs().max()))
        with torch.no_grad():
            buffer.copy_(flat)
    return {"position_codes": max(differences)}
