"""All shims, in the order in which they are applied."""

from coral_plugin.multibench.shims.base import Shim
from coral_plugin.multibench.shims.checkpoints import CHECKPOINTS
from coral_plugin.multibench.shims.cuda import CUDA, CUDA_CHOICE
from coral_plugin.multibench.shims.files import PATHS, PICKLES
from coral_plugin.multibench.shims.memory import MEMORY
from coral_plugin.multibench.shims.missing import STAND_INS, TEXT, THEANO, WORDS
from coral_plugin.multibench.shims.process import PLOTS, WARNINGS, WORKERS
from coral_plugin.multibench.shims.push import PUSH
from coral_plugin.multibench.shims.renamed import MODULES, NUMPY, YAML
from coral_plugin.multibench.shims.vision import OPERATORS, VISION, WEIGHTS

# torchvision must import before anything looks for its weights
SHIMS: tuple[Shim, ...] = (
    OPERATORS,
    VISION,
    WEIGHTS,
    TEXT,
    WORDS,
    THEANO,
    PUSH,
    *STAND_INS,
    NUMPY,
    CHECKPOINTS,
    CUDA,
    CUDA_CHOICE,
    MEMORY,
    YAML,
    MODULES,
    PICKLES,
    WORKERS,
    PLOTS,
    WARNINGS,
)
# of a running script, beside the others
SCRIPT_SHIMS: tuple[Shim, ...] = (PATHS,)
