"""Measures between parts whose relation is known."""

import json

import numpy as np
import pytest

from coral_plugin.errors import InputError
from coral_plugin.evaluation.disentanglement import (
    canonical_angle,
    cross_prediction,
    disentanglement,
    grassmann_distance,
    linear_cka,
    mean_cosine,
)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def centred_basis(n, k, seed=0):
    """Orthonormal columns that are orthogonal to the constant."""
    raw = normal(n, k + 1, seed=seed)
    raw[:, 0] = 1
    return np.linalg.qr(raw)[0][:, 1:]


def naive_hsic(k, m):
    n = len(k)
    h = np.eye(n) - 1 / n
    return np.trace(k @ h @ m @ h)


@pytest.mark.parametrize("widths", [(3, 3), (2, 7), (40, 5)])
def test_cka_is_the_hsic_of_linear_kernels(widths):
    a, b = normal(20, widths[0]) + 2, normal(20, widths[1], seed=1)
    b[:, 0] += a[:, 0]
    k, m = a @ a.T, b @ b.T
    expected = naive_hsic(k, m) / np.sqrt(naive_hsic(k, k) * naive_hsic(m, m))
    assert linear_cka(a, b) == pytest.approx(expected)


def test_cka_of_rotations_and_of_orthogonal_parts():
    a = normal(30, 4)
    rotation = np.linalg.qr(normal(4, 4, seed=3))[0]
    assert linear_cka(a, 1e-160 * (a @ rotation) + 0) == pytest.approx(1)
    basis = centred_basis(30, 6)
    assert linear_cka(basis[:, :3], basis[:, 3:]) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, np.pi / 4, 1.2, np.pi / 2])
def test_canonical_angle_of_known_angles(angle):
    """All k angles equal t: it is t over a right angle, whatever the scales of the columns."""
    basis = centred_basis(50, 6)
    a = basis[:, :3]
    b = np.cos(angle) * a + np.sin(angle) * basis[:, 3:]
    mixed = b @ normal(3, 3, seed=5) + 7
    assert canonical_angle(a * [1, 20, 300], mixed) == pytest.approx(angle / (np.pi / 2), abs=1e-9)
    assert canonical_angle(mixed, a) == pytest.approx(angle / (np.pi / 2), abs=1e-9)


def test_canonical_angle_of_different_angles_is_their_root_mean_square():
    basis = centred_basis(50, 4)
    angles = np.array([0.2, 1.4])
    b = np.cos(angles) * basis[:, :2] + np.sin(angles) * basis[:, 2:]
    expected = np.linalg.norm(angles) / (np.sqrt(2) * np.pi / 2)
    assert canonical_angle(basis[:, :2], b) == pytest.approx(expected)


def test_canonical_angle_compares_the_leading_directions_only():
    basis = centred_basis(60, 24)
    a = basis[:, :12] * np.array([20.0, 10.0] + [0.1] * 10)
    b = np.concatenate([basis[:, :2] * 10, basis[:, 12:22] * 0.1], axis=1)
    assert canonical_angle(a, b, directions=2) == pytest.approx(0, abs=1e-7)
    assert canonical_angle(a, b, directions=10) == pytest.approx(np.sqrt(0.8))
    # a part of rank one has one direction
    assert canonical_angle(a, a[:, :1] @ np.ones((1, 5))) == pytest.approx(0, abs=1e-7)


def spanned(basis, scales, n=400, seed=0):
    """Samples whose principal directions in feature space are the columns of ``basis``, in this order of variance."""
    scores = centred_basis(n, basis.shape[1], seed)
    return (scores * scales) @ basis.T + normal(1, len(basis), seed=seed + 1)


@pytest.mark.parametrize("angle", [0.0, 1e-6, 0.3, np.pi / 4, np.pi / 2])
def test_grassmann_distance_of_known_angles_between_directions_of_features(angle):
    """It knows no samples: the parts have other samples, in any order."""
    basis = np.linalg.qr(normal(8, 6, seed=2))[0]
    turned = np.cos(angle) * basis[:, :3] + np.sin(angle) * basis[:, 3:]
    a, b = spanned(basis[:, :3], [30, 20, 10]), spanned(turned, [3, 2, 1], n=90, seed=7)
    assert grassmann_distance(a, b) == pytest.approx(angle / (np.pi / 2), abs=1e-9)
    assert grassmann_distance(b[::-1], a) == pytest.approx(angle / (np.pi / 2), abs=1e-9)


def test_grassmann_distance_compares_the_leading_directions_only():
    basis = np.linalg.qr(normal(24, 20, seed=2))[0]
    a = spanned(basis[:, :10], [20, 10, *[0.1] * 8])
    b = spanned(basis[:, [0, 1, *range(10, 18)]], [20, 10, *[0.1] * 8], seed=3)
    assert grassmann_distance(a, b, directions=2) == pytest.approx(0, abs=1e-7)
    assert grassmann_distance(a, b, directions=10) == pytest.approx(np.sqrt(0.8))


