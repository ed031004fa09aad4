"""Our negatives are those of sentence-transformers: the same passages in the same order, under every shared setting."""

import random
import zlib

import numpy as np
import pytest
import torch

from workbook.encoder import StaticEncoder, TextEncoder, TransformerEncoder, train_tokenizer
from workbook.mining import labeled_pairs, mine_hard_negatives, paraphrase_mining, training_tuples
from workbook.mining.filters import keeps_absolute_margin, keeps_relative_margin

pytestmark = [pytest.mark.parity, pytest.mark.slow]

SYLLABLES = ("ka", "lo", "mi", "nu", "pe", "ri", "so", "tu")
WORDS = [a + b for a in SYLLABLES for b in SYLLABLES]


def world(seed: int, num_queries: int, num_passages: int, most_positives: int = 1):
    """Random texts without repetition; queries share words with their positives."""
    rng = random.Random(seed)
    corpus = {f"p{i}": " ".join([f"n{i}", *rng.choices(WORDS, k=rng.randint(4, 12))]) for i in range(num_passages)}
    queries, qrels = {}, {}
    for i in range(num_queries):
        positives = rng.sample(list(corpus), rng.randint(1, most_positives))
        queries[f"q{i}"] = " ".join([f"m{i}", *rng.choices(corpus[positives[0]].split()[1:], k=4)])
        qrels[f"q{i}"] = dict.fromkeys(positives, 1)
    return queries, corpus, qrels


class Hashing:
    """A cross-encoder whose scores are fixed by the texts, in sentence-transformers' call and in ours."""

    def __init__(self):
        self.pairs = 0

    def predict(self, pairs, convert_to_tensor=False, **ignored):
        self.pairs += len(pairs)
        scores = np.array([zlib.crc32("|".join(pair).encode()) / 2**32 for pair in pairs], dtype=np.float32)
        return torch.from_numpy(scores) if convert_to_tensor else scores


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Two small encoders of ours, and the same two in sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    tokenizer = train_tokenizer(list(world(0, 1, 300)[1].values()), vocab_size=300)
    torch.manual_seed(0)
    made = {}
    for name, backbone in (
        ("static", StaticEncoder(tokenizer.get_vocab_size(), 24)),
        ("transformer", TransformerEncoder(tokenizer.get_vocab_size(), 16, 1, 2, max_length=32)),
    ):
        prompts = {"query_prompt": "query: ", "document_prompt": "passage: "} if name == "transformer" else {}
        ours = TextEncoder(tokenizer, backbone, max_length=32, normalize=name == "transformer", **prompts).eval()
        folder = tmp_path_factory.mktemp(name)
        ours.save(folder)
        made[name] = ours, SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    return made


def peer(model, data, output_format, **options):
    """sentence-transformers' answer, as a list of tuples."""
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    queries, corpus, qrels = data
    pairs = [(queries[q], corpus[p]) for q, passages in qrels.items() for p in passages]
    asked, positives = zip(*pairs, strict=True)
    mined = mine_hard_negatives(
        Dataset.from_dict({"query": asked, "positive": positives}),
        model,
        corpus=list(corpus.values()),
        output_format=output_format,
        verbose=False,
        **options,
    )
    return [tuple(row.values()) for row in mined]


SETTINGS = [
    {},
    {"num_negatives": 1},
    {"range_min": 3, "range_max": 9, "num_negatives": 5},
    {"max_score": 0.6},
    {"min_score": 0.3},
    {"min_score": 0.2, "max_score": 0.7, "range_min": 1},
    {"absolute_margin": 0.1},
    {"absolute_margin": 0.0, "num_negatives": 7},
    {"relative_margin": 0.05},
    {"relative_margin": 0.3, "range_min": 2, "range_max": 30},
    {"relative_margin": 0.1, "absolute_margin": 0.05, "max_score": 0.8, "min_score": -0.1},
    {"range_max": 200, "num_negatives": 4},  # more than there are passages
    {"num_negatives": 60, "range_max": 90},  # more than there are negatives
]


