"""A process that takes training steps of the authors' code on command, for ``train_speed.py``.

It holds no code of theirs: their main script, in a checkout, runs up to the call of ``Trainer.fit``, where the model
and the data that it built are taken over. The step is theirs too (their loader, ``training_step``, optimiser); a plain
loop stands in for Lightning's.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pickle
import subprocess
import sys
import time
import types
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from speed_shapes import sentence_lengths

BATCH = 64
# on MOSI; values from their README (CoMM) and run_scripts (InfMasking)
CHOSEN = {
    "comm": "model=comm optim.lr=1e-3 optim.weight_decay=1e-2",
    "infmasking": "model=infmasking optim.lr=1e-3 model.model.loss_kwargs.temperature=0.1 "
    "model.model.loss_kwargs.mask_lambda=0.25 +model.model.encoder.mask_ratio=0.8 +model.model.encoder.num_mask=5",
}


class CapturedError(Exception):
    """Model and data that the authors' script would have trained."""


class CaptureTrainer:
    """A trainer that hands over what it is to train."""

    current_epoch = 0

    def __init__(self, *_: Any, **settings: Any) -> None:
        self.max_epochs = settings.get("max_epochs", 100)

    def fit(self, model: Any, datamodule: Any = None, **_: Any) -> None:
        """Hand model and data over."""
        raise CapturedError(model, datamodule)


class _Absent(types.ModuleType):
    """A module that the authors' scripts import and do not use in a training step."""

    __path__: list[str] = []  # noqa: RUF012 - what makes it a package

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


# a file by which a checkout is known
MARKS = {"coral": "modules/coral.py", "infmasking": "models/inffusion.py", "comm": "pl_modules"}


def checked_out(path: Path, scratch: Path, marks: Mapping[str, str] = MARKS) -> tuple[str, tuple[Path, str]]:
    """Method of the authors' code in ``path``, its folder (in ``scratch`` if ``path`` is bare) and its commit."""
    git = ["git", "-C", str(path)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout.strip()  # noqa: S603
    if (path / "HEAD").is_file():
        folder = scratch / commit
        folder.mkdir()
        archive = subprocess.run([*git, "archive", "HEAD"], check=True, capture_output=True).stdout  # noqa: S603
        subprocess.run(["tar", "x", "-C", str(folder)], check=True, input=archive)  # noqa: S603, S607
        path = folder
    for method, mark in marks.items():
        if (path / mark).exists():
            return method, (path.resolve(), commit or "unknown")
    sys.exit(f"{path} is no checkout of the authors' code of {', '.join(marks)}")


def write_data(folder: Path) -> None:
    """Write the files that the authors' code reads, with random values, where they are missing."""
    rng = np.random.default_rng(0)
    if not (path := folder / "mosi_data.pkl").is_file():
        data = {}
        for split, count in (("train", 1284), ("valid", 229), ("test", 686)):
            lengths = sentence_lengths(count)
            data[split] = {"labels": rng.uniform(-3, 3, (count, 1, 1)), "id": np.arange(count).astype(str)}
            for name, features in (("vision", 20), ("audio", 74), ("text", 300)):
                values = rng.standard_normal((count, 50, features), dtype=np.float32)
                values[np.arange(50)[None, :] < 50 - lengths[:, None]] = 0  # padded in front, as MultiBench's file
                data[split][name] = values
        _pickle(path, data)
    if not (path := folder / "im.pk").is_file():
        count = 8000
        stays = {"ep_tdata": rng.standard_normal((count, 24, 12)), "adm_features_all": rng.standard_normal((count, 5))}
        labels = {"y_icd9": rng.integers(0, 2, (count, 20)), "adm_labels_mort": rng.integers(0, 2, count)}
        _pickle(path, {**stays, **labels, "adm_labels_all": np.eye(6)[rng.integers(0, 6, count)]})


def _pickle(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol=4))


def write_images(names: type, folder: Path) -> None:
    """2,400 images for training and 200 for test, under the names that the authors' code looks for.

    Args:
        names: The data set class of the authors, which has the names of shapes, textures and colours.
        folder: Folder of ``train/`` and ``test/``.
    """
    from PIL import Image

    rng = np.random.default_rng(0)
    combinations = [(s, t, c) for s in names.BASE_SHAPES for t in names.BASE_TEXTURES for c in names.BASE_COLORS]
    for number, combination in enumerate(combinations):
        train = number % 5 != 0  # 800 combinations, three images each
        target = folder / ("train" if train else "test")
        target.mkdir(parents=True, exist_ok=True)
        for suffix in ("_0", "_1", "_2") if train else ("",):
            path = target / f"{'_'.join(combination)}{suffix}.png"
            if not path.is_file():
                cells = rng.integers(0, 256, (14, 14, 3), dtype=np.uint8)
                Image.fromarray(cells.repeat(16, 0).repeat(16, 1)).save(path)


