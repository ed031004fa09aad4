"""The cross-encoder: what it reads, that order and company do not matter, how it learns, that it comes back from disk."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from workbook.cross_encoder import CrossEncoder, fit_cross_encoder
from workbook.encoder import TransformerEncoder, train_tokenizer

COLOURS = ["red", "green", "blue", "black", "white", "brown", "pink", "gray"]
TOKENIZER = train_tokenizer([" ".join(COLOURS)] * 3, vocab_size=80)


def untrained(seed=0, max_length=24, **sizes):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "max_length": 32, **sizes}
    encoder = CrossEncoder(TOKENIZER, TransformerEncoder(TOKENIZER.get_vocab_size(), **sizes), max_length)
    for parameter in encoder.parameters():  # far from zero, so that a difference shows
        if parameter.ndim > 1:
            parameter.data.mul_(5)
    return encoder.eval()


PAIRS = [
    ("red", "red green"),
    ("blue", ""),
    ("", "pink"),
    ("gray gray", "black white " * 20),
    ("red green " * 20, "blue"),
]


def test_what_the_model_reads():
    ids, segments = untrained().token_ids([("red", "green blue")])
    assert [TOKENIZER.id_to_token(i) for i in ids[0]] == ["[CLS]", "red", "[SEP]", "green", "blue", "[SEP]"]
    assert segments == [[0, 0, 0, 1, 1, 1]]


def test_the_longer_text_is_cut_until_both_are_equally_long():
    encoder = untrained(max_length=11)  # 8 beside the special tokens
    for query, passage, kept in ((2, 20, (2, 6)), (20, 2, (6, 2)), (20, 20, (4, 4)), (3, 5, (3, 5))):
        ids, segments = encoder.token_ids([("red " * query, "blue " * passage)])
        assert (segments[0].count(0) - 2, segments[0].count(1) - 1) == kept
        assert ids[0].count(TOKENIZER.token_to_id("[SEP]")) == 2


def test_company_order_and_padding_change_nothing():
    encoder = untrained()
    together = encoder.predict(PAIRS)
    assert together.shape == (5,)
    assert together.std() > 0.01
    np.testing.assert_allclose(together, [encoder.predict([pair])[0] for pair in PAIRS], atol=1e-6)
    np.testing.assert_allclose(together[::-1], encoder.predict(PAIRS[::-1], batch_size=2), atol=1e-6)
    assert encoder.predict([]).shape == (0,)


def test_which_text_is_the_query_matters():
    a, b = untrained().predict([("red", "blue"), ("blue", "red")])
    assert abs(a - b) > 1e-4  # a hundred times what rounding does


def test_segments_are_read():
    encoder = untrained()
    batch = encoder.pad(*encoder.token_ids([("red", "blue")]))
    without = encoder(batch[0], batch[1], torch.zeros_like(batch[2]))
    assert not torch.allclose(encoder(*batch), without, atol=1e-4)


def test_scores_are_logits_and_probabilities_are_not():
    encoder = untrained()
    encoder.classifier.bias.data.fill_(8.4)
    scores, probabilities = encoder.predict(PAIRS), encoder.probabilities(PAIRS)
    assert (scores > 1).any()
    assert ((probabilities > 0) & (probabilities < 1)).all()
    np.testing.assert_allclose(np.log(probabilities / (1 - probabilities)), scores, atol=0.05)
    assert (np.argsort(scores) == np.argsort(probabilities)).all()
    encoder.classifier.bias.data.fill_(-1e4)
    assert (encoder.probabilities(PAIRS) == 0).all()  # no overflow


def test_predict_leaves_the_mode_and_sees_no_dropout():
    encoder = untrained(dropout=0.5).train()
    np.testing.assert_array_equal(encoder.predict(PAIRS), encoder.predict(PAIRS))
    assert encoder.training


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_scores_and_losses_are_float32_or_more_whatever_the_weights_are(dtype):
    encoder = untrained().to(dtype)
    encoder.classifier.bias.data.fill_(64.0)  # where bfloat16 has steps of a half, and float16 of a sixteenth
    logits = encoder(*encoder.pad(*encoder.token_ids(PAIRS)))
    assert logits.dtype == torch.promote_types(dtype, torch.float32)
    assert len(set(encoder.predict(PAIRS).tolist())) == len(PAIRS)
    seen = []
    tuples, labels = [("red", "red", "blue", "pink")] * 4, torch.zeros(4, 3)

    def loss(logits, labels):
        seen.append(logits.dtype)
        return logits.square().mean()

    fit_cross_encoder(encoder, tuples, labels, loss, steps=1, batch_size=4)
    fit_cross_encoder(untrained(), tuples, labels, loss, steps=1, batch_size=4, dtype=torch.bfloat16)
    assert seen == [logits.dtype, torch.float32]


def same_or_not(count=60, seed=0):
    """Pairs of colours; relevant if the colour is the same. No single text says so: they must be compared."""
    rng = np.random.default_rng(seed)
    pairs = [tuple(rng.choice(COLOURS[:4], size=2)) for _ in range(count)]
    pairs += [(c, c) for c in COLOURS[:4]] * (count // 8)
    return [(str(a), str(b)) for a, b in pairs], torch.tensor([float(a == b) for a, b in pairs])


@pytest.mark.slow
def test_pointwise_training_learns_to_compare():
    pairs, labels = same_or_not()
    encoder = untrained(hidden_size=32)
    history = fit_cross_encoder(encoder, pairs, labels, steps=150, batch_size=32, lr=3e-3)
    assert np.mean([record["loss"] for record in history[-20:]]) < 0.1 < 0.6 < history[0]["loss"]
    right = (encoder.probabilities(pairs) > 0.5) == labels.numpy().astype(bool)
    assert right.mean() > 0.95  # half of the pairs are relevant


@pytest.mark.slow
def test_listwise_training_puts_the_first_first():
    tuples = [(a, a, b, c) for a in COLOURS[:4] for b in COLOURS[:4] for c in COLOURS[:4] if a not in (b, c)]
    encoder = untrained(num_layers=1)
    fit_cross_encoder(encoder, tuples, steps=100, batch_size=16, lr=2e-3)
    scores = encoder.predict([(query, passage) for query, *passages in tuples for passage in passages]).reshape(-1, 3)
    assert (scores.argmax(axis=1) == 0).mean() > 0.95


def test_what_the_loss_is_given():
    seen = []

    def loss(logits, labels):
        seen.append((tuple(logits.shape), labels.tolist()))
        return logits.square().mean()

    fit_cross_encoder(untrained(), [("red", "red", "blue", "pink")] * 4, loss=loss, steps=1, batch_size=4)
    assert seen.pop() == ((4, 3), [[1, 0, 0]] * 4)
    fit_cross_encoder(untrained(), [("red", "red")] * 3, torch.tensor([1.0, 1, 1]), loss, steps=1, batch_size=2)
    assert seen.pop()[0] in {(1,), (2,)}
    taught = torch.tensor([[3.0, -2.0], [1.0, 0.5]])
    fit_cross_encoder(untrained(), [("a", "b", "c"), ("d", "e", "f")], taught, loss, steps=1, batch_size=2)
    assert sorted(seen.pop()[1]) == sorted(taught.tolist())


def test_without_labels_the_loss_is_that_of_picking_the_first():
    encoder = untrained()
    passages = ["red green", "blue", "pink"]
    logits = torch.from_numpy(encoder.predict([("red", passage) for passage in passages]))
    history = fit_cross_encoder(encoder, [("red", *passages)] * 4, steps=1, batch_size=4)
    expected = -logits.log_softmax(dim=0)[0].item()
    assert history[0]["loss"] == pytest.approx(expected, abs=1e-5)
    assert abs(expected - np.log(3)) > 1e-3  # it can be told from that of equal scores


def test_a_start_from_words_lets_a_token_find_its_like():
    """Of all that stands in the other text, a token attends most to the same word."""
    V = TOKENIZER.get_vocab_size()
    words = torch.randn(V, 64, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    backbone = TransformerEncoder(V, 64, 2, 1, max_length=32)
    encoder = CrossEncoder(TOKENIZER, backbone, 24).start_from_words(words).eval()
    ids, segments = encoder.token_ids([("red green", "black red white")])
    input_ids, mask, segment_ids = encoder.pad(ids, segments)
    attention = backbone.attention_maps(input_ids, mask, segment_ids)[0][0, 0]  # (T, T)
    assert ids[0][1] == ids[0][5]  # [CLS] red green [SEP] black red white [SEP]
    for red, others in ((1, [4, 6, 7]), (5, [0, 2, 3])):
        assert attention[red, 6 - red] > 3 * attention[red, others].max()
    assert (attention.diagonal() == attention.max(dim=1).values).all()
    with pytest.raises(ValueError, match="same tokenizer"):
        encoder.start_from_words(words[1:])


@pytest.mark.slow
def test_from_words_matching_is_learned_soon():
    """Which passage shares a word with the query? 100 steps are enough from words, and not from a random start."""
    generator = torch.Generator().manual_seed(0)
    tuples = []
    for _ in range(400):
        query, other, *fill = torch.randperm(8, generator=generator)[:6].tolist()
        right, wrong = ([COLOURS[i] for i in (*fill[:2], last)] for last in (query, other))
        tuples.append((COLOURS[query], " ".join(right), " ".join(wrong)))
    words = torch.randn(TOKENIZER.get_vocab_size(), 32, generator=generator)

    def right_first(start):
        torch.manual_seed(0)
        encoder = CrossEncoder(TOKENIZER, TransformerEncoder(TOKENIZER.get_vocab_size(), 32, 2, 4, max_length=32), 24)
        start(encoder)
        fit_cross_encoder(encoder, tuples, steps=100, batch_size=16, lr=1e-3)
        scores = encoder.predict([(query, passage) for query, *pair in tuples for passage in pair]).reshape(-1, 2)
        return (scores[:, 0] > scores[:, 1]).mean()

    assert right_first(lambda encoder: encoder.start_from_words(words)) > 0.95
    assert right_first(lambda encoder: None) < 0.75


def test_the_logits_of_a_batch_belong_to_their_tuples():
    encoder = untrained(dropout=0.0)
    tuples = [("red", "blue " * n, "pink " * (9 - n)) for n in range(9)] + [("gray", "", "black")]
    found = {}

    def loss(logits, labels):
        for row, label in zip(logits.tolist(), labels[:, 0].tolist(), strict=True):
            found[int(label)] = row
        return 0 * logits.sum()

    labels = torch.arange(10.0)[:, None].repeat(1, 2)
    fit_cross_encoder(encoder, tuples, labels, loss, steps=1, batch_size=10)
    expected = untrained(dropout=0.0).predict([(q, p) for q, *passages in tuples for p in passages]).reshape(10, 2)
    np.testing.assert_allclose([found[i] for i in range(10)], expected, atol=1e-5)


def test_training_is_repeatable_and_resumes_exactly(tmp_path):
    pairs, labels = same_or_not(16)

    def weights(**options):
        encoder = untrained(num_layers=1, dropout=0.1)
        loss = F.binary_cross_entropy_with_logits
        fit_cross_encoder(encoder, pairs, labels, loss, steps=6, batch_size=4, **options)
        return torch.cat([p.detach().flatten() for p in encoder.parameters()])

    whole = weights()
    assert torch.equal(whole, weights())
    weights(checkpoint=tmp_path, on_step=lambda record: record["step"] == 3)
    assert torch.equal(whole, weights(checkpoint=tmp_path))
    with pytest.raises(ValueError, match="another configuration"):
        fit_cross_encoder(untrained(num_layers=1), pairs, 1 - labels, steps=6, batch_size=4, checkpoint=tmp_path)


def test_saved_and_loaded(tmp_path):
    encoder = untrained()
    encoder.save(tmp_path / "model")
    encoder.save(tmp_path / "model")  # over itself
    again = CrossEncoder.load(tmp_path / "model")
    assert not again.training
    np.testing.assert_array_equal(again.predict(PAIRS), encoder.predict(PAIRS))
    assert again.max_length == encoder.max_length
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_is_no_cross_encoder_is_not_loaded_and_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="give a new folder"):
        untrained().save(tmp_path)
    with pytest.raises(FileNotFoundError, match="give a folder that save wrote"):
        CrossEncoder.load(tmp_path)
    untrained().save(tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="is damaged"):
        CrossEncoder.load(tmp_path / "model")
    for gone in ("classifier.weight", "bert.pooler.dense.bias", "bert.encoder.layer.1.output.dense.weight"):
        untrained().save(tmp_path / "model")
        kept = {name: value for name, value in load_file(weights).items() if name != gone}
        save_file(kept, weights)
        with pytest.raises(ValueError, match=f"is damaged .missing or of another shape: {gone}; not expected: nothing"):
            CrossEncoder.load(tmp_path / "model")
    (tmp_path / "model" / "workbook.json").write_text('{"splade": {}}')
    with pytest.raises(FileNotFoundError, match="another kind of model"):
        CrossEncoder.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: untrained().predict(["red"]), TypeError, "expected pairs"),
        (lambda: untrained().predict("red"), TypeError, "expected pairs"),
        (lambda: untrained().predict([("a", "b", "c")]), TypeError, "expected pairs"),
        (lambda: untrained().predict([("a", None)]), TypeError, "of strings"),
        (lambda: untrained().predict(PAIRS, batch_size=0), ValueError, "batch_size must be at least 1"),
        (lambda: untrained(max_length=4), ValueError, "room for 3 special tokens"),
        (lambda: untrained(max_length=64), ValueError, "at most the backbone's 32"),
        (lambda: fit_cross_encoder(untrained(), []), ValueError, "at least one"),
        (lambda: fit_cross_encoder(untrained(), [("a", "b")]), ValueError, "labels are needed for pairs"),
        (lambda: fit_cross_encoder(untrained(), [("a", "b"), ("a",)]), ValueError, "of one length, 2"),
        (
            lambda: fit_cross_encoder(untrained(), [("a", "b", "c")], torch.ones(1, 3)),
            ValueError,
            "one number for each",
        ),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
