"""Small pretrained models as transformers writes them, with random weights of a seed."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DetrConfig,
    DetrForObjectDetection,
    DetrImageProcessorPil,
    GPT2Config,
    GPT2LMHeadModel,
    PatchTSTConfig,
    PatchTSTForPrediction,
    PreTrainedTokenizerFast,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessorPil,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    YolosConfig,
    YolosForObjectDetection,
)

PAD, START, STOP, END = "[PAD]", "[CLS]", "[SEP]", "<|endoftext|>"


def bert(folder: Path, texts: list[str], *, labels: int = 7, width: int = 32) -> Path:
    """A BERT with its tokenizer, which sets marks around a text."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [PAD, "[UNK]", START, STOP]
    made.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=800, special_tokens=special)
    )
    made.post_processor = processors.BertProcessing((STOP, 3), (START, 2))
    PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=PAD, model_max_length=40
    ).save_pretrained(folder)
    torch.manual_seed(5)
    config = BertConfig(
        vocab_size=made.get_vocab_size(),
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        num_labels=labels,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def gpt2(folder: Path, texts: list[str]) -> Path:
    """A GPT-2 whose end of a text is its last piece, and whose vocabulary is filled up."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, initial_alphabet=alphabet))
    made.add_special_tokens([END])
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END).save_pretrained(folder)
    size = made.get_vocab_size()
    torch.manual_seed(5)
    config = GPT2Config(
        vocab_size=size + 3,
        n_positions=32,
        n_embd=32,
        n_layer=2,
        n_head=2,
        bos_token_id=size - 1,
        eos_token_id=size - 1,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


def vit(folder: Path) -> Path:
    """A ViT for pictures of 16 x 16, three channels."""
    torch.manual_seed(5)
    config = ViTConfig(
        image_size=16,
        patch_size=4,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    ViTForImageClassification(config).save_pretrained(folder)
    return _pictures(folder, {"height": 16, "width": 16})


def resnet(folder: Path) -> Path:
    """A ResNet that reads pictures of any size; it was trained on some of 32 x 32."""
    torch.manual_seed(5)
    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16, 16, 16], depths=[1] * 4, layer_type="basic"
    )
    ResNetForImageClassification(config).save_pretrained(folder)
    return _pictures(folder, {"height": 32, "width": 32})


def detr(folder: Path) -> Path:
    """A DETR on a ResNet whose scales are fixed, for three channels; it finds cats and dogs."""
    torch.manual_seed(5)
    stages = {"embedding_size": 8, "hidden_sizes": [8, 16, 32, 32], "depths": [1] * 4}
    config = DetrConfig(
        backbone_config=ResNetConfig(**stages, layer_type="basic", out_features=["stage3"]),
        num_labels=2,
        num_queries=5,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        dropout=0.0,
    )
    DetrForObjectDetection(config).save_pretrained(folder)
    size = {"shortest_edge": 64, "longest_edge": 96}
    DetrImageProcessorPil(size=size).save_pretrained(folder)
    return folder


def yolos(folder: Path) -> Path:
    """A YOLOS for pictures of 64 x 96; it finds cats and dogs."""
    torch.manual_seed(5)
    config = YolosConfig(
        image_size=[64, 96],
        patch_size=16,
        num_labels=2,
        num_detection_tokens=5,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    YolosForObjectDetection(config).save_pretrained(folder)
    return _pictures(folder, {"height": 64, "width": 96})


def wav2vec2(folder: Path, letters: str) -> Path:
    """A Wav2Vec2 that says these letters, in capitals, with the tokens of its own beside them."""
    pieces = ["<s>", "</s>", "<unk>", "|", *letters.upper(), "<pad>"]
    folder.mkdir()
    written = folder / "vocab.json"
    written.write_text(json.dumps({piece: at for at, piece in enumerate(pieces)}))
    Wav2Vec2CTCTokenizer(written).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(return_attention_mask=True).save_pretrained(folder)
    torch.manual_seed(5)
    config = Wav2Vec2Config(
        vocab_size=len(pieces),
        pad_token_id=len(pieces) - 1,
        conv_dim=[32] * 7,
        feat_extract_norm="layer",
        conv_bias=True,
        do_stable_layer_norm=True,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_conv_pos_embeddings=64,
        **dict.fromkeys(("hidden_dropout", "activation_dropout", "attention_dropout"), 0.0),
    )
    Wav2Vec2ForCTC(config).save_pretrained(folder)
    return folder


def whisper(folder: Path, texts: list[str], *, seconds: int = 2, **options: int) -> Path:
    """A Whisper that hears some seconds and writes in two languages."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet))
    marks = [END, "<|startoftranscript|>", "<|en|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
    made.add_special_tokens(marks)
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token=END).save_pretrained(folder)
    WhisperFeatureExtractor(chunk_length=seconds).save_pretrained(folder)
    end, start, *languages, write, plain = map(made.token_to_id, marks)
    torch.manual_seed(5)
    width = options.get("width", 32)
    config = WhisperConfig(
        vocab_size=made.get_vocab_size() + 3,
        d_model=width,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_source_positions=50 * seconds,
        max_target_positions=40,
        decoder_start_token_id=start,
        **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"), end),
    )
    model = WhisperForConditionalGeneration(config)
    said = model.generation_config
    said._from_model_config = False  # what is set here is more than the model's configuration says
    said.is_multilingual = True
    said.lang_to_id = dict(zip(("<|en|>", "<|de|>"), languages, strict=True))
    said.task_to_id = {"transcribe": write}
    said.no_timestamps_token_id = plain
    said.suppress_tokens = [made.token_to_id("!")]
    said.begin_suppress_tokens = [end]
    model.save_pretrained(folder)
    return folder


def patchtst(folder: Path, *, context: int = 28, steps: int = 14) -> Path:
    """A PatchTST for three columns that know nothing of each other."""
    torch.manual_seed(5)
    config = PatchTSTConfig(
        num_input_channels=3,
        context_length=context,
        patch_length=7,
        patch_stride=7,
        prediction_length=steps,
        pooling_type=None,
        d_model=16,
        ffn_dim=32,
        num_hidden_layers=2,
        num_attention_heads=2,
    )
    PatchTSTForPrediction(config).save_pretrained(folder)
    return folder


def _pictures(folder: Path, size: dict[str, int]) -> Path:
    ViTImageProcessorPil(
        size=size, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.25, 0.3]
    ).save_pretrained(folder)
    return folder
