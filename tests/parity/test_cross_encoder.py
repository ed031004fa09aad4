"""Our cross-encoder is BERT for sequence classification, and sentence-transformers' on the same folder."""

import numpy as np
import pytest
import torch

from workbook.cross_encoder import CrossEncoder
from workbook.encoder import TransformerEncoder, train_tokenizer

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


def bert(folder, num_labels=1, kind="Bert"):
    """A random classifier in Hugging Face's layout, in a folder without a word about sentence-transformers."""
    import transformers

    torch.manual_seed(1)
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=TOKENIZER.get_vocab_size(), hidden_size=16, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=48, max_position_embeddings=40, num_labels=num_labels,
    )  # fmt: skip
    model = getattr(transformers, f"{kind}ForSequenceClassification")(config).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    special = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "cls", "sep", "unk", "mask")}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=TOKENIZER, model_max_length=32, **special)
    fast.save_pretrained(folder)
    return model, fast


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
    with pytest.raises(ValueError, match="one label, got bert with 3"):
        CrossEncoder.from_pretrained(tmp_path / "three")
    with pytest.raises(FileNotFoundError, match="neither a folder nor in the hub's cache"):
        CrossEncoder.from_pretrained("nobody/nothing")
