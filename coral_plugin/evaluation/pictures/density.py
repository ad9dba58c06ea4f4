"""Where the parts of a representation lie (paper, Figure 5): densities of the embeddings in one common plane."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import gaussian_kde

from coral_plugin.errors import InputError, PluginError
from coral_plugin.evaluation.pictures.classes import ClassPoints, draw_classes
from coral_plugin.evaluation.pictures.figure import (
    GREY,
    colour_of,
    new_figure,
    put_title,
    save_figure,
    short_label,
    style_axes,
)

MAX_POINTS = 1500
GRID_POINTS = 80
# contours enclose these shares of the points, from the outer line to the inner one
_ENCLOSED = (0.95, 0.75, 0.5, 0.25)
_ALPHAS = (0.12, 0.22, 0.34, 0.48)
_TEST, _WHOLE = "test", "all parts"

PartEmbeddings = Mapping[str, np.ndarray]
Planes = dict[str, dict[str, np.ndarray]]


def embedding_density(
    path: Path,
    train: PartEmbeddings,
    test: PartEmbeddings,
    *,
    classes: ClassPoints | None = None,
    title: str = "Embeddings",
    method: Literal["pca", "umap"] = "pca",
    seed: int = 0,
) -> None:
    """Draw contours of the training (filled) and test (lines) embeddings of every part, and the classes of test.

    The contours are those of rows scaled to length one. The classes have a plane of their own, beside it.

    Args:
        path: File without ending; see :func:`coral_plugin.evaluation.pictures.figure.save_figure`.
        train: Parts ``{part: (N, d)}`` of one width, for example the projected ones; the plane is fitted on them.
        test: The same parts of the test samples.
        classes: Whole representation of the test samples with their classes; None leaves the second plane out.
        title: Title of the picture.
        method: Projection from d dimensions to two.
        seed: Seed of UMAP and of the choice of the points that are drawn, at most 1500 per part.

    Raises:
        InputError: parts that differ between the splits or in width, or values that are not finite.
        PluginError: ``umap`` where it is not installed.
    """
    _check(train, test)
    if method not in _PLANES:
        raise InputError(f"Unknown method {method!r} for the plane of the embeddings; known: {', '.join(_PLANES)}.")
    plane_of = _PLANES[method]
    train, test = ({name: _unit(part) for name, part in split.items()} for split in (train, test))
    planes, heads = plane_of(train, {"train": _choose(train, seed), _TEST: _choose(test, seed)}, seed)
    figure = new_figure(5.2, 8.0 if classes else 6.4)
    put_title(figure, title, method.upper())
    of_train, of_test = (len(next(iter(split.values()))) for split in (train, test))
    most = f"; at most {MAX_POINTS:,} of each are drawn" if max(of_train, of_test) > MAX_POINTS else ""
    note = f"Samples that have every modality: {of_train:,} of train, {of_test:,} of test{most}."
    figure.supxlabel(note, fontsize=9.5, color=GREY, x=0.012, ha="left")
    panels = figure.subplots(1, 2 if classes else 1, squeeze=False)[0]
    for split, parts in planes.items():
        for index, points in enumerate(parts.values()):
            _draw(panels[0], points, colour_of(index), filled=split != _TEST)
    _finish(panels[0], heads, "by part", _handles(list(train)))
    data: list[list[Any]] = [
        [part, split, "", *map(float, point)]
        for split, parts in planes.items()
        for part, points in parts.items()
        for point in points
    ]
    if classes:
        data += _draw_labelled(panels[1], classes, plane_of, seed)
    save_figure(figure, path, ["part", "split", "class", "x", "y"], data)


def _draw_labelled(axes: Any, classes: ClassPoints, plane_of: _PlaneOf, seed: int) -> list[list[Any]]:
    chosen = _choose({_WHOLE: classes.points, "labels": classes.labels}, seed)
    points, labels = chosen[_WHOLE].astype(np.float64), chosen["labels"]
    planes, heads = plane_of({_WHOLE: points}, {_TEST: {_WHOLE: points}}, seed)
    plane, names = planes[_TEST][_WHOLE], classes.task.classes
    draw_classes(axes, plane, labels, names)
    _finish(axes, heads, f"by class of {short_label(classes.task.name, 16)}: all parts, test", None)
    return [[_WHOLE, _TEST, names[label], *map(float, point)] for label, point in zip(labels, plane, strict=True)]


def _finish(axes: Any, heads: Sequence[str], title: str, handles: Sequence[Any] | None) -> None:
    axes.set_xlabel(heads[0], fontsize=10)
    axes.set_ylabel(heads[1], fontsize=10)
    axes.set_title(title, fontsize=11.5)
    axes.use_sticky_edges = False  # contours would reach the frame
    axes.margins(0.04)
    style_axes(axes, grid=None)
    legend = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.15), "ncols": 2, "frameon": False, "fontsize": 9.5}
    axes.legend(
        **({} if handles is None else {"handles": handles}),
        handletextpad=0.5,
        columnspacing=1.2,
        markerscale=1.8,
        **legend,
    )


def _check(train: PartEmbeddings, test: PartEmbeddings) -> None:
    if not train or list(train) != list(test):
        raise InputError(
            f"Train has the parts {list(train)}, test {list(test)}; a plane needs the same ones, at least one."
        )
    arrays = [*train.values(), *test.values()]
    if any(part.ndim != 2 or not part.size for part in arrays) or len({part.shape[1] for part in arrays}) > 1:
        widths = {name: part.shape for name, part in train.items()}
        raise InputError(f"The parts must be (samples, one common width) to share a plane, got {widths}.")
    if not all(np.isfinite(part).all() for part in arrays):
        raise InputError("The embeddings hold values that are not finite.")


def _unit(part: np.ndarray) -> np.ndarray:
    part = part.astype(np.float64)
    lengths = np.linalg.norm(part, axis=1, keepdims=True)
    return part / np.where(lengths > 0, lengths, 1.0)


def _choose(parts: PartEmbeddings, seed: int) -> dict[str, np.ndarray]:
    chosen = {}
    for name, part in parts.items():
        # a generator for each part: the same samples of all of them
        rng = np.random.default_rng(seed)
        chosen[name] = (
            part if len(part) <= MAX_POINTS else part[np.sort(rng.choice(len(part), MAX_POINTS, replace=False))]
        )
    return chosen


def _pca(train: PartEmbeddings, drawn: Mapping[str, PartEmbeddings], seed: int) -> tuple[Planes, list[str]]:
    """Coordinates on the two leading components of all training rows together."""
    del seed  # the components are exact
    count = sum(map(len, train.values()))
    centre = np.sum([part.sum(axis=0) for part in train.values()], axis=0) / count
    # of the d x d covariance, so that a big data set is never copied as a whole
    covariance = np.sum([(part - centre).T @ (part - centre) for part in train.values()], axis=0) / count
    axes, variances, _ = np.linalg.svd(covariance, hermitian=True)
    axes = axes[:, :2]
    # the sign of a component is arbitrary; fixed, a picture does not flip between machines
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
    if axes.shape[1] < 2:
        axes, variances = np.pad(axes, ((0, 0), (0, 1))), np.pad(variances, (0, 1))
    planes = {s: {name: (part - centre) @ axes for name, part in parts.items()} for s, parts in drawn.items()}
    shares = variances[:2] / max(variances.sum(), 1e-300)
    return planes, [f"component {i + 1} ({share:.0%} of the variance)" for i, share in enumerate(shares)]


def require_umap() -> None:
    """Refuse, before any work, where UMAP is needed and not installed.

    Raises:
        PluginError: it is not installed.
    """
    if find_spec("umap") is None:
        raise PluginError("umap-learn is not installed: pip install 'coral-multibench[umap]'.")


def _umap(train: PartEmbeddings, drawn: Mapping[str, PartEmbeddings], seed: int) -> tuple[Planes, list[str]]:
    del train  # too many: the plane is fitted on those that are drawn
    require_umap()
    from umap import UMAP

    together = np.concatenate(list(next(iter(drawn.values())).values()))
    # one job is what a fixed seed needs; umap warns where it has to set that itself
    plane = UMAP(n_components=2, n_neighbors=min(15, len(together) - 1), random_state=seed, n_jobs=1).fit(together)
    planes = {s: {name: plane.transform(part) for name, part in parts.items()} for s, parts in drawn.items()}
    return planes, ["UMAP 1 (no unit)", "UMAP 2 (no unit)"]


_PlaneOf = Callable[[PartEmbeddings, Mapping[str, PartEmbeddings], int], tuple[Planes, list[str]]]
_PLANES: dict[str, _PlaneOf] = {"pca": _pca, "umap": _umap}


def _draw(axes: Any, points: np.ndarray, colour: str, *, filled: bool) -> None:
    mesh = _density(points)
    if mesh is None:
        marker = {"marker": "o", "alpha": 0.5} if filled else {"marker": "x"}
        axes.scatter(*points.T, s=18, color=colour, linewidth=1.0, **marker)
    elif filled:
        fills = [(colour, alpha) for alpha in _ALPHAS[: len(mesh[3])]]
        axes.contourf(*mesh[:3], levels=[*mesh[3], np.inf], colors=fills)
    else:
        axes.contour(*mesh[:3], levels=mesh[3], colors=colour, linewidths=1.2)


def _density(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Grid, kernel density on it and its levels; None for points that have no density in the plane."""
    if len(points) < 8:
        return None
    variances = np.linalg.eigvalsh(np.cov(points.T))
    if variances[0] <= 1e-8 * variances[1] or variances[1] <= 1e-20 * np.square(points).max():
        return None
    kernel = gaussian_kde(points.T)
    # one grid per part: a narrow part would fall between the points of a common grid
    reach = 3 * np.sqrt(np.diag(kernel.covariance))
    sides = np.linspace(points.min(axis=0) - reach, points.max(axis=0) + reach, GRID_POINTS)
    x, y = np.meshgrid(*sides.T)
    height = kernel(np.stack([x.ravel(), y.ravel()])).reshape(x.shape)
    levels = np.unique(np.quantile(kernel(points.T), [1 - share for share in _ENCLOSED]))
    levels = levels[(levels > height.min()) & (levels < height.max())]
    return (x, y, height, levels) if len(levels) else None


def _handles(parts: list[str]) -> list[Any]:
    colours = [Patch(facecolor=colour_of(i), label=short_label(part)) for i, part in enumerate(parts)]
    train = Patch(facecolor=GREY, alpha=0.35, label="train (filled)")
    return [*colours, train, Line2D([], [], color=GREY, linewidth=1.4, label="test (lines)")]
