"""Our cross-encoder is BERT for sequence classification, and sentence-transformers' on the same folder."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from workbook.cross_encoder import CrossEncoder
from workbook.encoder import TransformerEncoder, train_tokenizer
from workbook.losses import margin_loss

pytestmark = [pytest.mark.parity, pytest.mark.slow]

TEXTS = [
    "sort a list of numbers",
    "Open a SOCKET",
    "the mean of an array, and much more",
    "",
    "café naïve",
    "word " * 60,
]
TOKENIZER = train_tokenizer(TEXTS * 3, vocab_size=150)
PAIRS = [(a, b) for a in TEXTS for b in TEXTS]


def ours(max_length=24):
    torch.manual_seed(0)
    encoder = CrossEncoder(
        TOKENIZER, TransformerEncoder(TOKENIZER.get_vocab_size(), 16, 2, 4, max_length=64), max_length
    )
    for parameter in encoder.parameters():  # random biases and norms too, so that a wrong one shows
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    return encoder.eval()


def theirs(folder, **settings):
    from sentence_transformers import CrossEncoder as Peer

    return Peer(str(folder), device="cpu", local_files_only=True, **settings)


@pytest.mark.parametrize("max_length", [10, 24, 64])
def test_sentence_transformers_reads_the_folder_and_gives_the_same_scores(tmp_path, max_length):
    encoder = ours(max_length)
    encoder.save(tmp_path / "model")
    peer = theirs(tmp_path / "model")
    scores = encoder.predict(PAIRS)
    assert scores.std() > 0.05
    np.testing.assert_allclose(scores, peer.predict(PAIRS), rtol=0, atol=1e-5)
    np.testing.assert_allclose(
        encoder.probabilities(PAIRS), peer.predict(PAIRS, activation_fn=torch.nn.Sigmoid()), rtol=0, atol=1e-5
    )


TOKEN_TYPES = ["input_ids", "token_type_ids", "attention_mask"]


def bert(folder, kind="Bert", inputs=TOKEN_TYPES, **settings):
    """A random classifier in Hugging Face's layout, in a folder without a word about sentence-transformers."""
    import transformers

    torch.manual_seed(1)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    sizes |= {
        "vocab_size": TOKENIZER.get_vocab_size(),
        "max_position_embeddings": 40,
        "num_labels": 1,
        "pad_token_id": 0,
    }
    config = getattr(transformers, f"{kind}Config")(**{**sizes, **settings})
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "unk", "mask")}
    special |= {} if inputs is None else {"model_input_names": inputs}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=TOKENIZER, model_max_length=32, **special)
    fast.save_pretrained(folder)
    return model, fast


def saved_by_sentence_transformers(folder, **settings):
    """The same, read and saved by sentence-transformers."""
    bert(folder / "transformers", **settings)
    theirs(folder / "transformers").save_pretrained(str(folder / "model"))
    return folder / "model"


def change(file, **fields):
    file.write_text(json.dumps({**(json.loads(file.read_text()) if file.exists() else {}), **fields}))


@pytest.mark.parametrize(
    "inputs", [None, ["input_ids", "attention_mask"], TOKEN_TYPES], ids=["unsaid", "no types", "types"]
)
@pytest.mark.parametrize(
    "settings",
    [{}, {"type_vocab_size": 5}, {"layer_norm_eps": 1e-2}, {"classifier_dropout": 0.5}],
    ids=str,
)
def test_scores_are_those_of_sentence_transformers_whatever_inputs_the_tokenizer_names(tmp_path, inputs, settings):
    folder = saved_by_sentence_transformers(tmp_path, inputs=inputs, **settings)
    expected = theirs(folder).predict(PAIRS, activation_fn=torch.nn.Identity())
    encoder = CrossEncoder.from_pretrained(folder)
    assert expected.std() > 0.005
    np.testing.assert_allclose(encoder.predict(PAIRS), expected, rtol=0, atol=1e-6)
    assert encoder.dropout.p == settings.get("classifier_dropout", 0.1)
    encoder.save(tmp_path / "again")
    np.testing.assert_array_equal(CrossEncoder.load(tmp_path / "again").predict(PAIRS), encoder.predict(PAIRS))
    np.testing.assert_allclose(theirs(tmp_path / "again").predict(PAIRS), expected, rtol=0, atol=1e-6)


