"""How the authors' parameters are called here: tables of pairs, ``{beginning of our name: beginning of theirs}``.

The tables nest: an encoder's stands under each place where such an encoder is. :func:`pair_names` puts them together
for a method, and refuses a parameter of ours that no pair fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from coral_plugin.data import Modality
from coral_plugin.networks import module_key

Stems = dict[str, str]


def under(ours: str, theirs: str, table: Mapping[str, str]) -> Stems:
    """The pairs of ``table`` below two places.

    >>> under("a.", "b.", {"norm.": "ln."})
    {'a.norm.': 'b.ln.'}
    """
    return {ours + one: theirs + other for one, other in table.items()}


AFFECT_LAYER = {
    "norm1.": "norm1.", "norm2.": "norm2.", "linear1.": "linear1.", "linear2.": "linear2.",
    "query_key_value.": "self_attn.in_proj_", "attention_out.": "self_attn.out_proj.",
}  # fmt: skip
AFFECT = {"project.": "conv."}
for _number in range(5):
    AFFECT |= under(f"layers.{_number}.", f"transformer.layers.{_number}.", AFFECT_LAYER)
ENCODERS: dict[str, Stems] = {
    "sequence": AFFECT,
    "tabular": {"net.0.": "fc.", "net.2.": "fc2."},
    "timeseries": {"gru.": "gru."},
    "image": {"": "features."},
}
TOKENIZERS: dict[str, Stems] = {"tabular": {"": ""}, "image": {"project.": "proj."}}

BLOCK = {
    "norm_attention.": "ln_1.", "query_key_value.": "attn.in_proj_", "attention_out.": "attn.out_proj.",
    "norm_mlp.": "ln_2.", "mlp.0.": "mlp.c_fc.", "mlp.2.": "mlp.c_proj.",
}  # fmt: skip
FUSION = {"cls": "cls_token", "norm.": "norm.", **under("blocks.0.", "resblocks.0.", BLOCK)}
HEAD = {"0.": "layer1.", "1.": "bn1.", "3.": "layer2.", "4.": "bn2.", "6.": "layer3."}

# FactorCL: five heads of each modality, six critics
FACTOR_HEADS = {
    "shared": ("linears_infonce_x1x2.0.", "linears_infonce_x1x2.1."),
    "unique": ("linears_infonce_x1y.", "linears_infonce_x2y."),
    "conditional": ("linears_infonce_x1x2_cond.0.", "linears_infonce_x1x2_cond.1."),
    "shared_bound": ("linears_club_x1x2.0.", "linears_club_x1x2.1."),
    "conditional_bound": ("linears_club_x1x2_cond.0.", "linears_club_x1x2_cond.1."),
}
FACTOR_CRITICS = {
    "critics.shared.": "infonce_x1x2.", "critics.conditional.": "infonce_x1x2_cond.",
    "critics.unique_first.": "infonce_x1y.", "critics.unique_second.": "infonce_x2y.",
    "club_critics.shared_bound.": "club_x1x2.", "club_critics.conditional_bound.": "club_x1x2_cond.",
}  # fmt: skip
CRITIC = {"joint.": "_f.0.", "hidden.": "_f.2.", "score.": "_f.4."}
# these critics see the second argument first
SWAPPED = ("club_x1x2._f.0.weight", "club_x1x2_cond._f.0.weight")


def align(theirs: str, values: Tensor) -> Tensor:
    """The authors' parameter ``theirs``, or its gradient, in our order of columns; the same the other way round."""
    return values.roll(values.shape[1] // 2, dims=1) if theirs in SWAPPED else values


def fused(modalities: Sequence[Modality], encoder: str) -> Stems:
    """Encoders, tokenizers and fusion of COrAL's shared pathway, CoMM and InfMasking; ``encoder`` is their place."""
    stems = under("shared.fusion.", f"{encoder}fusion_transformer.", FUSION)
    for number, m in enumerate(modalities):
        stems |= tokens(m, f"shared.encoders.{module_key(m.name)}.", encoder, number)
    return stems


def tokens(m: Modality, ours: str, theirs: str, number: int, kind: str = "") -> Stems:
    """Encoder and tokenizer of one modality; ``kind`` is ``unique_`` for COrAL's second copy."""
    return {
        **under(f"{ours}encoder.", f"{theirs}{kind}encoders.{number}.", ENCODERS[m.kind]),
        **under(f"{ours}tokenizer.", f"{theirs}{kind}input_adapters.{number}.", TOKENIZERS.get(m.kind, {})),
    }


def vectors(modalities: Sequence[Modality], places: Sequence[str]) -> Stems:
    """Encoders that end in a vector, each in one of ``places``: ``Vector`` of twins_authors.py, or a flat AlexNet."""
    stems: Stems = {}
    for m, place in zip(modalities, places, strict=True):
        ours = f"encoders.{module_key(m.name)}.tokens."
        if m.kind == "image":
            stems |= {f"{ours}encoder.0.": f"{place}features.", f"{ours}encoder.2.": f"{place}classifier."}
        else:
            stems |= under(f"{ours}encoder.", f"{place}encoder.", ENCODERS[m.kind])
            stems |= under(f"{ours}tokenizer.", f"{place}adapter.", TOKENIZERS.get(m.kind, {}))
    return stems


def coral(modalities: Sequence[Modality]) -> Stems:
    stems = fused(modalities, "encoder.") | under("shared_head.", "head.", HEAD)
    for number, m in enumerate(modalities):
        key = module_key(m.name)
        stems |= tokens(m, f"unique_encoders.{key}.", "encoder.", number, "unique_")
        stems |= {f"unique.{key}.tokens.": f"encoder.lin_mod.{number}."}
        stems |= {f"unique.{key}.pool.": f"encoder.pooling_layers.{number}."}
        stems |= under(f"unique_heads.{key}.", f"uni_head_{number + 1}.", HEAD)
    return stems


def comm(modalities: Sequence[Modality]) -> Stems:
    return fused(modalities, "encoder.") | under("shared_head.", "head.", HEAD)


def infmasking(modalities: Sequence[Modality]) -> Stems:
    return comm(modalities) | {"mask.token": "encoder.fusion_transformer.mask_tokens"}


def supervised(modalities: Sequence[Modality]) -> Stems:
    return fused(modalities, "base_encoder.encoder.") | {"heads.m_label.": "linear."}


def clip(modalities: Sequence[Modality]) -> Stems:
    one, two = (f"heads.{module_key(m.name)}." for m in modalities)
    pairs = {one: "image_projection.", two: "text_projection.", "logit_scale": "logit_scale"}
    return vectors(modalities, ["visual.", "language."]) | pairs


def cross_self(modalities: Sequence[Modality]) -> Stems:
    stems = vectors(modalities, ["enc1.", "enc2."])
    for number, m in enumerate(modalities, start=1):
        stems |= under(f"heads.{module_key(m.name)}.", f"head{number}.", HEAD)
    return stems


def cmc(modalities: Sequence[Modality]) -> Stems:
    heads = {f"heads.{module_key(m.name)}.": f"heads.{number}." for number, m in enumerate(modalities)}
    return vectors(modalities, [f"encoders.{number}." for number in range(len(modalities))]) | heads


def factorcl(modalities: Sequence[Modality]) -> Stems:
    stems = vectors(modalities, ["backbones.0.", "backbones.1."])
    for name, places in FACTOR_HEADS.items():
        stems |= {f"pairs.0.heads.{number}.{name}.": place for number, place in enumerate(places)}
    for ours, theirs in FACTOR_CRITICS.items():
        stems |= under(f"pairs.0.{ours}", theirs, CRITIC)
    return stems


METHODS = {
    "coral": coral, "comm": comm, "infmasking": infmasking, "supervised": supervised, "clip": clip,
    "cross_self": cross_self, "cmc": cmc, "factorcl": factorcl,
}  # fmt: skip


def pair_names(method: str, modalities: Sequence[Modality], names: Sequence[str]) -> dict[str, str]:
    """``{our name of a parameter: the authors' name}``, for all ``names``.

    Raises:
        KeyError: a name of ours that no pair of the tables fits.
    """
    stems = METHODS[method](modalities)
    paired = {}
    for name in names:
        stem = max((stem for stem in stems if name.startswith(stem)), key=len, default=None)
        if stem is None:
            raise KeyError(f"no pair of twins_names.py fits {name}")
        paired[name] = stems[stem] + name[len(stem) :]
    return paired
