"""Mining beside sentence-transformers' mine_hard_negatives: the same saved encoder, the same negatives, one thread."""

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import CrossEncoder, util

from benchmarks.models import STATIC, TRANSFORMER, load_peer, pairs, save_encoders
from benchmarks.timing import row
from workbook.encoder import load
from workbook.mining import mine_hard_negatives, training_tuples

PAIRS, FEW_PAIRS, QUERIES, LENGTH = 6_000, 400, 2_000, 128
BATCH_SIZE = {STATIC: 256, TRANSFORMER: 32}  # of the peer: the faster one of these two for each
# Untrained encoders have no use for a margin; a bound that keeps everything makes the peer use its cross-encoder.
SETTINGS: dict[str, Any] = {"num_negatives": 5, "range_min": 5, "range_max": 50, "min_score": -100.0}


def run() -> list[dict]:
    """From texts to tuples, encoding included unless it says otherwise; the tuples are shown to be equal first."""
    torch.set_num_threads(1)
    found = pairs(PAIRS)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        transformer, static = save_encoders([passage for _, passage in found], Path(name), LENGTH)
        for what, folder, count, repeats in ((STATIC, static, PAIRS, 3), (TRANSFORMER, transformer, FEW_PAIRS, 2)):
            ours, peer = load(folder), load_peer(folder)
            # A passage and a query for each sequence of tokens: equal ones would tie, and ties have no order there.
            different = {tuple(ours.token_ids([passage])[0]): (query, passage) for query, passage in found[:count]}
            different = {tuple(ours.token_ids([query])[0]): (query, passage) for query, passage in different.values()}
            shared = "most of it is the same matrix products in both" if what == TRANSFORMER else ""
            data = Data(list(different.values()), batch_size=BATCH_SIZE[what])
            rows.append(
                data.row(f"mine for {{}} queries in {{}} passages, {what}", ours, peer, repeats, None, 2.0, shared)
            )
            known = PrecomputedEncoder(ours, data)
            rows.append(data.row(f"the same, vectors known beforehand, {what}", known, known, 3))
        reader = cross_encoder(Path(name), ours.tokenizer)
        few = Data(list(different.values())[:200], queries=50)
        rows.append(
            few.row("mine for {} queries in {} passages, with a 1-layer cross-encoder", known, known, 1, reader)
        )
    return rows


class Data:
    """Queries and passages in the form of either library."""

    def __init__(self, pairs: list[tuple[str, str]], queries: int = QUERIES, batch_size: int = 32):
        self.batch_size = batch_size
        self.corpus = {f"p{i}": passage for i, (_, passage) in enumerate(pairs)}
        self.queries = {f"q{i}": query for i, (query, _) in enumerate(pairs[:queries])}
        self.qrels = {f"q{i}": {f"p{i}": 1} for i in range(len(self.queries))}
        asked, positives = zip(*pairs[:queries], strict=True)
        self.dataset = Dataset.from_dict({"query": asked, "positive": positives})

    def row(
        self,
        what: str,
        ours: Any,
        peer: Any,
        repeats: int,
        reader: Any = None,
        floor: float | None = None,
        note: str = "",
    ) -> dict:
        def mine_ours() -> list[tuple[str, ...]]:
            mined = mine_hard_negatives(self.queries, self.corpus, self.qrels, ours, cross_encoder=reader, **SETTINGS)
            return training_tuples(mined, self.queries, self.corpus)

        def mine_peer() -> Dataset:
            with contextlib.redirect_stderr(io.StringIO()):  # progress bars
                return util.mine_hard_negatives(
                    self.dataset,
                    peer,
                    corpus=list(self.corpus.values()),
                    cross_encoder=reader,
                    output_format="n-tuple",
                    batch_size=self.batch_size,
                    verbose=False,
                    **SETTINGS,
                )

        expected = [tuple(line.values()) for line in mine_peer()]
        others = sum(a != b for a, b in zip(mine_ours(), expected, strict=True))
        # Two scores that are equal to the last digit of a float may change places, a pair in 50 tuples; all else is a mistake.
        assert len(expected) > 10
        assert others <= max(2, 0.02 * len(expected)), f"{others} of {len(expected)} tuples differ"
        what = what.format(f"{len(self.queries):,}", f"{len(self.corpus):,}")
        return row(what, "sentence-transformers", mine_ours, mine_peer, repeats, floor, note)


class PrecomputedEncoder:
    """Both libraries' encoder, with the vectors of these texts computed beforehand."""

    device = torch.device("cpu")
    similarity = staticmethod(util.cos_sim)
    similarity_pairwise = staticmethod(util.pairwise_cos_sim)

    def __init__(self, encoder: Any, data: Data):
        self.vector = dict(zip(data.corpus.values(), encoder.encode_document(list(data.corpus.values())), strict=True))
        self.vector |= zip(data.queries.values(), encoder.encode_query(list(data.queries.values())), strict=True)

    def encode_document(self, texts: list[str], **ignored: Any) -> np.ndarray:
        return np.stack([self.vector[text] for text in texts])

    encode_query = encode_document


def cross_encoder(folder: Path, tokenizer: Any) -> CrossEncoder:
    """A small untrained BERT that scores pairs."""
    import transformers

    config = transformers.BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=128, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=256, num_labels=1, initializer_range=0.5,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertForSequenceClassification(config).save_pretrained(folder / "reader")
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder / "reader")
    return CrossEncoder(str(folder / "reader"), device="cpu", max_length=LENGTH, local_files_only=True)
