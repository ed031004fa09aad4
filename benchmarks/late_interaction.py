"""MaxSim beside sentence-transformers and pylate, and what a passage costs exactly, compressed, and through PLAID."""

import os

import torch
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from benchmarks.timing import row
from workbook.late_interaction import maxsim
from workbook.late_interaction.plaid import PlaidIndex
from workbook.late_interaction.residual_codec import ResidualCodec

PASSAGES, SHORTEST, LONGEST, SIZE, QUERY_TOKENS, K = 2_000, 20, 180, 128, 32, 10
WORDS, CENTROIDS = 1_000, 1_024
SAME = 1e-4  # sums of 32 similarities in float32, added in another order


def run() -> list[dict]:
    """Ragged passages of 20 to 180 tokens, queries of 32; equality is shown before anything is timed."""
    os.environ["PYLATE_SCORES_BACKEND"] = "torch"
    from pylate.scores import colbert_scores
    from sentence_transformers.util import maxsim as peer

    torch.set_num_threads(1)
    passages, lengths, queries = texts()
    each = list(passages.split(lengths.tolist()))
    one, full = queries[:1], pad_sequence(each, batch_first=True)
    mask = (torch.arange(full.shape[1]) < lengths[:, None]).float()
    rows = [
        row(
            f"MaxSim, one query, {PASSAGES:,} ragged passages",
            "pylate, padded beforehand",
            lambda: maxsim(one, passages, lengths),
            lambda: colbert_scores(one, full, None, mask),
        )
    ]
    for count in (1, 8):
        asked = queries[:count]
        torch.testing.assert_close(maxsim(asked, passages, lengths), peer(asked, each), rtol=0, atol=SAME)
        what = f"MaxSim, {count} of {len(queries)} queries, {PASSAGES:,} ragged passages"
        ours = lambda asked=asked: maxsim(asked, passages, lengths)  # noqa: E731
        rows.append(row(what, "sentence-transformers", ours, lambda asked=asked: peer(asked, each), 5, floor=4.0))
    return rows + compressed(passages, lengths, queries)


def compressed(passages: torch.Tensor, lengths: torch.Tensor, queries: torch.Tensor) -> list[dict]:
    """Bytes of a passage and time of a query: exact in float32, from 2-bit residuals, and through PLAID."""
    index = PlaidIndex(ResidualCodec.train(passages[:20_000], CENTROIDS))
    index.add(passages, lengths)
    index.build()
    exact = maxsim(queries, passages, lengths).topk(K, dim=1).indices

    def shared(ids: torch.Tensor) -> str:
        same = sum(len(set(a) & set(b)) for a, b in zip(ids.tolist(), exact.tolist(), strict=True))
        return f"{same / exact.numel():.2f} of the exact top {K}"

    def exhaustive() -> torch.Tensor:  # decompressed in chunks, as it would be on a large corpus
        parts, first = [], 0
        for some in lengths.split(256):
            tokens = slice(first, first + int(some.sum()))
            vectors = index.codec.decompress(index.codes[tokens], index.residuals[tokens])
            parts.append(maxsim(queries[:1], vectors, some))
            first = tokens.stop
        return torch.cat(parts, dim=1)

    def full() -> torch.Tensor:
        return maxsim(queries[:1], passages, lengths).topk(K, dim=1)

    vectors = index.codec.decompress(index.codes, index.residuals)
    all_bits = shared(maxsim(queries, vectors, lengths).topk(K, dim=1).indices)
    bytes_of = {"ours": index.nbytes / PASSAGES, "peer": passages.numel() * 4 / PASSAGES, "peer_name": "float32"}
    rows = [
        {
            "what": "a passage, 2-bit residuals with lists",
            **bytes_of,
            "ratio": bytes_of["peer"] / bytes_of["ours"],
            "unit": "bytes",
        },
        row(f"a query, all passages decompressed: {all_bits}", "ours, exact in float32", exhaustive, full),
    ]
    for options in ({}, {"nprobe": 4, "centroid_score_threshold": 0.4, "ndocs": 1024}):
        found = shared(index.search(queries, K, **options)[1])
        what = f"a query, PLAID {'as usual' if not options else 'with nprobe 4, ndocs 1024'}: {found}"
        rows.append(row(what, "ours, exact in float32", lambda o=options: index.search(queries[:1], K, **o), full))
    return rows


def texts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Passages of words as frequent as in real text, by Zipf's law; queries ask for words of one passage."""
    generator = torch.Generator().manual_seed(0)
    meaning = torch.randn(WORDS, SIZE, generator=generator)
    lengths = torch.randint(SHORTEST, LONGEST + 1, (PASSAGES,), generator=generator)
    share = 1 / torch.arange(1, WORDS + 1).double()
    words = share.multinomial(int(lengths.sum()), replacement=True, generator=generator)
    topic = torch.repeat_interleave(torch.randn(PASSAGES, SIZE, generator=generator), lengths, dim=0)
    noise = torch.randn(len(words), SIZE, generator=generator)
    passages = normalize(meaning[words] + 0.5 * topic + 0.3 * noise, dim=1)
    chosen = torch.randperm(PASSAGES, generator=generator)[:32]
    starts = (lengths.cumsum(0) - lengths)[chosen]
    place = (torch.rand(32, QUERY_TOKENS, generator=generator) * lengths[chosen][:, None]).long()
    asked = passages[starts[:, None] + place]
    return passages, lengths, normalize(asked + 0.06 * torch.randn(asked.shape, generator=generator), dim=2)