@pytest.mark.parametrize("cross", [False, True], ids=["", "cross-encoder"])
@pytest.mark.parametrize("strategy", ["top", "random"])
@pytest.mark.parametrize("name", ["static", "transformer"])
def test_the_same_tuples_on_shared_settings(encoders, name, strategy, cross):
    ours, theirs = encoders[name]
    compared = 0
    for number, setting in enumerate(SETTINGS):
        bounded = {"absolute_margin", "relative_margin", "max_score", "min_score"} & set(setting)
        if cross and not bounded:
            continue  # there the cross-encoder is ignored; see below
        data = world(number, num_queries=25, num_passages=60, most_positives=1 + number % 3)
        queries, corpus, qrels = data
        readers = [{"cross_encoder": Hashing()} if cross else {} for _ in "12"]
        random.seed(5)  # sentence-transformers draws from the global state
        expected = peer(theirs, data, "n-tuple", sampling_strategy=strategy, **readers[0], **setting)
        for chunk_size in (7, 4_096):
            mined = mine_hard_negatives(
                queries, corpus, qrels, ours, sampling_strategy=strategy, seed=5, chunk_size=chunk_size,
                **readers[1], **setting,
            )  # fmt: skip
            assert training_tuples(mined, queries, corpus) == expected, setting
        if cross:
            assert (
                readers[1]["cross_encoder"].pairs < 2 * readers[0]["cross_encoder"].pairs
            )  # positives once, not twice
        compared += len(expected)
    assert compared > 100  # otherwise nothing is proven


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_kept_of_incomplete_queries_is_the_format_of_triplets(encoders, setting):
    ours, theirs = encoders["static"]
    data = queries, corpus, qrels = world(3, num_queries=25, num_passages=60, most_positives=2)
    mined = mine_hard_negatives(queries, corpus, qrels, ours, too_few="keep", **setting)
    triplets = [
        (queries[q], corpus[p], corpus[n])
        for q, found in mined.negatives.items()
        for p in mined.positives[q]
        for n in found
    ]
    expected = peer(theirs, data, "triplet", **setting)
    assert triplets == expected


def test_labels_are_those_of_labeled_pairs(encoders):
    ours, theirs = encoders["static"]
    data = queries, corpus, qrels = world(4, num_queries=25, num_passages=60, most_positives=3)
    mined = mine_hard_negatives(queries, corpus, qrels, ours, too_few="keep", relative_margin=0.2)
    expected = peer(theirs, data, "labeled-pair", relative_margin=0.2)
    without_negatives = {queries[q] for q in qrels} - {queries[q] for q in mined.negatives}
    assert labeled_pairs(mined, queries, corpus) == [row for row in expected if row[0] not in without_negatives]


def test_scores_are_equal(encoders):
    ours, theirs = encoders["transformer"]
    data = queries, corpus, qrels = world(5, num_queries=25, num_passages=60)
    mined = mine_hard_negatives(queries, corpus, qrels, ours, num_negatives=4)
    expected = [row[-1] for row in peer(theirs, data, "n-tuple", num_negatives=4, output_scores=True)]
    scores = [[*mined.positives[q].values(), *found.values()] for q, found in mined.negatives.items()]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)


