"""The plain forms of chapter 14 give what the package gives."""

import pytest

from tests.late_interaction.test_colbert import encoder
from tests.late_interaction.test_plaid import built, questions
from workbook.exercises import chapter_14
from workbook.late_interaction.colbert import ColbertEncoder


@pytest.mark.parametrize("words", range(12))
def test_query_ids_are_those_of_the_package(words):
    ours: ColbertEncoder = encoder()  # query_length=10
    text = " ".join(["red", "car", "blue", "hat"] * 3).split()[:words]
    tokenizer = ours.documents.tokenizer
    plain = ours.query_tokenizer
    plain.no_truncation()
    ids = plain.encode(" ".join(text)).ids
    plain.enable_truncation(10 - len(ours.query_marker))
    made = chapter_14.query_ids(ids, ours.query_marker[0], tokenizer.token_to_id("[MASK]"), 10)
    assert made == ours.query_ids([" ".join(text)])[0]


@pytest.mark.parametrize("seed", range(3))
def test_plaid_is_that_of_the_package_without_its_threshold(seed):
    index, passages, lengths = built(N=150, num_centroids=64, seed=seed)
    index.build()
    asked = questions(seed, passages, lengths, Q=4)[0]
    codec, sizes = index.codec, index.lengths.tolist()
    codes = [c.long() for c in index.codes.split(sizes)]
    stored = codec.reversed[(index.residuals[:, :, None].long() >> codec.shifts) & (2**codec.nbits - 1)].flatten(1)
    buckets = list(stored.split(sizes))
    for query in asked:
        # ndocs / 4 are decompressed; stage 2 lets all pass
        _, ids = index.search(query[None], k=5, nprobe=2, centroid_score_threshold=-9.0, ndocs=60)
        got = chapter_14.plaid_search(
            query.to(codec.centroids), codec.centroids, codes, buckets, codec.bucket_weights, 5, 2, 15
        )
        assert got == [i for i in ids[0].tolist() if i >= 0]
