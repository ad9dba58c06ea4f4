"""YAML given with ``--config``."""

from __future__ import annotations

from .runner import Case
from .world import World


def bomb(levels: int = 12) -> str:
    """Anchors of anchors: a few lines that unfold to ``10 ** levels`` values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, levels)]
    return "\n".join(lines)


def _yaml(
    says: str, kind: str, content: str | bytes, *flags: str, whole: bool = False, most_mb: int | None = None
) -> Case:
    """``content`` behind the name of the data set, or as the whole file."""

    def prepare(world: World) -> list[str]:
        head = "" if whole or isinstance(content, bytes) else "dataset: arrays\n"
        text = content if isinstance(content, bytes) else head + content.replace("CANARY", str(world.canary))
        path = world.file("c.yaml", text)
        return ["train", "--config", str(path), "--data", str(world.npz), "--output", str(world.folder / "out"), *flags]

    return Case("config", kind, prepare, says, most_mb=most_mb)


def _folder(world: World) -> list[str]:
    (world.folder / "c.yaml").mkdir()
    return ["train", "--config", str(world.folder / "c.yaml")]


def _mapped(world: World) -> list[str]:
    path = world.file("c.yaml", "dataset: arrays\ndata: {a: 1}\n")
    return ["train", "--config", str(path), "--output", str(world.folder / "out")]


def _huge(world: World) -> list[str]:
    path = world.file("c.yaml", "dataset: arrays\n")
    with path.open("r+b") as file:
        file.truncate(1 << 40)  # a terabyte of nulls, none of which is on the disk
    return ["train", "--config", str(path), "--output", str(world.folder / "out")]


def _pipe(world: World) -> list[str]:
    import os

    os.mkfifo(world.folder / "c.yaml")
    return ["train", "--config", str(world.folder / "c.yaml")]


APPLY = '!!python/object/apply:os.mkdir ["CANARY"]'

CASES = [
    _yaml("mapping of settings", "an empty file", b""),
    _yaml("mapping of settings", "a number", "5", whole=True),
    _yaml("mapping of settings", "a list", "- objective: coral", whole=True),
    _yaml("mapping of settings", "a key that is a number", "5: x"),
    _yaml("not valid YAML", "a key that is a list", "[a, b]: x\n? [c]\n: d"),
    _yaml("not valid YAML", "an open brace", "training: {epochs: 1"),
    _yaml("not valid YAML", "a tab for a blank", "training:\n\tepochs: 1"),
    _yaml("not valid YAML", "two documents", "seeds: [1]\n---\nseeds: [2]"),
    _yaml("not valid YAML", "an alias of nothing", "seeds: *nothing"),
    _yaml("not valid YAML", "a null character", "data: a\0b"),
    _yaml("UTF-8", "bytes that are no UTF-8", b"dataset: arrays\npreset: \xff\xfe\n"),
    _yaml("UTF-8", "UTF-16", "dataset: arrays\n".encode("utf-16")),
    _yaml("YAML", "an archive in its place", b"PK\x03\x04" + bytes(range(128)) * 3),
    _yaml("not valid YAML", "an object of Python that makes a folder", f"training: {APPLY}"),
    _yaml("not valid YAML", "an object of Python as a key", f"? {APPLY}\n: 1"),
    _yaml("not valid YAML", "a name of Python", "training: {epochs: !!python/name:os.system ''}"),
    _yaml("not valid YAML", "a tag of its own", "training: !mine {epochs: 1}"),
    _yaml("not valid YAML", "a whole number that is none", "seeds: [!!int x]"),
    _yaml("not valid YAML", "a truth value that is none", "training: {compile: !!bool perhaps}"),
    _yaml("not valid YAML", "a date that is none", "data: 2026-13-45"),
    _yaml("not valid YAML", "a number of 5000 digits", f"training: {{epochs: {'9' * 5000}}}"),
    _yaml("training.epochs", "a number in base 60", "training: {epochs: 1:2:3:4:5:6:7:8:9}"),
    _yaml("unfolds to more", "an anchor bomb", bomb(), most_mb=200),
    _yaml("unfolds to more", "an anchor bomb among the settings", "training: &a [x]\n" + bomb(30), most_mb=200),
    _yaml("unfolds to more", "an anchor that holds itself", "training: &a {epochs: *a}"),
    _yaml("not valid YAML", "5,000 brackets", "seeds: " + "[" * 5_000),
    _yaml("deep", "200 brackets", "seeds: " + "[" * 200 + "]" * 200),
    _yaml("characters", "a million characters", "data: " + "x" * 1_000_000),
    _yaml("unfolds to more", "10,100 settings", "seeds:\n" + "- 1\n" * 10_100),
    _yaml("twice", "a setting twice", "preset: paper\npreset: released"),
    _yaml("twice", "a setting of a group twice", "training: {epochs: 1, epochs: 2}"),
    _yaml("Did you mean 'training'", "an unknown key", "trainin: {}"),
    _yaml("Unknown setting", "an unknown key with control characters", '"\\e[2J\\r\\n": 1'),
    _yaml("Did you mean 'epochs'", "an unknown setting of a group", "training: {epoch: 1}"),
    _yaml("training setting", "a setting of a group that is a number", "training: {5: 1}"),
    _yaml("must be a mapping", "a group that is a list", "training: [epochs]"),
    _yaml("must be a mapping", "a group that is a text", "training: epochs"),
    _yaml("training.epochs", "text for a whole number", "training: {epochs: many}"),
    _yaml("training.epochs", "nothing for a whole number", "training: {epochs: null}"),
    _yaml("training.epochs", "a list for a whole number", "training: {epochs: [1]}"),
    _yaml("training.epochs", "a fraction for a whole number", "training: {epochs: 1.5}"),
    _yaml("training.epochs", "a truth value for a whole number", "training: {epochs: yes}"),
    _yaml("training.learning_rate", "NaN for a number", "training: {learning_rate: .nan}"),
    _yaml("training.learning_rate", "infinity for a number", "training: {learning_rate: .inf}"),
    _yaml("training.learning_rate", "a number of 400 digits", f"training: {{learning_rate: {'9' * 400}}}"),
    _yaml("training.precision", "a format that nobody knows", "training: {precision: 4-bit}"),
    _yaml("training.precision", "a list for a choice", "training: {precision: [32-true]}"),
    _yaml("network.encoders", "encoders as a list", "network: {encoders: [mlp]}"),
    _yaml("network.encoders", "an encoder that is a number", "network: {encoders: {table: 5}}"),
    _yaml("network.encoders", "an encoder that is a mapping", "network: {encoders: {table: {name: mlp}}}"),
    _yaml("Unknown encoder", "an encoder that is code", "network: {encoders: {table: '__import__(\"os\")'}}"),
    _yaml("source.kinds", "kinds as a text", "source: {kinds: image}"),
    _yaml("source.kinds", "a kind that nobody knows", "source: {kinds: {table: hologram}}"),
    _yaml("method.mask_stages", "mask stages as a text", "method: {mask_stages: often}"),
    _yaml("method.mask_stages", "a mask stage that is a mapping", "method: {mask_stages: [{}]}"),
    _yaml("must be a name", "an objective that is a list", "objective: [coral]"),
    _yaml("must be a name", "a preset that is a number", "preset: 5"),
    _yaml("Unknown objective", "an objective that is a path", "objective: ../../../etc/passwd"),
    _yaml("Seeds", "seeds as a text", "seeds: '41'"),
    _yaml("Seeds", "a seed that is a truth value", "seeds: [true]"),
    _yaml("Seeds", "seeds as a mapping", "seeds: {41: 42}"),
    _yaml("Seeds", "a seed of 1000 digits", f"seeds: [{'9' * 1000}]"),
    _yaml("modalities", "modalities as a text", "modalities: table"),
    _yaml("modalities", "a modality that is nothing", "modalities: [table, null]"),
    _yaml("modalit", "a modality with half a character", 'modalities: [table, "\\ud800"]'),
    _yaml("Augmentations", "augmentations as a number", "augmentations: 5"),
    _yaml("The augmentation of", "a view that is a list", "augmentations: {table: [noise]}"),
    _yaml("augmentations must name", "a view for a number", "augmentations: {5: noise}"),
    _yaml("which would win", "a preset in the file and another flag", "preset: paper", "--preset", "released"),
    Case("config", "data that are a mapping", _mapped, "data and preset"),
    Case("config", "a folder", _folder, "is a folder"),
    Case("config", "a file of a terabyte", _huge, "more than", most_mb=50),
    Case("config", "a pipe that nobody writes to", _pipe, "pipe"),
    Case("config", "no such file", lambda w: ["train", "--config", str(w.folder / "c.yaml")], "There is no file"),
]
