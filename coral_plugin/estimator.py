"""``CoralEncoder``: the methods of this package as a transformer of scikit-learn."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from coral_plugin.data.arrays import as_split
from coral_plugin.data.modality import Kind
from coral_plugin.data.scale import far_values
from coral_plugin.errors import InputError
from coral_plugin.evaluation.features import concatenate, embed_split
from coral_plugin.networks.factory import EncoderLike
from coral_plugin.objectives import Objective
from coral_plugin.runs.columns import Columns, different_names, group_columns, pack, unpack
from coral_plugin.runs.fit import fit
from coral_plugin.runs.folder import build_objective
from coral_plugin.runs.settings import dotted
from coral_plugin.training.randomness import own_random_state

__all__ = ["EXPECTED_FAILED_CHECKS", "CoralEncoder", "pack"]

# of scikit-learn's own checks those that do not hold here, with the reason
EXPECTED_FAILED_CHECKS: dict[str, str] = {
    "check_methods_sample_order_invariance": (
        "it asks for 9 digits after the comma; the networks compute in float32, where the last digit (1e-7) of a row "
        "may depend on its place in the batch"
    ),
}

_FLOATS = [np.float64, np.float32]
_UNGROUPED = ("modalities", "plain_augmentations")  # settings of a run that stand in no group


class CoralEncoder(TransformerMixin, BaseEstimator):
    """Learns a representation of unlabelled multimodal samples, and transforms samples to it.

    ``X`` is one of

    * a mapping ``{modality: (N, ...)}``, as for :func:`coral_plugin.fit` (series, images, tables; with
      ``<modality>/present`` (N,) where samples lack a modality). In ``transform`` modalities may be left out.
    * the same as one structured array (:func:`pack`), which scikit-learn can split into folds;
    * a 2-D array or data frame, whose columns are grouped to modalities by ``columns``.

    Args:
        objective: Registered name of the method.
        columns: ``{modality: slice, indices, boolean mask or names}`` for a 2-D ``X``; two halves by default.
        preset: Preset of the method; its first one by default.
        epochs: Passes over the samples.
        batch_size: Samples per step; the preset's by default.
        learning_rate: Learning rate; the preset's by default.
        width: Token width D; chosen by the data by default.
        augmentations: Augmentation of all modalities, or by modality.
        encoders: ``{modality: registered name, module, or function of (modality, width)}``.
        kinds: ``{modality: kind}`` where the number of dimensions does not tell.
        settings: Any other setting, ``{"method.temperature": 0.2, "network.depth": 2}``.
        device: ``auto``, ``cpu`` or ``cuda``.
        random_state: A number, a ``RandomState``, or None for another training each time.
        verbose: Whether progress, and how the samples are read, is shown on standard error; decisions that could have
            gone another way are warnings otherwise.

    Attributes:
        objective_: The trained module.
        parts_: ``{part: width}`` of the representation, in the order of the columns of what ``transform`` returns.
        columns_: ``{modality: indices}`` of a 2-D ``X``; None for a mapping.
        history_: One record per epoch.
        n_features_in_: Number of columns of a 2-D ``X``.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(20, 6))
        >>> encoder = CoralEncoder(columns={"a": [0, 1, 2], "b": slice(3, 6)}, epochs=1, width=8, random_state=0)
        >>> encoder.fit_transform(X).shape, encoder.get_feature_names_out()[[0, 8, 12]].tolist()
        ((20, 16), ['shared_0', 'unique/a_0', 'unique/b_0'])
    """

    def __init__(
        self,
        objective: str = "coral",
        *,
        columns: Mapping[str, Columns] | None = None,
        preset: str = "",
        epochs: int = 100,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        width: int | None = None,
        augmentations: str | Mapping[str, Any] | None = None,
        encoders: Mapping[str, EncoderLike] | None = None,
        kinds: Mapping[str, Kind] | None = None,
        settings: Mapping[str, Any] | None = None,
        device: str = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.objective = objective
        self.columns = columns
        self.preset = preset
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.width = width
        self.augmentations = augmentations
        self.encoders = encoders
        self.kinds = kinds
        self.settings = settings
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> CoralEncoder:  # noqa: N803, ARG002
        """Train on ``X``; ``y`` is not looked at.

        Raises:
            InputError: samples, column groups or settings that do not fit.
            ValueError: a 2-D array that scikit-learn does not admit (NaN, text, one column, one sample, ...).
        """
        arrays = unpack(X)
        self.columns_ = None
        if arrays is None:
            different_names(X)
            table = validate_data(self, X, dtype=_FLOATS, ensure_min_samples=2, ensure_min_features=2)
            self.columns_ = group_columns(self.columns, table.shape[1], getattr(self, "feature_names_in_", ()))
            arrays = {name: table[:, index] for name, index in self.columns_.items()}
        elif self.columns is not None:
            raise InputError("columns group the columns of a 2-D array; here X has named modalities, leave them out.")
        elif label_keys := [key for key in arrays if key.rpartition("/")[2] == "labels"]:
            raise InputError(f"X has {label_keys[0]}, and CoralEncoder looks at no labels: leave them out.")
        else:
            for of_a_table in {"n_features_in_", "feature_names_in_"} & vars(self).keys():
                delattr(self, of_a_table)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        fitted = fit(
            arrays,
            self.objective,
            preset=self.preset,
            seeds=(seed,),
            encoders=self.encoders,
            augmentations=self.augmentations,
            kinds=self.kinds,
            quiet=not self.verbose,
            **self._chosen(),
        )
        for line in () if self.verbose else fitted.run.data.notes:
            warnings.warn(line, stacklevel=2)
        self.objective_ = fitted.objective.eval()
        self.history_ = fitted.run.histories[seed]
        # what rebuilds the module when it is unpickled; a parameter may be set anew until then
        modules = {name: encoder for name, encoder in (self.encoders or {}).items() if not isinstance(encoder, str)}
        self._recipe = fitted.run.settings, fitted.run.data.modalities, modules
        sample = embed_split(self.objective_, fitted.run.data.train.subset(torch.arange(1)))
        self.parts_ = {name: part.shape[1] for name, part in sample.items()}
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """The representation ``(N, sum of the widths of parts_)``, all parts side by side.

        Raises:
            InputError: samples that do not fit those of ``fit``.
        """
        check_is_fitted(self, "objective_")
        arrays = unpack(X)
        if arrays is None:
            if self.columns_ is None:
                raise InputError(f"CoralEncoder was fitted on named modalities; {type(X).__name__} has none.")
            table = validate_data(self, X, dtype=_FLOATS, reset=False)
            arrays = {name: table[:, index] for name, index in self.columns_.items()}
        split = as_split(arrays, self._recipe[1], "X")
        for line in far_values(split, self._recipe[1]):
            warnings.warn(line, stacklevel=2)
        return concatenate(embed_split(self.objective_, split))

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """``<part>_<number>`` of each column of what ``transform`` returns.

        Raises:
            ValueError: ``input_features`` do not belong to the samples of ``fit``.
        """
        check_is_fitted(self, "objective_")
        if input_features is not None and self.columns_ is not None:
            if len(input_features) != self.n_features_in_:
                raise ValueError(
                    f"input_features should have length equal to number of features ({self.n_features_in_}), "
                    f"got {len(input_features)}"
                )
            known = getattr(self, "feature_names_in_", None)
            if known is not None and list(known) != list(input_features):
                raise ValueError("input_features is not equal to feature_names_in_")
        return np.array([f"{part}_{i}" for part, width in self.parts_.items() for i in range(width)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # float32, in which the networks compute
        return tags

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "objective_" in state:
            # plain numbers: a pickled module would hold the layout of our classes
            state["objective_"] = {key: value.cpu().numpy() for key, value in self.objective_.state_dict().items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        weights = state.pop("objective_", None)
        super().__setstate__(state)
        if weights is not None:
            self.objective_ = self._rebuilt(weights)

    def _rebuilt(self, weights: Mapping[str, np.ndarray]) -> Objective:
        settings, modalities, *modules = self._recipe  # without modules in a pickle of an earlier version
        with own_random_state():
            objective = build_objective(settings, modalities, (), *modules)
        objective.load_state_dict({key: torch.tensor(value) for key, value in weights.items()})
        return objective.eval()

    def _chosen(self) -> dict[str, Any]:
        """Settings for :func:`coral_plugin.fit`; what is None is left to the preset."""
        arguments = {
            "training.epochs": self.epochs,
            "training.batch_size": self.batch_size,
            "training.learning_rate": self.learning_rate,
            "training.device": self.device,
            "network.width": self.width,
        }
        settings = {dotted(key): value for key, value in (self.settings or {}).items()}
        defaults = inspect.signature(CoralEncoder).parameters
        if odd := [key for key in settings if "." not in key and key not in _UNGROUPED]:
            advice = f"; {odd[0]}= of CoralEncoder sets it" if odd[0] in defaults else ""
            raise InputError(f"{odd[0]} in settings is no setting <group>.<key>{advice}.")
        for key in settings.keys() & arguments.keys():
            name = key.partition(".")[2]
            if arguments[key] != defaults[name].default:
                raise InputError(
                    f"{key} in settings and {name}={arguments[key]!r} are the same setting; give one of them."
                )
        chosen = {**{key: value for key, value in arguments.items() if value is not None}, **settings}
        # a search over np.arange(...) brings NumPy's numbers
        return {key: value.item() if isinstance(value, np.generic) else value for key, value in chosen.items()}
