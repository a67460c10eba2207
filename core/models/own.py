"""Our own architectures, in plain torch."""

from __future__ import annotations

from core.models.architecture import Architecture
from core.options import Option

_DROPOUT = Option("dropout", 0.1, "share of values dropped while training", 0, 0.9)

OWN = (
    Architecture(
        "cnn",
        "core.models.cnn",
        ("image",),
        "small convolutional network, quick on a CPU",
        (
            Option("width", 32, "channels of the first stage; each later one doubles it", 4, 512),
            Option(
                "stem",
                "full",
                "strided: begins at half the size, a third of the work, a little less exact",
                choices=("full", "strided"),
            ),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 64},
        parameters=576_170,
    ),
    Architecture(
        "resnet18",
        "core.models.resnet",
        ("image",),
        "ResNet-18, 11 million parameters",
        (
            Option(
                "stem",
                "auto",
                "small: 3x3 and no pooling; standard: 7x7, stride 2 and pooling; auto: by size",
                choices=("auto", "small", "standard"),
            ),
        ),
        {"lr": 1e-3, "batch_size": 64},
        parameters=11_173_962,
    ),
    Architecture(
        "airbench",
        "core.models.airbench",
        ("image",),
        "the network of airbench94, which learns small pictures in seconds on a GPU",
        (
            Option("width", 64, "channels of the first block, a quarter of the later ones", 4, 512),
            Option(
                "views",
                "one",
                "answers are the mean over a picture, its mirror image, and both moved by a pixel",
                choices=("one", "mirror", "moved"),
            ),
        ),
        {"lr": 5e-3, "batch_size": 64},
        parameters=1_972_792,
    ),
    Architecture(
        "lstm",
        "core.models.lstm",
        ("tokens",),
        "bidirectional LSTM over word vectors",
        (
            Option("embedding", 64, "size of a word vector", 4, 1024),
            Option("hidden", 64, "size of the state in each direction", 4, 2048),
            Option("layers", 1, "stacked layers", 1, 8),
            Option("dropout", 0.3, "share of values dropped while training", 0, 0.9),
        ),
        {"lr": 2e-3, "batch_size": 32, "clip": 1.0},
        parameters=706_818,
    ),
    Architecture(
        "transformer",
        "core.models.transformer",
        ("tokens",),
        "Transformer encoder over word vectors",
        (
            Option("width", 64, "size of a word vector; a multiple of heads", 8, 2048),
            Option("heads", 4, "attention heads", 1, 64),
            Option("layers", 2, "encoder layers", 1, 48),
            _DROPOUT,
        ),
        {"lr": 5e-4, "batch_size": 32, "clip": 1.0},
        parameters=748_418,
    ),
    Architecture(
        "gpt",
        "core.models.gpt",
        ("next-token",),
        "GPT: a Transformer that says which token comes next",
        (
            Option("width", 128, "size of a token's vector; a multiple of 2 heads", 8, 8192),
            Option("heads", 4, "attention heads", 1, 128),
            Option("layers", 4, "blocks", 1, 96),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 16, "clip": 1.0},
        parameters=1_315_968,
    ),
    Architecture(
        "speech-gru",
        "core.models.speech_gru",
        ("speech",),
        "convolutions and a bidirectional GRU that hear letters",
        (
            Option("mels", 64, "bands of pitch that a sound is told in", 8, 128),
            Option("width", 128, "channels of the convolutions", 8, 2048),
            Option("hidden", 128, "size of the state in each direction", 8, 2048),
            Option("layers", 2, "stacked GRU layers", 1, 8),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 16, "clip": 1.0},
        parameters=625_950,
    ),
    Architecture(
        "sound-cnn",
        "core.models.sound_cnn",
        ("sound",),
        "small convolutional network over the spectrogram of a sound",
        (
            Option("mels", 64, "bands of pitch that a sound is told in", 8, 128),
            Option("width", 16, "channels of the first stage; each later one doubles it", 4, 512),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 16},
        parameters=99_962,
    ),
    Architecture(
        "detector",
        "core.models.detector",
        ("objects",),
        "a small detector without anchors: ResNet blocks, a feature pyramid, two heads",
        (
            Option("width", 32, "channels of the pyramid and of the first stage", 8, 512),
            Option("levels", 4, "sizes of objects, each twice the one before", 2, 4),
        ),
        {"lr": 2e-3, "batch_size": 16, "clip": 10.0},
        parameters=2_865_762,
    ),
    Architecture(
        "tsmixer",
        "core.models.tsmixer",
        ("series",),
        "TSMixer: perceptrons that mix the steps and the columns of a window",
        (
            Option("width", 32, "units that the columns become", 4, 2048),
            Option("layers", 2, "mixers", 0, 32),
            _DROPOUT,
        ),
        {"lr": 4e-3, "batch_size": 64, "clip": 1.0},
        parameters=37_297,
    ),
    Architecture(
        "mlp",
        "core.models.mlp",
        ("table",),
        "multilayer perceptron with an embedding for each category column",
        (
            Option("width", 128, "units of each hidden layer", 4, 8192),
            Option("layers", 2, "hidden layers", 1, 32),
            _DROPOUT,
        ),
        {"lr": 2e-3, "batch_size": 64},
        parameters=19_010,
    ),
)