def test_a_model_with_a_single_segment_needs_a_tokenizer_that_names_none(tmp_path):
    folder = saved_by_sentence_transformers(tmp_path, inputs=["input_ids", "attention_mask"], type_vocab_size=1)
    expected = theirs(folder).predict(PAIRS, activation_fn=torch.nn.Identity())
    np.testing.assert_allclose(CrossEncoder.from_pretrained(folder).predict(PAIRS), expected, rtol=0, atol=1e-6)
    change(folder / "tokenizer_config.json", model_input_names=TOKEN_TYPES)
    with pytest.raises(ValueError, match="num_segments of at least 2"):
        CrossEncoder.from_pretrained(folder)


def test_the_length_in_sentence_transformers_file_comes_first(tmp_path):
    folder = saved_by_sentence_transformers(tmp_path)
    change(folder / "sentence_bert_config.json", max_seq_length=12)
    encoder = CrossEncoder.from_pretrained(folder)
    expected = theirs(folder).predict(PAIRS, activation_fn=torch.nn.Identity())
    assert encoder.max_length == 12
    np.testing.assert_allclose(encoder.predict(PAIRS), expected, rtol=0, atol=1e-6)
    assert CrossEncoder.from_pretrained(folder, max_length=20).max_length == 20


@pytest.mark.parametrize("kind", ["Roberta", "XLMRoberta", "Electra", "DistilBert", "MPNet", "DebertaV2", "Albert"])
def test_other_architectures_are_refused_and_work_as_they_are(tmp_path, kind):
    from workbook.rerank import rerank

    folder = saved_by_sentence_transformers(tmp_path, kind=kind, inputs=["input_ids", "attention_mask"])
    with pytest.raises(ValueError, match=r"model_type is 'bert', got .* as it is"):
        CrossEncoder.from_pretrained(folder)
    corpus = dict(zip("abc", TEXTS[:3], strict=True))
    run = rerank(theirs(folder), {"q": {"a": 3.0, "b": 2.0, "c": 1.0}}, {"q": TEXTS[0]}, corpus)
    assert set(run["q"]) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("tokenizer_config.json", {"padding_side": "left"}),
        ("config_sentence_transformers.json", {"prompts": {"web": "find: "}, "default_prompt_name": "web"}),
        ("sentence_bert_config.json", {"do_lower_case": True}),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"max_length": 8}}}),
        ("config.json", {"hidden_act": "relu"}),
    ],
    ids=str,
)
def test_habits_that_give_other_scores_are_refused_by_name(tmp_path, file, fields):
    folder = saved_by_sentence_transformers(tmp_path)
    change(folder / file, **fields)
    with pytest.raises(ValueError, match=f"{[*fields][-1]} is "):
        CrossEncoder.from_pretrained(folder)


def renamed(change):
    return lambda weights: {change(name): value for name, value in weights.items()}


