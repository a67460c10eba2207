"""Architectures of transformers, with random weights by default of a small size."""

from __future__ import annotations

from core.models.architecture import Architecture
from core.options import Option
from core.tasks.preprocessing import Seq2SeqReading

_DROPOUT = Option("dropout", 0.1, "share of values dropped while training", 0, 0.9)
_HEADS = Option("heads", 4, "attention heads", 1, 128)
_AUXILIARY = Option(
    "auxiliary_loss",
    "no",
    "whether what each layer would find is learnt from too, and not the last one's alone",
    choices=("no", "yes"),
)
_QUERIES = Option("queries", 50, "objects that can be found in a picture", 1, 1000)

HUB = (
    Architecture(
        "vit",
        "core.models.hub.vit",
        ("image",),
        "Vision Transformer (ViT)",
        (
            Option("patch", 0, "side of a patch in pixels; 0: an eighth of the image", 0, 64),
            Option("width", 128, "size of a patch's vector; a multiple of heads", 8, 8192),
            _HEADS,
            Option("layers", 4, "encoder layers", 1, 96),
            _DROPOUT,
        ),
        {"lr": 1e-3, "batch_size": 64, "clip": 1.0},
        package="transformers",
        parameters=809_354,
    ),
    Architecture(
        "resnet",
        "core.models.hub.resnet",
        ("image",),
        "ResNet of a depth and width to choose",
        (
            Option("width", 64, "channels of the first stage; each later one doubles it", 4, 512),
            Option("layers", 2, "blocks in each of the four stages", 1, 36),
        ),
        {"lr": 1e-3, "batch_size": 64},
        package="transformers",
        parameters=11_181_642,
    ),
    Architecture(
        "bert",
        "core.models.hub.bert",
        ("tokens",),
        "BERT, by default of its tiny size",
        (
            Option("width", 128, "size of a token's vector; a multiple of heads", 8, 8192),
            Option("heads", 2, "attention heads", 1, 128),
            Option("layers", 2, "encoder layers", 1, 96),
            _DROPOUT,
        ),
        {"lr": 1e-3, "batch_size": 32, "clip": 1.0},
        package="transformers",
        parameters=1_710_466,
    ),
    Architecture(
        "modernbert",
        "core.models.hub.modernbert",
        ("tokens",),
        "ModernBERT: places by rotation, gated, near and far attention",
        (
            Option("width", 128, "size of a token's vector; a multiple of 2 heads", 8, 8192),
            Option("heads", 2, "attention heads", 1, 128),
            Option("layers", 2, "encoder layers", 1, 96),
            _DROPOUT,
        ),
        {"lr": 1e-3, "batch_size": 32, "clip": 1.0},
        package="transformers",
        parameters=1_692_802,
    ),
    Architecture(
        "gpt2",
        "core.models.hub.gpt2",
        ("next-token",),
        "GPT-2, by default of a small size",
        (
            Option("width", 128, "size of a token's vector; a multiple of heads", 8, 8192),
            _HEADS,
            Option("layers", 4, "blocks", 1, 96),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 16, "clip": 1.0},
        package="transformers",
        parameters=1_334_016,
    ),
    Architecture(
        "llama",
        "core.models.hub.llama",
        ("next-token",),
        "Llama, by default of a small size",
        (
            Option("width", 128, "size of a token's vector; a multiple of 2 heads", 8, 8192),
            _HEADS,
            Option("layers", 4, "blocks", 1, 96),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 16, "clip": 1.0},
        package="transformers",
        parameters=1_315_968,
    ),
    Architecture(
        "detr",
        "core.models.hub.detr",
        ("objects",),
        "DETR: a ResNet, and a Transformer whose queries each find one object",
        (
            _QUERIES,
            Option("width", 128, "size of a query's vector; a multiple of heads", 8, 8192),
            _HEADS,
            Option("layers", 3, "layers of the encoder, and of the decoder", 1, 96),
            Option("stem", 32, "channels of the ResNet's first stage", 4, 512),
            _AUXILIARY,
            _DROPOUT,
        ),
        {"lr": 5e-4, "batch_size": 16, "clip": 1.0},
        package="transformers",
        parameters=4_245_551,
    ),
    Architecture(
        "yolos",
        "core.models.hub.yolos",
        ("objects",),
        "YOLOS: a Vision Transformer with tokens that each find one object",
        (
            Option("patch", 0, "side of a patch in pixels; 0: an eighth of the image", 0, 64),
            _QUERIES,
            Option("width", 128, "size of a patch's vector; a multiple of heads", 8, 8192),
            _HEADS,
            Option("layers", 4, "encoder layers", 1, 96),
            _AUXILIARY,
            _DROPOUT,
        ),
        {"lr": 5e-4, "batch_size": 16, "clip": 1.0},
        package="transformers",
        parameters=1_025_167,
    ),
    Architecture(
        "wav2vec2",
        "core.models.hub.wav2vec2",
        ("speech",),
        "Wav2Vec2: convolutions over samples and a Transformer that hear letters",
        (
            Option("channels", 128, "channels of the convolutions", 8, 2048),
            Option("width", 128, "size of a frame's vector; a multiple of heads", 8, 8192),
            _HEADS,
            Option("layers", 4, "encoder layers", 1, 96),
            _DROPOUT,
        ),
        {"lr": 1e-3, "batch_size": 16, "clip": 1.0},
        package="transformers",
        parameters=1_145_822,
    ),
    Architecture(
        "whisper",
        "core.models.hub.whisper",
        ("speech-seq2seq",),
        "Whisper: an encoder that hears a sound whole and a decoder that writes it down",
        (
            Option("mels", 80, "bands of pitch that a sound is told in", 8, 128),
            Option("width", 128, "size of a position's vector; a multiple of heads", 8, 8192),
            _HEADS,
            Option("layers", 2, "layers of the encoder, and of the decoder", 1, 96),
            _DROPOUT,
        ),
        {"lr": 1e-3, "batch_size": 16, "clip": 1.0},
        package="transformers",
        parameters=1_779_200,
        reading=Seq2SeqReading(rate=16_000, seconds=30, most=448),
    ),
    Architecture(
        "patchtst",
        "core.models.hub.patchtst",
        ("series",),
        "PatchTST: a Transformer that reads the past patch by patch",
        (
            Option("patch", 0, "steps of a patch; 0: a season", 0, 4096),
            Option("width", 64, "size of a patch's vector; a multiple of heads", 8, 8192),
            _HEADS,
            Option("layers", 2, "encoder layers", 1, 96),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 64, "clip": 1.0},
        package="transformers",
        parameters=80_024,
    ),
)

PRETRAINED = Architecture(
    "pretrained",
    "core.models.hub.pretrained",
    ("image", "tokens", "next-token", "objects", "speech", "speech-seq2seq", "series"),
    "a model that others trained: its folder (./folder) or its name on the hub (owner/name)",
    (
        Option(
            "tune",
            "full",
            "what is trained: full: all of it; head: its last layers, or decoder; lora: small"
            " matrices beside",
            choices=("full", "head", "lora"),
        ),
        Option("rank", 8, "rank of the matrices of lora", 1, 1024),
        Option("alpha", 16, "what lora's matrices count for, over their rank", 1, 4096),
    ),
    {"lr": 5e-5, "batch_size": 16, "clip": 1.0},
    package="transformers",
    carries=("structure",),
)
"""Not in the list: it is named by where it lies (`core.models.hub.base`)."""