def test_directions_of_features_and_what_is_said_of_samples_are_two_things():
    """The same axes with unrelated samples, and the same samples on other axes."""
    basis = np.linalg.qr(normal(6, 4, seed=2))[0]
    axes, others = basis[:, :2], basis[:, 2:]
    a, unrelated, moved = spanned(axes, [2, 1]), spanned(axes, [2, 1], seed=5), spanned(others, [2, 1])
    assert grassmann_distance(a, unrelated) == pytest.approx(0, abs=1e-7)
    assert canonical_angle(a, unrelated) > 0.9
    assert grassmann_distance(a, moved) == pytest.approx(1)
    assert canonical_angle(a, moved) == pytest.approx(0, abs=1e-7)


def test_directions_of_different_spaces_are_refused():
    with pytest.raises(InputError, match="one width, got 3 and 4"):
        grassmann_distance(normal(9, 3), normal(9, 4))


def test_cosine_is_absolute():
    a = normal(9, 4)
    assert mean_cosine(a, -2 * a) == pytest.approx(1)
    assert mean_cosine(np.array([[1.0, 0], [1, 0]]), np.array([[0, 1.0], [3, 3]])) == pytest.approx(np.sqrt(0.5) / 2)
    assert mean_cosine(np.zeros((2, 3)), np.ones((2, 3))) == 0


def test_cross_prediction_is_one_way():
    a = normal(400, 4)
    a -= a.mean(axis=0)
    squares = a**2
    both = np.concatenate([a, squares], axis=1)
    assert cross_prediction(both, squares) > 0.99
    assert cross_prediction(both, a * 1e6) > 0.99
    assert cross_prediction(a, squares) < 0.1


def test_cross_prediction_of_half_of_the_variance():
    """b is a plus noise of the same variance: R² is one half."""
    a = normal(20000, 3)
    assert cross_prediction(a, a + normal(20000, 3, seed=9)) == pytest.approx(0.5, abs=0.02)
    # weighted by variance, a second output that is noise takes its share: 4 of 4 + 16
    b = np.stack([2 * a[:, 0], 4 * normal(20000, seed=8)], axis=1)
    assert cross_prediction(a, b) == pytest.approx(0.2, abs=0.02)


def test_unrelated_parts():
    a, b = normal(2000, 4), normal(2000, 4, seed=1)
    assert linear_cka(a, b) < 0.01
    assert canonical_angle(a, b) > 0.95
    assert cross_prediction(a, b) < 0.01


def test_every_pair_in_order():
    parts = {"shared": normal(50, 24), "unique/text": normal(50, 12, seed=1), "unique/vision": normal(50, 12, seed=2)}
    measures = disentanglement({name: part.astype(np.float32) for name, part in parts.items()})
    assert list(measures) == [
        "shared | unique/text",
        "shared | unique/vision",
        "unique/text | unique/vision",
    ]
    assert set(measures["shared | unique/text"]) == {"cka", "canonical_angle", "r2_forward", "r2_backward"}
    last = measures["unique/text | unique/vision"]
    a, b = parts["unique/text"], parts["unique/vision"]
    expected = {
        "cosine": mean_cosine(a, b),
        "cka": linear_cka(a, b),
        "grassmann_distance": grassmann_distance(a, b),
        "canonical_angle": canonical_angle(a, b),
        "r2_forward": cross_prediction(a, b),
        "r2_backward": cross_prediction(b, a),
    }
    assert last == pytest.approx(expected, rel=1e-4, abs=1e-6)
    json.dumps(measures)


def test_the_first_part_predicts_forward():
    a = normal(400, 3)
    measures = disentanglement({"whole": a, "share": a[:, :1]})["whole | share"]
    assert measures["r2_forward"] > 0.99
    assert measures["r2_backward"] < 0.5


def test_what_is_not_defined_is_left_out():
    constant = np.full((20, 3), 0.1, np.float32)
    measures = disentanglement({"a": normal(20, 3), "b": constant})["a | b"]
    assert set(measures) == {"cosine", "r2_backward"}
    assert measures["r2_backward"] == 0
    few = disentanglement({"a": normal(3, 2), "b": normal(3, 2, seed=1)})["a | b"]
    assert set(few) == {"cosine", "cka"}
    # ten directions are all that eight columns have, and two such spaces are one
    for width, defined in ((8, False), (32, True)):
        parts = {"a": normal(60, width), "b": normal(60, width, seed=1)}
        assert ("grassmann_distance" in disentanglement(parts)["a | b"]) == defined
    assert grassmann_distance(normal(60, 8), normal(60, 8, seed=1)) is None
    assert disentanglement({"a": normal(5, 2)}) == {}
    assert disentanglement({}) == {}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"a": np.ones((3, 2)), "b": np.ones((4, 2))}, "same samples"),
        ({"a": np.ones(3)}, "same samples"),
        ({"a": np.ones((3, 0))}, "same samples"),
        ({"a": np.ones((3, 2)), "b": np.full((3, 2), np.nan)}, "'b' holds values that are not finite"),
    ],
)
def test_wrong_input_is_said(parts, message):
    with pytest.raises(InputError, match=message):
        disentanglement(parts)