def test_a_real_cross_encoder_gives_the_same_negatives(encoders, tmp_path):
    import transformers
    from sentence_transformers import CrossEncoder

    ours, theirs = encoders["static"]
    vocabulary = {
        token: i
        for i, token in enumerate(
            ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz0123456789"]
        )
    }
    vocabulary |= {f"##{token}": len(vocabulary) + i for i, token in enumerate("abcdefghijklmnopqrstuvwxyz0123456789")}
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        num_labels=1, initializer_range=1.0,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertForSequenceClassification(config).save_pretrained(tmp_path)
    transformers.BertTokenizer(vocab=vocabulary).save_pretrained(tmp_path)
    reader = CrossEncoder(str(tmp_path), device="cpu", local_files_only=True)
    data = queries, corpus, qrels = world(6, num_queries=12, num_passages=40)
    assert np.std(reader.predict([(queries["q0"], text) for text in corpus.values()])) > 1e-3  # it tells texts apart
    for setting in ({"absolute_margin": 0.0}, {"relative_margin": 0.1}, {"max_score": 0.5}):
        mined = mine_hard_negatives(queries, corpus, qrels, ours, cross_encoder=reader, num_negatives=2, **setting)
        expected = peer(theirs, data, "n-tuple", cross_encoder=reader, num_negatives=2, **setting)
        assert training_tuples(mined, queries, corpus) == expected
        assert len(expected) > 1


def test_their_cross_encoder_is_ignored_without_a_bound_and_ours_is_not(encoders):
    ours, theirs = encoders["static"]
    data = queries, corpus, qrels = world(7, num_queries=25, num_passages=60)
    expected = peer(theirs, data, "n-tuple", cross_encoder=Hashing())
    assert expected == peer(theirs, data, "n-tuple")
    mined = mine_hard_negatives(queries, corpus, qrels, ours, cross_encoder=Hashing())
    assert training_tuples(mined, queries, corpus) != expected
    # A bound that keeps everything makes them use theirs; then the two agree, at an equal depth.
    mined = mine_hard_negatives(queries, corpus, qrels, ours, cross_encoder=Hashing(), range_max=20)
    bounded = peer(theirs, data, "n-tuple", cross_encoder=Hashing(), range_max=20, max_score=9.0)
    assert training_tuples(mined, queries, corpus) == bounded


def test_they_return_the_querys_own_text_and_we_do_not(encoders):
    ours, theirs = encoders["static"]
    queries, corpus, qrels = world(8, num_queries=10, num_passages=40)
    corpus |= {f"own{q}": text for q, text in queries.items()}
    expected = peer(theirs, (queries, corpus, qrels), "n-tuple", num_negatives=1)
    assert all(negative == query for query, _, negative in expected)
    mined = mine_hard_negatives(queries, corpus, qrels, ours, num_negatives=1)
    assert not any(negative == query for query, _, negative in training_tuples(mined, queries, corpus))


def test_margins_in_float64_are_the_formulas_of_the_papers():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(200, 30, generator=generator, dtype=torch.float64)
    positives = torch.randn(200, generator=generator, dtype=torch.float64)
    for margin in (0.0, 0.05, 0.5):
        for q in range(200):
            p = positives[q].item()
            for kept, score in zip(
                keeps_absolute_margin(scores, positives, margin)[q], scores[q].tolist(), strict=True
            ):
                assert kept == (not score + margin > p)
            for kept, score in zip(
                keeps_relative_margin(scores, positives, margin)[q], scores[q].tolist(), strict=True
            ):
                assert kept == (not score > p - abs(p) * margin)


@pytest.mark.parametrize("options", [{}, {"max_pairs": 40}, {"top_k": 2}, {"top_k": 3, "max_pairs": 7}])
def test_paraphrases_are_those_of_sentence_transformers(encoders, options):
    from sentence_transformers.util import paraphrase_mining as theirs

    texts = list(world(9, num_queries=1, num_passages=70)[1].values())
    encoder, peer = encoders["static"]
    expected = theirs(peer, texts, query_chunk_size=20, corpus_chunk_size=30, **options)
    ours = {"num_neighbours" if name == "top_k" else name: value for name, value in options.items()}
    for chunk_size in (9, 4_096):
        found = paraphrase_mining(encoder, texts, chunk_size=chunk_size, **ours)
        assert [tuple(pair[1:]) for pair in found] == [tuple(pair[1:]) for pair in expected]
        np.testing.assert_allclose([pair[0] for pair in found], [pair[0] for pair in expected], rtol=0, atol=1e-6)
