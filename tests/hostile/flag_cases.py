"""Flags of every command."""

from __future__ import annotations

from typing import Any

from .runner import Case
from .world import World

BOMB = (
    "{a: &a [x,x,x,x,x,x,x,x,x,x]"
    + "".join(f", {chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]" for i in range(12))
    + "}"
)


def _train(says: str, kind: str, *flags: Any, **options: Any) -> Case:
    return Case("flags of train", kind, lambda w: w.train(*flags), says, **options)


def _plain(command: str, says: str, kind: str, *flags: Any, **options: Any) -> Case:
    """``flags`` with RUN, NPZ and OUT in place of the paths."""

    def prepare(world: World) -> list[str]:
        places = {"RUN": world.template, "NPZ": world.npz, "OUT": world.folder / "out", "Z": world.folder / "z.npz"}
        return ([command] if command else []) + [str(places.get(flag, flag)) for flag in flags]

    return Case(f"flags of {command or 'coral'}", kind, prepare, says, **options)


def _canary(world: World) -> list[str]:
    call = f"!!python/object/apply:os.mkdir ['{world.canary}']"
    return world.train("--set", f"temperature={call}")


def _same_file(world: World) -> list[str]:
    data = world.data()
    return world.embed(data=data, output=data)


CASES = [
    _train("--epochs needs a value", "a flag without its value", "--epochs"),
    _train("epochs", "epochs as text", "--epochs", "many"),
    _train("epochs", "epochs of 5000 digits", "--epochs", "9" * 5000),
    _train("epochs", "epochs as a list", "--epochs", "[1, 2]"),
    _train("epochs", "epochs as nothing", "--epochs="),
    _train("--batch-size", "a negative batch size", "--batch-size", "-4"),
    _train("learning_rate", "a learning rate of NaN", "--set", "training.learning_rate=nan"),
    _train("learning_rate", "a learning rate of 1e999", "--set", "training.learning_rate=1e999"),
    _train("tpu", "a device that nobody knows", "--device", "tpu"),
    _train("--seeds", "seeds without numbers", "--seeds", ","),
    _train("--seeds", "seeds as nothing", "--seeds="),
    _train("--seeds", "seeds with a hole", "--seeds", "1,,2"),
    _train("--seeds", "seeds in hexadecimals", "--seeds", "0x10"),
    _train("--seeds", "a seed of 5000 digits", "--seeds", "9" * 5000),
    _train("--seeds", "a seed of 100 digits", "--seeds", "9" * 100),
    _train("--seeds", "a negative seed", "--seeds=-1"),
    _train("KEY=VALUE", "--set without a value", "--set", "temperature"),
    _train("KEY=VALUE", "--set without a key", "--set", "=1"),
    _train("Unknown setting 'method.__class__'", "--set with a dunder", "--set", "method.__class__=int"),
    _train("setting", "--set of a setting within a setting", "--set", "training.epochs.real=1"),
    _train("training", "--set of a whole group", "--set", "training=5"),
    _train("training", "a group from a device", "--training", "/dev/zero"),
    _train("training", "a group from a file", "--training", "/etc/hostname"),
    _train("coral train --help", "a flag that nobody knows", "--nonsense", "1"),
    _train("coral train --help", "a flag with control characters", "--non\x1b[2Jsense"),
    _train("Unexpected", "a word too many", "41", "42"),
    _train("quiet", "a value for a switch", "--quiet=5"),
    _train("MODALITY=NAME", "an encoder without a modality", "--encoder", "mlp"),
    _train("encoder", "an encoder for a modality with a dot", "--encoder", "a.b=mlp"),
    _train("modalit", "an encoder for a modality with a line break", "--encoder", "a\nb=mlp"),
    _train("Cannot read the encoder", "an encoder that is code", "--encoder", "table=__import__('os').system('id')"),
    _train("Cannot read the encoder", "an encoder that is a number", "--encoder", "table=5"),
    _train("ncoder", "an encoder that is a mapping", "--encoder", "table={a: 1}"),
    _train("Cannot read the encoder", "an encoder of 900 parentheses", "--encoder", "table=" + "(" * 900),
    _train("Cannot read the encoder", "an encoder of 900 minus signs", f"--encoder=table=mlp(hidden={'~' * 900}1)"),
    _train("Encoder", "an encoder with text for a number", "--encoder", "table=mlp(hidden='x')"),
    _train("Encoder", "an encoder with a negative number", "--encoder", "table=mlp(hidden=-5)"),
    _train("Encoder", "an encoder with a list for a number", "--encoder", "wave=gru(layers=[])"),
    _train("ncoder", "an encoder of 10**12 layers", "--encoder", "wave=gru(layers=1000000000000)"),
    _train("ncoder", "an encoder of a million layers", "--encoder", "wave=affect_transformer(layers=1000000)"),
    _train("GiB", "networks beyond any memory", "--network.head_hidden=200000"),
    _train("key=value", "a view that is code", "--augmentations", "noise(std=open('canary', 'w'))"),
    _train("key=value", "a view of 1,900 minus signs", f"--augmentations=noise(std={'-' * 1_900}1)"),
    _train("Cannot read", "a view of 1,900 parentheses", "--augmentations", "noise(std=" + "(" * 1_900),
    _train("characters", "a view of 9,000 characters", "--augmentations", "noise+" * 1_500),
    _train("std", "a view with a number of 400 digits", "--augmentations", f"noise(std={'9' * 400})"),
    _train("std", "a view with a number that is infinite", "--augmentations", "noise(std=1e999)"),
    _train("std", "a view with a truth value", "--augmentations", "noise(std=True)"),
    _train("key=value", "a view with a null character", "--augmentations", "noise(std=\0)"),
    _train("MODALITY", "a view of one modality without a sign", "--augmentation", "noise"),
    _train("at least one", "modalities that are commas", "--modalities", ",,"),
    _train("once", "a modality twice", "--modalities", "table,table"),
    _train("modality", "a modality of 9,000 characters", "--modalities", "x" * 9_000),
    _train("preset", "a preset that nobody knows", "--preset", "\x1b]0;x\x07"),
    _train("Unknown objective", "an objective with control characters", "--objective", "a\rb\x1b[31m"),
    _train("Unknown objective", "an objective of 9,000 characters", "--objective", "x" * 9_000),
    _train("unfolds to more", "an anchor bomb in a flag", f"--network.encoders={BOMB}", most_mb=200),
    _train("unfolds to more", "an anchor that holds itself", "--network.encoders", "&a {a: *a}"),
    _train("encoders", "100,000 brackets", f"--network.encoders={'[' * 100_000}"),
    _train("encoders", "a flag that is no UTF-8", "--network.encoders", "{\udcff: \udcfe}"),
    Case("flags of train", "an object of Python", _canary, "temperature"),
    _plain("train", "--output", "--resume without a folder", "--dataset", "digits", "--resume", "--quiet"),
    _plain("train", "reads no file", "data for a set that has its own", "--dataset", "digits", "--data", "NPZ"),
    _plain("train", "give --data PATH", "arrays without a file", "--dataset", "arrays", "--output", "OUT"),
    _plain("train", "output", "an output that is nothing", "--dataset", "arrays", "--data", "NPZ", "--output="),
    _plain("train", "/dev/zero", "settings from a device", "--config", "/dev/zero"),
    _plain("train", "folder", "settings from a folder", "--config", "/"),
    _plain("train", "renders", "a set with a wrong range", "--dataset=trifeature", "--set=source.renders=51"),
    _plain("train", "pairs", "a set beyond any memory", "--dataset=trifeature", "--set=source.pairs=100000000000000"),
    _plain("evaluate", "RUN_DIR", "no run"),
    _plain("evaluate", "linea", "a probe that nobody knows", "RUN", "--probe", "linea"),
    _plain("evaluate", "neighbours", "neighbours as text", "RUN", "--neighbours", "x"),
    _plain("evaluate", "neighbours", "negative neighbours", "RUN", "--neighbours=-3"),
    _plain("evaluate", "neighbours", "neighbours without end", "RUN", "--probe", "knn", "--neighbours", "9" * 30),
    _plain("evaluate", "Unexpected", "a run too many", "RUN", "RUN"),
    _plain("evaluate", "holds no run", "a run with a null character", "a\0b"),
    _plain("evaluate", "holds no run", "a run that is a file", "NPZ"),
    _plain("evaluate", "no config.yaml", "a run with a name too long", "x" * 5000),
    _plain("embed", "--data", "no data", "RUN", "--output", "Z"),
    _plain("embed", "--seed", "a seed as text", "RUN", "--data", "NPZ", "--output", "Z", "--seed", "x"),
    _plain(
        "embed", "no trained seed", "a seed of 30 digits", "RUN", "--data", "NPZ", "--output", "Z", "--seed", "9" * 30
    ),
    _plain("embed", ".npz", "an output that is no .npz", "RUN", "--data", "NPZ", "--output", "z.txt"),
    _plain("embed", "output", "an output that is nothing", "RUN", "--data", "NPZ", "--output="),
    Case("flags of embed", "the output is the input", _same_file, "is the input"),
    _plain("list", "Did you mean 'objectives'", "what nobody knows", "objectivs"),
    _plain("list", "Unknown objective", "a word too many", "objectives", "datasets"),
    _plain("doctor", "Unexpected", "a word too many", "please"),
    _plain("doctor", "git clone", "a checkout that is none", "--multibench", "."),
    _plain("run", "required: SCRIPT", "no script", "--objective", "coral"),
    _plain("run", "required: --objective", "no objective", "NPZ"),
    _plain("run", "Did you mean '--objective'", "a mistyped flag", "--objectiv", "coral", "NPZ"),
    _plain("run", "Did you mean 'coral'", "an objective that nobody knows", "NPZ", "--objective", "corall"),
    _plain("run", "git clone", "no checkout", "NPZ", "--objective", "coral", "--multibench", "nowhere"),
    _plain("run", "git clone", "a folder that is none", "NPZ", "--objective", "coral", "--multibench", "."),
    _plain("run", "git clone", "a checkout with a null character", "NPZ", "--objective=coral", "--multibench", "a\0b"),
    _plain("run", "--limit", "no samples", "NPZ", "--objective", "coral", "--limit", "0"),
    _plain("run", "--epochs", "epochs without end", "NPZ", "--objective", "coral", "--epochs", "9" * 30),
    _plain("run", "--seed", "several seeds", "NPZ", "--objective", "coral", "--seed", "1,2"),
    _plain("demo", "--longer", "no epochs", "--longer", "0", "--output", "OUT"),
    _plain("demo", "--longer", "epochs without end", "--longer", "9" * 30, "--output", "OUT"),
    _plain("demo", "--seeds", "seeds as text", "--seeds", "a", "--output", "OUT"),
    _plain("demo", "--seeds", "a seed twice", "--seeds", "1,1", "--output", "OUT"),
    _plain("demo", "--seeds", "a negative seed", "--seeds=-1", "--output", "OUT"),
    _plain("demo", "is a file", "an output that is a file", "--output", "NPZ"),
    _plain("ablate", "Unknown variant", "a variant that nobody knows", "--variants", "all", "--output", "OUT"),
    _plain("ablate", "--seeds", "a seed twice", "--seeds", "1,1", "--output", "OUT"),
    _plain("ablate", "is a file", "an output that is a file", "--output", "NPZ"),
    _plain("ablate", "is a file", "a record that is a file", "--output", "OUT", "--record", "NPZ"),
    _plain("", "Did you mean 'train'", "a command that nobody knows", "trian"),
    _plain("", "--nonsense", "a flag in place of a command", "--nonsense"),
    _plain("", "Unknown command", "a command with line breaks", "tr\nain\x1b[2J"),
    _plain("", "Unknown command", "a command that is nothing", ""),
]