def make_importable(root: Path) -> None:
    """Let the authors' modules be imported on a machine without a GPU and without what a step does not use."""
    import torch

    sys.path.insert(0, str(root))
    sys.modules["speed_reference"] = sys.modules[__name__]  # where hydra looks for the trainer
    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        # a torchvision for CUDA wants two operators declared that its transforms and models do not use
        for name in [name for name in sys.modules if name.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        make_importable.kept = library  # it is declared as long as this lives
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        importlib.import_module("torchvision")
    for name in ("sentence_transformers", "sentence_transformers.util", "gdown", "umap", "h5py"):
        sys.modules[name] = _Absent(name)
    if not torch.cuda.is_available():  # InfMasking's loss moves tensors and modules to a GPU
        torch.Tensor.cuda = torch.nn.Module.cuda = lambda self, *_, **__: self


def capture(method: str, shape: str, root: Path, folder: Path) -> tuple[Any, Any]:
    """Model and data, as the authors' main script builds them."""
    images = shape == "trifeature"
    datasets = importlib.import_module("dataset.trifeatures" if images else "dataset.multibench")
    catalog = {name: {"path": str(folder / file)} for name, file in (("mosi", "mosi_data.pkl"), ("mimic", "im.pk"))}
    catalog["trifeatures"] = {"path": str(folder / "trifeatures")}
    datasets.json = types.SimpleNamespace(load=lambda _: catalog)  # their catalog of paths
    if images:
        write_images(datasets.Trifeatures, folder / "trifeatures")
    try:
        if method == "coral":
            try:
                importlib.import_module("modules.eval_ortho")
            except (SyntaxError, ImportError):  # the published file cannot be read; it is used after the training
                sys.modules["modules.eval_ortho"] = types.ModuleType("modules.eval_ortho")
            main = importlib.import_module("main_trifeature" if images else "main_multibench")
            main.Trainer = CaptureTrainer
            main.main(*[] if images else [shape])
        else:
            from hydra import compose, initialize_config_dir

            main = importlib.import_module("main_multibench")
            with initialize_config_dir(config_dir=str(root / "configs"), version_base=None):
                trainer = [
                    f"trainer._target_=speed_reference.{CaptureTrainer.__name__}",
                    "trainer.default_root_dir=logs",
                ]
                chosen = [*CHOSEN[method].split(), f"data.data_module.dataset={shape}", *trainer]
                config = compose("train_multibench", overrides=chosen)
            main.main(config)
    except CapturedError as captured:
        return captured.args
    sys.exit("the authors' script never called Trainer.fit")


def main() -> None:
    from speed_step import WARM_UP, answers

    method, shape, root, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])
    answer = answers()
    warnings.filterwarnings("ignore")
    import torch

    from coral_plugin.machine import peak_memory

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    make_importable(root)
    with contextlib.chdir(folder):  # where their scripts leave their logs
        model, data = capture(method, shape, root, folder)
    model.log = model.log_dict = lambda *_, **__: None
    if hasattr(model, "set_total_epochs"):  # what InfMasking's callbacks do
        model.set_current_epoch(0)
        model.set_total_epochs(100)
    optimiser = model.configure_optimizers()
    if not isinstance(optimiser, torch.optim.Optimizer):
        optimiser = optimiser[0][0]
    model.train()
    data.num_workers = 2 if shape == "trifeature" else 1
    wanted, whole, inner, number, start = WARM_UP, [], [], 0, time.perf_counter()
    while True:
        for number, batch in enumerate(data.train_dataloader()):
            first = batch
            while not hasattr(first, "shape"):
                first = first[0]
            ready = time.perf_counter()
            loss = model.training_step(batch, number)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            now = time.perf_counter()
            if first.shape[0] == BATCH and (number > 0 or wanted == WARM_UP):  # the first waits for loader processes
                whole.append(now - start)
                inner.append(now - ready)
            if len(whole) >= wanted:
                answer({"whole": whole, "model": inner, "matmul": None})
                command = sys.stdin.readline().strip()
                if not command.isdigit():
                    parameters = sum(p.numel() for p in model.parameters() if p.requires_grad)
                    end = {"peak_memory_bytes": peak_memory(), "batch_size": BATCH, "parameters": parameters}
                    answer({**end, "threads": torch.get_num_threads()})
                    os._exit(0)  # without waiting for loader processes, which end with the session
                wanted, whole, inner = int(command), [], []
            start = time.perf_counter()


if __name__ == "__main__":
    main()