def without(part):
    return lambda weights: {name: value for name, value in weights.items() if part not in name}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            without("classifier"),
            "missing or of another shape: classifier.bias, classifier.weight; not expected: nothing",
        ),
        (without("pooler"), "bert.pooler.dense.bias, bert.pooler.dense.weight"),
        (without("layer.1.output"), "bert.encoder.layer.1.output.LayerNorm.bias"),
        (renamed(lambda name: f"model.{name}"), "bert.embeddings.* more; not expected: model.bert.embeddings"),
        (renamed(lambda name: name.replace("classifier", "score")), "classifier.bias.*not expected: score.bias"),
        (lambda weights: weights | {"extra.weight": torch.ones(2)}, "nothing; not expected: extra.weight"),
        (lambda weights: weights | {"classifier.weight": torch.ones(1, 5)}, "another shape: classifier.weight"),
    ],
    ids=["classifier", "pooler", "a layer", "prefix", "another name", "extra", "shape"],
)
def test_weights_that_are_missing_or_without_a_place_are_listed(tmp_path, damage, message):
    """Random ones were put in their place."""
    bert(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(damage(weights), tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=f"does not hold the weights of a BertForSequenceClassification, .*{message}"):
        CrossEncoder.from_pretrained(tmp_path)


def test_names_of_older_files_are_known(tmp_path):
    model, _ = bert(tmp_path)
    expected = CrossEncoder.from_pretrained(tmp_path).predict(PAIRS)
    for old in (
        lambda name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"),
        lambda name: name.removeprefix("bert."),
    ):
        weights = {old(name): value for name, value in model.state_dict().items()}
        weights["bert.embeddings.position_ids"] = torch.arange(40)[None]
        save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
        np.testing.assert_array_equal(CrossEncoder.from_pretrained(tmp_path).predict(PAIRS), expected)


@pytest.mark.parametrize("N", [2, 4])
def test_margin_loss_and_its_gradients_are_sentence_transformers_on_the_same_model_and_texts(tmp_path, N):
    from sentence_transformers.cross_encoder.losses import MarginMSELoss

    folder = saved_by_sentence_transformers(tmp_path)
    peer, encoder = theirs(folder).eval(), CrossEncoder.from_pretrained(folder)
    columns = [TEXTS[:3], *([TEXTS[(i + n) % 6] for i in range(3)] for n in range(1, N + 1))]
    labels = 3 * torch.randn(3, N, generator=torch.Generator().manual_seed(0))
    expected = MarginMSELoss(peer)(columns, labels)
    margins = MarginMSELoss(peer)(columns, labels[:, :1] - labels[:, 1:])
    pairs = [(query, passage) for query, *passages in zip(*columns, strict=True) for passage in passages]
    loss = margin_loss(encoder(*encoder.pad(*encoder.token_ids(pairs))).view(3, N), labels)
    for other in (expected, margins):
        assert torch.allclose(loss, other, rtol=1e-6, atol=0)
    loss.backward()
    expected.backward()
    named = dict(peer[0].auto_model.named_parameters())
    for ours, name in encoder._bert_names().items():
        gradient, other = encoder.get_parameter(ours).grad, named[name].grad
        if name.endswith("classifier.bias"):  # no difference of two scores depends on it
            assert abs(gradient) < 1e-6
        else:
            assert torch.allclose(gradient, other, rtol=0, atol=1e-5 * float(other.abs().max() + 1)), name


def test_a_hugging_face_folder_is_taken_over_segments_and_gradients_too(tmp_path):
    model, fast = bert(tmp_path)
    encoder = CrossEncoder.from_pretrained(tmp_path)
    assert encoder.max_length == 32
    batch = fast(
        [a for a, _ in PAIRS], [b for _, b in PAIRS], truncation=True, max_length=32, padding=True,
        return_token_type_ids=True, return_tensors="pt",
    )  # fmt: skip
    ids, mask, segments = encoder.pad(*encoder.token_ids(PAIRS))
    assert torch.equal(ids, batch["input_ids"])
    assert torch.equal(mask, batch["attention_mask"])
    assert torch.equal(segments, batch["token_type_ids"])
    assert segments.sum() > 0
    expected, logits = model(**batch).logits[:, 0], encoder(ids, mask, segments)
    assert torch.allclose(logits, expected, rtol=0, atol=2e-6)
    np.testing.assert_allclose(encoder.predict(PAIRS), expected.detach().numpy(), rtol=0, atol=1e-5)

    expected.sum().backward()
    logits.sum().backward()
    segment = model.bert.embeddings.token_type_embeddings.weight.grad
    scale = segment.abs().max()
    assert torch.allclose(encoder.backbone.embeddings.segment.weight.grad / scale, segment / scale, atol=1e-5)


def test_hidden_states_with_segments_are_berts(tmp_path):
    model, _ = bert(tmp_path)
    encoder = TransformerEncoder.from_bert(model.bert)
    ids = torch.randint(5, TOKENIZER.get_vocab_size(), (4, 12))
    segments = torch.randint(0, 2, (4, 12))
    mask = torch.arange(12)[None, :] < torch.tensor([12, 7, 1, 3])[:, None]
    theirs = model.bert(input_ids=ids, attention_mask=mask.long(), token_type_ids=segments).last_hidden_state
    assert torch.allclose(encoder(ids, mask, segments)[mask], theirs[mask], rtol=0, atol=2e-6)
    assert not torch.allclose(encoder(ids, mask)[mask], theirs[mask], atol=1e-2)
    assert torch.equal(encoder(ids, mask), encoder(ids, mask, torch.zeros_like(segments)))
    maps = encoder.attention_maps(ids, mask, segments)
    assert not torch.allclose(maps[0], encoder.attention_maps(ids, mask)[0], atol=1e-3)


def test_what_is_not_ours_to_take_over_is_named(tmp_path):
    bert(tmp_path / "three", num_labels=3)
    with pytest.raises(ValueError, match="num_labels is 1, got 3"):
        CrossEncoder.from_pretrained(tmp_path / "three")
    with pytest.raises(FileNotFoundError, match="neither a folder nor in the hub's cache"):
        CrossEncoder.from_pretrained("nobody/nothing")
