"""Models of others embed here as they do in transformers and sentence-transformers, or they are refused by name."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from workbook.encoder import DualEncoder, HuggingFaceBackbone, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.encoder.layers import Dense, Normalize
from workbook.pooling import ConcatenatedPool, cls_pool, max_pool, mean_pool, mean_sqrt_len_pool, weighted_mean_pool
from workbook.train import fit

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TEXTS = [
    "sort a list of numbers",
    "Open a SOCKET",
    "",
    "the mean of an array, and much more than that",
    "a",
    "word " * 60,
]
TOKENIZER = train_tokenizer(TEXTS * 3, vocab_size=150)
V = TOKENIZER.get_vocab_size()
TINY = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 64,
}  # fmt: skip
SMALL = {**TINY, "vocab_size": V, "max_position_embeddings": 128}


# --- every encoder of transformers, padded on either side ------------------------------------------


ARCHITECTURES = {  # model type -> what its configuration needs beside, or instead of, TINY
    "albert": {"embedding_size": 16}, "bert": {}, "big_bird": {"attention_type": "original_full"}, "camembert": {},
    "convbert": {}, "data2vec-text": {}, "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}, "distilbert": {"hidden_dim": 64},
    "electra": {"embedding_size": 16}, "ernie": {}, "esm": {"pad_token_id": 1, "mask_token_id": 4},
    "eurobert": {"pad_token_id": 0}, "flaubert": {}, "gte": {}, "ibert": {}, "jina_embeddings_v3": {}, "layoutlm": {},
    "longformer": {"attention_window": 4}, "megatron-bert": {}, "mobilebert": {}, "modernbert": {"pad_token_id": 0},
    "mpnet": {}, "mra": {}, "nomic_bert": {}, "nystromformer": {}, "rembert": {"input_embedding_size": 16},
    "roberta": {}, "roberta-prelayernorm": {}, "roformer": {"embedding_size": 32}, "squeezebert": {"embedding_size": 32},
    "tapas": {}, "xlm": {}, "xlm-roberta": {}, "xlm-roberta-xl": {},
    "xlnet": {"vocab_size": 60, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64},
    "bloom": {}, "gpt2": {}, "opt": {"ffn_dim": 64, "word_embed_proj_dim": 32}, "llama": {}, "qwen2": {"num_key_value_heads": 2},
}  # fmt: skip
ALONE = {
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
}  # the encoders of encoder-decoders


def tiny(kind):
    import transformers

    torch.manual_seed(0)
    if kind in ALONE:
        config = transformers.AutoConfig.for_model(
            kind, vocab_size=60, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4
        )
        return getattr(transformers, ALONE[kind])(config).eval()
    more = ARCHITECTURES[kind]
    config = transformers.AutoConfig.for_model(kind, **(more if "d_model" in more else {**TINY, **more}))
    return transformers.AutoModel.from_config(config).eval()


@pytest.mark.parametrize("kind", [*ARCHITECTURES, *ALONE])
def test_padding_on_either_side_gives_the_vectors_of_padding_on_the_right(kind):
    model = tiny(kind)
    lengths = torch.tensor([9, 5, 1, 8])
    mask = (torch.arange(9) < lengths[:, None]).long()  # padded on the right
    ids = torch.randint(5, 60, (4, 9), generator=torch.Generator().manual_seed(1))
    ids = ids * mask + (1 - mask) * (model.config.pad_token_id or 0)
    ours = HuggingFaceBackbone(model)
    with torch.no_grad():
        expected = model(input_ids=ids, attention_mask=mask).last_hidden_state
        right = ours(ids, mask)
        shift = (torch.arange(9) + lengths[:, None]) % 9  # the same rows, padded on the left
        left = ours(ids.gather(1, shift), mask.gather(1, shift))
    assert ours.hidden_size == expected.shape[2]
    torch.testing.assert_close(right[mask.bool()], expected[mask.bool()], rtol=0, atol=2e-6)
    assert torch.equal(left[mask.gather(1, shift).bool()], right[mask.bool()])


def test_the_list_holds_every_encoder_of_a_text_that_a_small_configuration_builds():
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
        MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES,
    )

    others = {
        "bart", "mbart", "mvp", "t5gemma",  # an encoder and a decoder
        "fnet",  # takes no mask
        "yoso",  # draws random numbers at each call
        "funnel", "perceiver", "reformer",  # as many vectors or tokens as they see fit
        "luke", "roc_bert", "xmod",  # entities, shapes or a language beside the tokens
        "clip_text_model", "emu3", "llama4", "mllama", "modernvbert", "molmo2_text", "neomme", "tipsv2_text_model",
        "ultrabert", "ultravbert", "esmc",  # pictures, proteins
    }  # fmt: skip
    known = {*MODEL_FOR_MASKED_LM_MAPPING_NAMES, *MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES}
    assert known - others <= {*ARCHITECTURES, *ALONE}


def test_models_that_cannot_be_padded_or_have_two_halves_are_refused():
    import transformers

    sizes = {"vocab_size": 60, "d_model": 32, "encoder_layers": 1, "decoder_layers": 1}
    with pytest.raises(ValueError, match="BartModel has an encoder and a decoder; give its encoder alone"):
        HuggingFaceBackbone(transformers.BartModel(transformers.BartConfig(**sizes)))
    with pytest.raises(ValueError, match="FNetModel takes no attention_mask: padding would change"):
        HuggingFaceBackbone(
            transformers.FNetModel(transformers.FNetConfig(vocab_size=60, hidden_size=32, num_hidden_layers=1))
        )
    with pytest.raises(TypeError, match="BertForMaskedLM gives no last_hidden_state; give the model without its head"):
        TextEncoder(TOKENIZER, transformers.BertForMaskedLM(transformers.BertConfig(**SMALL))).encode(["a"])


# --- a model in memory ----------------------------------------------------------------------------


def in_memory(kind):
    import transformers

    torch.manual_seed(0)
    if kind == "t5":
        config = transformers.T5Config(vocab_size=V, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
        return transformers.T5EncoderModel(config)
    config = transformers.AutoConfig.for_model(kind, **{**SMALL, **ARCHITECTURES[kind], "pad_token_id": 0})
    return transformers.AutoModel.from_config(config)


def theirs(folder):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@pytest.mark.parametrize("kind", ["bert", "roberta", "mpnet", "distilbert", "deberta-v2", "gpt2", "t5"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_a_model_in_memory_encodes_trains_saves_and_sentence_transformers_reads_it(kind, side, tmp_path):
    encoder = TextEncoder(TOKENIZER, in_memory(kind), max_length=32, padding_side=side)
    before = encoder.encode(TEXTS)
    fit(encoder, [("sort a list", "of numbers"), ("open a socket", "the mean")] * 4, steps=2, batch_size=4)
    after = encoder.encode(TEXTS)
    assert not np.allclose(before, after, atol=1e-4)
    encoder.save(tmp_path / "model")
    np.testing.assert_allclose(TextEncoder.load(tmp_path / "model").encode(TEXTS), after, rtol=0, atol=1e-6)
    np.testing.assert_allclose(theirs(tmp_path / "model").encode(TEXTS), after, rtol=0, atol=1e-5)


def test_a_tokenizer_of_transformers_is_taken_as_it_is():
    import transformers

    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=TOKENIZER, pad_token="[MASK]")
    encoder = TextEncoder(fast, in_memory("bert"))
    assert encoder.pad_id == TOKENIZER.token_to_id("[MASK]")
    assert encoder.token_ids(["a list"]) == [TOKENIZER.encode("a list").ids]


# --- folders that sentence-transformers wrote --------------------------------------------------------


def written(folder, *modules, pooling="mean", kind="bert", **options):
    """A folder of sentence-transformers: a tiny transformer, a pooling, and what is given after it."""
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    in_memory(kind).save_pretrained(folder / "start")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=TOKENIZER, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", model_max_length=24,
        **options.pop("tokenizer", {}),
    )  # fmt: skip
    fast.save_pretrained(folder / "start")
    pooled = Pooling(32, pooling_mode=pooling, include_prompt=options.pop("include_prompt", True))
    model = SentenceTransformer(modules=[Transformer(str(folder / "start")), pooled, *modules], device="cpu", **options)
    model.save_pretrained(str(folder / "model"))
    return folder / "model"


def assert_same(ours, folder, prompt="the list "):
    model = theirs(folder)
    assert ours.embedding_size == model.get_embedding_dimension()
    for text in ({}, {"prompt": prompt}):
        np.testing.assert_allclose(ours.encode(TEXTS, **text), model.encode(TEXTS, **text), rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours.encode_query(TEXTS), model.encode_query(TEXTS), rtol=0, atol=1e-5)
    np.testing.assert_allclose(ours.encode_document(TEXTS), model.encode_document(TEXTS), rtol=0, atol=1e-5)


def assert_same_again(ours, folder):
    """Read, saved by us, and read once more by both."""
    assert_same(ours, folder)
    ours.save(folder.parent / "again")
    assert_same(TextEncoder.load(folder.parent / "again"), folder.parent / "again")
    np.testing.assert_allclose(
        TextEncoder.load(folder.parent / "again").encode(TEXTS), ours.encode(TEXTS), rtol=0, atol=1e-6
    )


def dense(size_in=32, size_out=16, **options):
    from sentence_transformers.sentence_transformer.modules import Dense

    return Dense(size_in, size_out, **options)


def normalized():
    from sentence_transformers.sentence_transformer.modules import Normalize

    return Normalize()


CHAINS = {
    "dense": lambda: [dense()],
    "dense, normalize": lambda: [dense(bias=False, activation_function=torch.nn.Identity()), normalized()],
    "normalize, dense": lambda: [normalized(), dense(activation_function=torch.nn.GELU())],
    "normalize, dense, normalize": lambda: [normalized(), dense(), normalized()],
    "dense, dense, normalize": lambda: [dense(32, 48), dense(48, 8, activation_function=torch.nn.ReLU()), normalized()],
    "normalize": lambda: [normalized()],
}


@pytest.mark.parametrize("chain", CHAINS)
def test_dense_and_normalize_stand_where_they_stood(chain, tmp_path):
    torch.manual_seed(0)
    folder = written(tmp_path, *CHAINS[chain]())
    assert_same_again(TextEncoder.from_pretrained(folder), folder)


def test_the_size_behind_a_dense_layer_is_the_encoders_size(tmp_path):
    small = TextEncoder.from_pretrained(written(tmp_path, dense()))
    assert (small.full_size, small.encode([]).shape) == (16, (0, 16))
    whole = TextEncoder(TOKENIZER, in_memory("bert"))
    with pytest.raises(ValueError, match="got 16 for queries and 32 for documents"):
        DualEncoder(small, whole)
    assert DualEncoder(small, TextEncoder(TOKENIZER, in_memory("bert"), layers=[Dense(32, 16)])).hidden_size == 16
    with pytest.raises(ValueError, match="truncate_dim between 1 and 16"):
        small.encode(TEXTS, truncate_dim=17)
    fit(small, [("sort a list", "of numbers"), ("open a socket", "the mean")] * 4, steps=2, batch_size=4)


MODES = [
    ("cls", "max", "mean"),
    ("mean", "cls"),
    ("lasttoken", "weightedmean"),
    ("mean_sqrt_len_tokens",),
    ("max", "max"),
]


@pytest.mark.parametrize("modes", MODES, ids="+".join)
def test_poolings_stand_side_by_side(modes, tmp_path):
    folder = written(tmp_path, normalized(), pooling=list(modes))
    encoder = TextEncoder.from_pretrained(folder)
    assert encoder.full_size == len(modes) * 32
    assert_same_again(encoder, folder)


@pytest.mark.parametrize("modes", [("mean", "max"), ("lasttoken", "cls"), ("mean_sqrt_len_tokens",), ()], ids="+".join)
def test_flags_of_older_folders_are_put_side_by_side(modes, tmp_path):
    from workbook.encoder.hugging_face import POOLING_FLAGS

    folder = written(tmp_path)
    flags = {flag: name in modes for name, flag in POOLING_FLAGS.items()}
    (folder / "1_Pooling/config.json").write_text(json.dumps({"word_embedding_dimension": 32, **flags}))
    assert_same(TextEncoder.from_pretrained(folder), folder)


@pytest.mark.parametrize(
    "pooling", ["mean", "max", "cls", "lasttoken", "mean_sqrt_len_tokens", ["cls", "mean"]], ids=str
)
@pytest.mark.parametrize("side", ["right", "left"])
def test_the_tokens_of_a_prompt_are_left_out_of_pooling(pooling, side, tmp_path):
    folder = written(
        tmp_path, pooling=pooling, kind="bert" if side == "right" else "modernbert",
        include_prompt=False, prompts={"query": "the mean of ", "document": ""},
        tokenizer={"padding_side": side},
    )  # fmt: skip
    encoder = TextEncoder.from_pretrained(folder)
    assert not encoder.include_prompt
    assert_same_again(encoder, folder)
    whole = TextEncoder.from_pretrained(folder, include_prompt=True)
    same = np.allclose(whole.encode_query(TEXTS), encoder.encode_query(TEXTS), atol=1e-3)
    assert same == (pooling == "lasttoken")


def test_the_prompt_can_be_left_out_where_there_is_no_padding_at_all():
    from workbook.encoder import StaticEncoder

    encoder = TextEncoder(TOKENIZER, StaticEncoder(V, 8), include_prompt=False, query_prompt="the list ")
    np.testing.assert_allclose(encoder.encode_query(TEXTS), encoder.encode(TEXTS), atol=1e-6)


def test_what_leaves_the_prompt_out_of_pooling_cannot_count_tokens(tmp_path):
    with pytest.raises(ValueError, match="would number the tokens behind the prompt from 1"):
        TextEncoder.from_pretrained(written(tmp_path, pooling="weightedmean", include_prompt=False))


TRAINING = [("sort a list", "of numbers"), ("open a socket", "the mean of an array"), ("sort", "a list of lists")]


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("pooling", ["mean", "cls", "max"])
def test_a_prompt_left_out_of_pooling_is_left_out_in_training_too(pooling, side, tmp_path):
    """The gradient of a step is that of sentence-transformers with include_prompt=False, in float64."""
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    prompts = {"query": "the mean of ", "document": ""}
    kind = "bert" if side == "right" else "modernbert"
    folder = written(
        tmp_path, pooling=pooling, kind=kind, include_prompt=False, prompts=prompts, tokenizer={"padding_side": side}
    )
    peer = theirs(folder).double().eval()
    sides = zip(*TRAINING, strict=True)
    features = [peer.preprocess(list(texts), prompt=prompts[name]) for name, texts in zip(prompts, sides, strict=True)]
    MultipleNegativesRankingLoss(peer, scale=20)(features, None).backward()
    expected = {name: p.grad for name, p in peer[0].model.named_parameters()}
    found = {}

    def keep(name):
        return lambda grad: found.__setitem__(name, found.get(name, 0) + grad.clone())

    encoder = TextEncoder.from_pretrained(folder).double()
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    for name, p in encoder.backbone.model.named_parameters():
        p.register_hook(keep(name))
    fit(encoder, TRAINING, steps=1, batch_size=3, temperature=0.05)
    assert any(gradient.abs().max() > 1e-3 for gradient in found.values())
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=0, atol=1e-10)  # its positions are float32


def test_training_by_hand_has_to_say_which_tokens_are_the_prompts():
    encoder = TextEncoder(TOKENIZER, in_memory("bert"), include_prompt=False, query_prompt="the list ").train()
    texts = ["the list of numbers", "the list is open"]
    with pytest.raises(ValueError, match=r"pass skip=encoder.prompt_length\(prompt\)"):
        encoder(*encoder.tokenize(texts))
    skipped = encoder.eval()(*encoder.tokenize(texts), skip=encoder.prompt_length("the list "))
    expected = encoder.encode_query(["of numbers", "is open"])
    np.testing.assert_allclose(skipped.detach().numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["query", "passage", "corpus", "default"])
def test_prompts_are_found_under_their_names(kind, tmp_path):
    folder = written(tmp_path)
    config = json.loads((folder / "config_sentence_transformers.json").read_text("utf-8"))
    prompts = {"other": "an array ", kind: "the list "}
    name = "default" if kind == "default" else None
    (folder / "config_sentence_transformers.json").write_text(
        json.dumps({**config, "prompts": prompts, "default_prompt_name": name})
    )
    encoder, model = TextEncoder.from_pretrained(folder), theirs(folder)
    for call in ("encode", "encode_query", "encode_document"):
        ours, expected = getattr(encoder, call)(TEXTS), getattr(model, call)(TEXTS)
        if (kind, call) in (("passage", "encode_document"), ("corpus", "encode_document")):
            expected = model.encode(TEXTS, prompt="the list ")  # theirs always has a document prompt, which is empty
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)
    assert_same_again(encoder, folder) if kind in ("query", "default") else None


def test_a_folder_says_how_many_dimensions_are_kept(tmp_path):
    folder = written(tmp_path, normalized(), truncate_dim=10)
    encoder, model = TextEncoder.from_pretrained(folder), theirs(folder)
    assert encoder.embedding_size == model.get_embedding_dimension() == 10
    expected = torch.nn.functional.normalize(torch.from_numpy(model.encode(TEXTS)), dim=1)  # theirs stay shorter than 1
    np.testing.assert_allclose(encoder.encode(TEXTS), expected, rtol=0, atol=1e-5)
    encoder.save(tmp_path / "again")
    assert theirs(tmp_path / "again").truncate_dim == TextEncoder.load(tmp_path / "again").truncate_dim == 10
    assert encoder.encode(TEXTS, truncate_dim=20).shape == (6, 20)


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"])
def test_length_and_case_stand_in_the_file_of_any_kind(name, tmp_path):
    from tokenizers import normalizers

    folder = written(tmp_path)
    told = {"max_seq_length": 6, "do_lower_case": True}
    (folder / "sentence_bert_config.json").unlink()
    (folder / f"sentence_{name}_config.json").write_text(json.dumps(told))
    tokenizer = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    cased = type(TOKENIZER).from_str(json.dumps(tokenizer))
    cased.normalizer = normalizers.Sequence([normalizers.NFC()])
    cased.save(str(folder / "tokenizer.json"))
    encoder = TextEncoder.from_pretrained(folder)
    assert encoder.max_length == 6
    assert encoder.token_ids(["OPEN"]) == encoder.token_ids(["open"])
    assert_same_again(encoder, folder)


def test_long_texts_can_be_cut_at_their_beginning(tmp_path):
    folder = written(tmp_path, tokenizer={"truncation_side": "left"})
    encoder = TextEncoder.from_pretrained(folder)
    whole = TOKENIZER.encode(TEXTS[-1]).ids
    assert encoder.token_ids(TEXTS[-1:]) == [[whole[0], *whole[-23:]]]
    assert_same_again(encoder, folder)


@pytest.mark.parametrize("kind", ["bert", "distilbert", "deberta-v2"])
def test_a_model_that_counts_padding_gives_each_text_the_vector_it_has_alone(kind, tmp_path):
    folder = written(tmp_path, kind=kind, tokenizer={"padding_side": "left"})
    encoder = TextEncoder.from_pretrained(folder)
    assert encoder.padding_side == "left"
    np.testing.assert_allclose(encoder.encode(TEXTS), theirs(folder).encode(TEXTS, batch_size=1), rtol=0, atol=1e-5)
    encoder.save(tmp_path / "again")
    assert_same(encoder, tmp_path / "again")  # in batches too: there theirs pads on the right


def test_the_transformer_may_stand_in_a_folder_of_its_own(tmp_path):
    folder = written(tmp_path)
    (folder / "0_Transformer").mkdir()
    for file in folder.glob("*"):
        if file.is_file() and file.name not in ("modules.json", "config_sentence_transformers.json", "README.md"):
            file.rename(folder / "0_Transformer" / file.name)
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    modules[0]["path"] = "0_Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert_same(TextEncoder.from_pretrained(folder), folder)


def test_a_folder_of_t5_is_its_encoder_alone(tmp_path):
    import transformers

    config = transformers.T5Config(vocab_size=V, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    folder = written(tmp_path, dense(bias=False, activation_function=torch.nn.Identity()), normalized())
    transformers.T5Model(config).save_pretrained(folder)  # encoder and decoder, as sentence-t5 is stored
    assert_same_again(TextEncoder.from_pretrained(folder), folder)


@pytest.mark.parametrize("side", ["right", "left"])
def test_token_embeddings(side, tmp_path):
    folder = written(tmp_path)
    encoder = TextEncoder.from_pretrained(folder, padding_side=side)
    for prompt in (None, "the list "):
        expected = theirs(folder).encode(TEXTS, output_value="token_embeddings", prompt=prompt)
        ours = encoder.encode_tokens(TEXTS, prompt=prompt)
        assert [x.shape for x in ours] == [tuple(x.shape) for x in expected]
        for x, y in zip(ours, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-5)
    mean = mean_pool(torch.from_numpy(ours[0])[None], torch.ones(1, len(ours[0])))
    np.testing.assert_allclose(encoder.encode(TEXTS[:1], prompt="the list "), mean, rtol=0, atol=1e-5)
    assert encoder.encode_tokens([]) == []


# --- what is refused ----------------------------------------------------------------------------------


REFUSED = {  # a file, what is written into it, the name that the error gives
    "1_Pooling/config.json": [{"pooling_mode": "median"}, {"token_weights": True}],
    "2_Dense/config.json": [
        {"use_residual": True}, {"module_input_name": "token_embeddings"}, {"activation_function": "custom.Swish"},
        {"activation_function": "torch.nn.modules.container.Sequential"}, {"rank": 4},
    ],
    "sentence_bert_config.json": [
        {"transformer_task": "fill-mask"}, {"processing_kwargs": {"text": {"truncation": False}}}, {"query_length": 8},
        {"model_args": {"num_hidden_layers": 1}},
        {"modality_config": {"message": {"method": "forward", "method_output_name": "last_hidden_state"}}},
    ],
    "config_sentence_transformers.json": [{"model_type": "SparseEncoder"}, {"something_new": 1}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("file", "setting"), [(file, setting) for file, many in REFUSED.items() for setting in many], ids=str
)
def test_settings_that_are_not_supported_are_refused_by_name(file, setting, tmp_path):
    folder = written(tmp_path, dense())
    config = json.loads((folder / file).read_text("utf-8"))
    (folder / file).write_text(json.dumps({**config, **setting}))
    ((name, value),) = setting.items()
    said = name if name not in ("pooling_mode", "activation_function") else str(value).rpartition(".")[2]
    with pytest.raises(ValueError, match=said):
        TextEncoder.from_pretrained(folder)


@pytest.mark.parametrize("kind", ["LayerNorm", "Dropout", "WordWeights", "LSTM", "CNN", "WeightedLayerPooling"])
@pytest.mark.parametrize("place", [1, 2])
def test_other_modules_are_refused_by_name(kind, place, tmp_path):
    folder = written(tmp_path, dense())
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    modules.insert(place, {"idx": 9, "name": "9", "path": f"9_{kind}", "type": f"sentence_transformers.models.{kind}"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(
        ValueError, match=rf"module {place} of model is sentence_transformers\.models\.{kind}; supported there"
    ):
        TextEncoder.from_pretrained(folder)


def test_code_of_others_is_refused_although_it_is_called_transformer(tmp_path):
    folder = written(tmp_path)
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    modules[0]["type"] = "custom_st.Transformer"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ValueError, match=r"custom_st\.Transformer"):
        TextEncoder.from_pretrained(folder)


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize(
    "rename", [lambda n: f"auto_model.{n}", lambda n: n.replace("layer.1.", "layer.one.")], ids=["all", "some"]
)
def test_weights_under_other_names_are_listed_and_never_random(kind, rename, tmp_path):
    folder = written(tmp_path, kind=kind)
    weights = {rename(name): value for name, value in load_file(folder / "model.safetensors").items()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(
        ValueError, match=r"does not hold the weights of .*, and random ones would .* not expected: .*(auto_model|one)"
    ):
        TextEncoder.from_pretrained(folder)


def test_a_head_that_nobody_asks_for_is_no_fault(tmp_path):
    import transformers

    folder = written(tmp_path)
    transformers.BertForMaskedLM(transformers.BertConfig(**SMALL)).save_pretrained(folder)  # no pooler, but a head
    assert_same(TextEncoder.from_pretrained(folder), folder)


def test_a_tokenizer_that_tells_segments_is_refused(tmp_path):
    from tokenizers import processors

    folder = written(tmp_path)
    tokenizer = type(TOKENIZER).from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(  # XLNet's and Funnel's habit
        single="[CLS]:2 $A:0 [SEP]:0",
        pair="[CLS]:2 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    names = ["input_ids", "token_type_ids", "attention_mask"]
    (folder / "tokenizer_config.json").write_text(json.dumps({**config, "model_input_names": names}))
    with pytest.raises(ValueError, match="marks special tokens with a segment of their own"):
        TextEncoder.from_pretrained(folder)


# --- our own, saved with all of it -----------------------------------------------------------------


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "pooling", [mean_sqrt_len_pool, ConcatenatedPool(cls_pool, max_pool), ConcatenatedPool(mean_pool, cls_pool)]
)
def test_our_encoder_with_layers_and_prompts_embeds_alike_in_sentence_transformers(pooling, side, tmp_path):
    torch.manual_seed(0)
    size = 16 * (2 if isinstance(pooling, ConcatenatedPool) else 1)
    encoder = TextEncoder(
        TOKENIZER, TransformerEncoder(V, 16, 2, 4, max_length=64), pooling, max_length=24, padding_side=side,
        truncation_side=side, layers=[Normalize(), Dense(size, 12, activation="GELU")], default_prompt="sort ",
        query_prompt="the list ", include_prompt=False,
    ).eval()  # fmt: skip
    encoder.save(tmp_path / "model")
    assert_same(encoder, tmp_path / "model")
    assert_same(TextEncoder.load(tmp_path / "model"), tmp_path / "model")


def test_a_pooling_that_counts_tokens_is_refused_among_others_too():
    with pytest.raises(ValueError, match="would number the tokens"):
        TextEncoder(TOKENIZER, in_memory("bert"), ConcatenatedPool(mean_pool, weighted_mean_pool), include_prompt=False)
