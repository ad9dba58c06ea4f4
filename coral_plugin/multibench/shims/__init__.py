"""What today's stack lacks for MultiBench, one small repair each; ``coral doctor`` lists them."""

from coral_plugin.multibench.shims.absent import ABSENT
from coral_plugin.multibench.shims.aliases import ALIASES
from coral_plugin.multibench.shims.base import Shim
from coral_plugin.multibench.shims.checkpoints import CHECKPOINTS
from coral_plugin.multibench.shims.cuda import CUDA, CUDA_CHOICE
from coral_plugin.multibench.shims.files import FILES
from coral_plugin.multibench.shims.memory import MEMORY
from coral_plugin.multibench.shims.numpy_names import NUMPY
from coral_plugin.multibench.shims.pickles import PICKLES
from coral_plugin.multibench.shims.plots import PLOTS
from coral_plugin.multibench.shims.push import PUSH
from coral_plugin.multibench.shims.quiet import QUIET
from coral_plugin.multibench.shims.text import TEXT
from coral_plugin.multibench.shims.vision import OPERATORS, VISION, WEIGHTS
from coral_plugin.multibench.shims.words import THEANO, WORDS
from coral_plugin.multibench.shims.workers import WORKERS
from coral_plugin.multibench.shims.yaml_loader import YAML

# in the order in which they are applied: torchvision must import before anything looks for its weights
SHIMS: tuple[Shim, ...] = (
    OPERATORS,
    VISION,
    WEIGHTS,
    TEXT,
    WORDS,
    THEANO,
    PUSH,
    *ABSENT,
    NUMPY,
    CHECKPOINTS,
    CUDA,
    CUDA_CHOICE,
    MEMORY,
    YAML,
    ALIASES,
    PICKLES,
    WORKERS,
    PLOTS,
    QUIET,
)
# of a running script, beside the others
SCRIPT_SHIMS: tuple[Shim, ...] = (FILES,)

__all__ = ["SCRIPT_SHIMS", "SHIMS", "Shim"]
