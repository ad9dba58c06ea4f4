"""Encoders of modalities from names, modules or functions, with defaults by kind."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from coral_plugin.data import Modality
from coral_plugin.errors import InputError, short
from coral_plugin.from_python import FROM_PYTHON, python_name
from coral_plugin.registry import ENCODERS, suggest

# a registered name with or without arguments, a module (copied), or a function of modality and width
EncoderLike = str | nn.Module | Callable[[Modality, int], nn.Module]
# for each modality a function that makes a fresh encoder
EncoderBuilders = Mapping[str, Callable[[], nn.Module]]

ALEXNET_FROM = 128
# of a network: no setting and no option of an encoder is larger
_DEEPEST, _WIDEST = 1000, 1_000_000
_LONGEST = 1000  # characters of an encoder with its options


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """Settings of the networks that every objective shares.

    Attributes:
        width: Token width D; 0 chooses: 512 with images from 128 px, 40 for sequences alone, else 128.
        encoders: Encoder of a modality, ``name``, ``name(key=value, ...)`` or ``family:member(64, key=value, ...)``;
            by kind where not named.
        depth: Blocks of the fusion transformer.
        heads: Attention heads of the fusion transformer.
        head_hidden: Hidden units of the projection heads.
        head_output: Width of the common space in which the losses live.

    Example:
        >>> from coral_plugin.registry import OBJECTIVES
        >>> wave = Modality(name="wave", kind="timeseries", shape=(50, 3))
        >>> body = Modality(name="body", kind="tabular", shape=(2,))
        >>> network = NetworkSettings(width=32, encoders={"wave": "gru(hidden=64)"})
        >>> clip = OBJECTIVES.get("clip")
        >>> objective = clip((wave, body), network, clip.Settings())
        >>> objective.width, NetworkSettings().width  # 0 chooses by the data
        (32, 0)
    """

    width: int = 0
    encoders: dict[str, str] = field(default_factory=dict)
    depth: int = 1
    heads: int = 8
    head_hidden: int = 512
    head_output: int = 256

    def __post_init__(self) -> None:
        for name in ("depth", "heads", "head_hidden", "head_output"):
            if getattr(self, name) < 1:
                raise InputError(f"network.{name} must be at least 1, got {getattr(self, name)}.")
        if self.depth > _DEEPEST:
            raise InputError(f"network.depth must be at most {_DEEPEST}, got {self.depth}.")
        if self.width < 0:
            raise InputError(f"network.width must be positive, or 0 to choose by the data, got {self.width}.")


def default_width(modalities: tuple[Modality, ...]) -> int:
    """512 with images from 128 px (the papers' Trifeature), 40 for sequences alone (their affect data), else 128."""
    if any(m.kind == "image" and min(m.shape[1:]) >= ALEXNET_FROM for m in modalities):
        return 512
    return 40 if all(m.kind == "sequence" for m in modalities) else 128


def default_encoder(modality: Modality) -> str:
    """Name of the encoder that a modality gets by its kind and size.

    Sequences get the papers' transformer with a position code, so that their order counts; the papers' data sets name
    it without one in their recipes.
    """
    if modality.kind == "image":
        return "alexnet" if min(modality.shape[1:]) >= ALEXNET_FROM else "small_conv"
    return {"sequence": "affect_transformer(positions=True)", "timeseries": "conv1d", "tabular": "mlp"}[modality.kind]


def resolve_encoders(
    modalities: tuple[Modality, ...], chosen: Mapping[str, EncoderLike], width: int
) -> EncoderBuilders:
    """A function for each modality that builds a fresh encoder; called once for each pathway.

    Args:
        modalities: Modalities to encode.
        chosen: ``{modality: name, module or function}``; modalities not named get :func:`default_encoder`.
        width: Token width D, passed to the encoders.

    Raises:
        InputError: an encoder for a modality that is not there, an unknown name, or arguments it does not take; or a
            record of :func:`python_encoders` where the encoder itself is needed.
    """
    names = [modality.name for modality in modalities]
    if unknown := [name for name in chosen if name not in names]:
        raise InputError(f"An encoder is given for {', '.join(unknown)}, but the modalities are {', '.join(names)}.")
    refuse_recorded(chosen)
    # by membership: an empty nn.Sequential, which passes its input on, is false
    by_name = {m.name: chosen[m.name] if m.name in chosen else default_encoder(m) for m in modalities}
    return {m.name: _builder(by_name[m.name], m, width) for m in modalities}


def python_encoders(encoders: Mapping[str, EncoderLike]) -> dict[str, str]:
    """``{modality: text}`` that records encoders from Python, which no file can hold, by the names of their classes.

    >>> python_encoders({"wave": nn.GRU, "body": nn.Linear(3, 4)})
    {'wave': 'python:torch.nn.modules.rnn.GRU', 'body': 'python:torch.nn.modules.linear.Linear'}
    """
    return {name: python_name(encoder) for name, encoder in encoders.items()}


def refuse_recorded(encoders: Mapping[str, EncoderLike]) -> None:
    """Refuse records of :func:`python_encoders` where the encoders themselves are needed.

    Raises:
        InputError: there is one among ``{modality: encoder}``.
    """
    if listed := recorded_encoders(encoders):
        raise InputError(
            f"The run was trained with an encoder from Python ({listed}); load it from Python with encoders=..., or "
            "register the encoder by entry point and write its name under network.encoders in config.yaml."
        )


def recorded_encoders(encoders: Mapping[str, EncoderLike]) -> str:
    """Classes and modalities of the records of :func:`python_encoders` among ``{modality: encoder}``, in words.

    >>> recorded_encoders({"wave": "python:bands.Bands", "body": "mlp"})
    'bands.Bands for wave'
    """
    texts = {name: encoder for name, encoder in encoders.items() if isinstance(encoder, str)}
    recorded = {name: text for name, text in texts.items() if text.startswith(FROM_PYTHON)}
    return ", ".join(f"{text.removeprefix(FROM_PYTHON)} for {name}" for name, text in recorded.items())


def _builder(encoder: EncoderLike, modality: Modality, width: int) -> Callable[[], nn.Module]:
    if isinstance(encoder, nn.Module):
        module = encoder
        return lambda: copy.deepcopy(module)
    if callable(encoder):
        function = encoder
        return lambda: function(modality, width)
    name, arguments, options = parse_encoder(encoder)
    for key, value in [*options.items(), *(("an argument", value) for value in arguments)]:
        most = _DEEPEST if key in ("layers", "depth", "blocks") else _WIDEST
        if isinstance(value, int) and value > most:
            raise InputError(f"Encoder {encoder!r} of {modality.name}: {key} must be at most {most}.")
    factory = ENCODERS.get(name)
    known = encoder_options(factory)
    if unknown := [key for key in options if known is not None and key not in known]:
        raise suggest(unknown[0], list(known or ()), f"option of encoder {name}")

    def build() -> nn.Module:
        try:
            module: nn.Module = factory(modality, width, *arguments, **options)
        except InputError:
            raise
        except Exception as error:  # a stranger's constructor meets options of any type and size
            hint = "; write its options as key=value" if arguments and isinstance(error, TypeError) else ""
            raise InputError(f"Encoder {encoder!r} of {modality.name}: {error}{hint}.") from error
        return module

    return build


def encoder_options(factory: Callable[..., nn.Module]) -> dict[str, Any] | None:
    """``{option: default}`` of a registered encoder; None where it takes any, as a family of encoders does.

    >>> encoder_options(ENCODERS.get("gru"))
    {'hidden': None, 'layers': 1, 'last': False, 'fused': True, 'alongside': True}
    """
    try:
        parameters = list(inspect.signature(factory).parameters.values())[2:]  # behind modality and width
    except (TypeError, ValueError):  # a function without a signature
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return {
        parameter.name: parameter.default for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL
    }


def parse_encoder(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    """``name(value, key=value, ...)`` to the registered name, its arguments and its options; values are literals.

    In ``family:member(...)`` the family is the registered name, and the member its first argument: what a family
    knows of its members is its own affair.

    >>> parse_encoder("gru(hidden=64)")
    ('gru', (), {'hidden': 64})
    >>> parse_encoder("multibench:GRU(20, 128, last_only=True)")
    ('multibench', ('GRU', 20, 128), {'last_only': True})

    Raises:
        InputError: the text is not of this form.
    """
    family, colon, member = text.partition(":")
    if not colon or not family.strip().isidentifier():
        family, member = "", text
    try:
        if len(text) > _LONGEST:
            raise ValueError  # noqa: TRY301
        tree = ast.parse(member.strip(), mode="eval").body
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        name = ast.unparse(call.func)
        # a member may lie in a module of its family; nothing but names and dots is one
        if isinstance(call.func, ast.Name) or (family and name.replace(".", "").isidentifier()):
            options = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
            arguments = tuple(ast.literal_eval(value) for value in call.args)
            if None not in options and len(options) == len(call.keywords):  # no **mapping, nothing twice
                named = {str(key): value for key, value in options.items()}
                return (family.strip(), (name, *arguments), named) if family else (name, arguments, named)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):  # the last two: nested too deeply
        pass
    raise InputError(
        f"Cannot read the encoder {short(text)}; write NAME or NAME(key=value, ...), such as "
        "gru(hidden=64, last=True), or FAMILY:NAME(value, ...)."
    )
