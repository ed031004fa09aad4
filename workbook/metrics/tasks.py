"""What MTEB computes from vectors: each type of task, in its plainest form.

| type of task | what is asked of the vectors | main score | function |
|---|---|---|---|
| Retrieval | the relevant passages of all | nDCG@10 | `retrieval` |
| Reranking | the relevant passages of a few | MAP | `retrieval` with candidates |
| STS | to be as near as people say | Spearman | `sts` |
| Summarization | good summaries near those that people wrote | Spearman, per text | `summarization` |
| PairClassification | pairs of one meaning apart from the others | average precision | `pair_classification` |
| Classification | classes a straight cut can tell, from few examples | accuracy | `classification` |
| Clustering | groups where the subjects are | V-measure | `clustering` |
| BitextMining | a translation to be the nearest | F1 | `bitext_mining` |

Similarity is the cosine, throughout. Letters: Q queries, N texts or pairs, S sources, D dimensions. Each function is equal
to mteb's own run to the fourth digit, and says where it is not.

Source: Muennighoff et al. 2022 (58 data sets, these eight types; 56 and seven without BitextMining).

Taught in 19.
"""

import random
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from workbook.metrics.correlation import spearman
from workbook.metrics.ranking import evaluate
from workbook.similarity import as_run, cos_sim, normalize, top_k
from workbook.support.types import Qrels

DEPTH = 1_000  # so many passages are kept for each query; MTEB's MAP is that of the first thousand
SEED = 42  # MTEB's

Vectors = np.ndarray | Tensor  # (N, D)


def retrieval(
    queries: Mapping[str, ArrayLike],
    corpus: Mapping[str, ArrayLike],
    qrels: Qrels,
    candidates: Mapping[str, Sequence[str]] | None = None,
    ignore_identical_ids: bool = False,
    metrics: Sequence[str] = ("ndcg@10", "map", "recall@100", "mrr@10"),
) -> dict[str, float]:
    """Rank passages by cosine, and measure the ranking with `evaluate`. MTEB's main score: ndcg@10; of reranking, map.

    Args:
        queries: query id -> vector (D,), as in dict(zip(ids, encoder.encode_query(texts))).
        corpus: passage id -> vector (D,), from `encode_document`.
        qrels: query id -> passage id -> grade. Queries without any judgement are left out, as mteb leaves them out.
        candidates: reranking: query id -> the ids of the passages to order; without it, all are ranked.
        ignore_identical_ids: leave out the passage that has the query's own id, as beir does always, and mteb where a
            task says so (ArguAna, Quora).
        metrics: as in `evaluate`.
    Returns:
        metric -> mean over the judged queries.
    Raises:
        ValueError: a candidate is no passage, no query is judged, or the vectors differ in size.

    Equal to mteb's AbsTaskRetrieval, and to beir's DenseRetrievalExactSearch with EvaluateRetrieval. Both leave a judged
    query that was not asked out of the mean; here it counts 0. beir's own mrr takes equal scores in the order of the
    results, not by id, and its search fails where there is a single query.
    """
    judged = {query: grades for query, grades in qrels.items() if grades}
    asked = {query: vector for query, vector in queries.items() if query in judged}
    if not asked:
        raise ValueError(f"none of the {len(queries)} queries is judged; the ids in queries and qrels must be the same")
    wanted = None if candidates is None else {query: candidates.get(query, ()) for query in asked}
    if strange := sorted({passage for ids in (wanted or {}).values() for passage in ids} - corpus.keys()):
        raise ValueError(f"candidate {strange[0]!r} is no passage of the corpus, nor are {len(strange) - 1} others")
    q, x = (torch.as_tensor(np.stack([np.asarray(v) for v in some.values()])) for some in (asked, corpus))
    scores, rows = top_k(q, x, DEPTH if wanted is None else len(corpus), score=cos_sim)
    run = as_run(asked, list(corpus), scores, rows)
    if wanted is not None:
        run = {query: {passage: run[query][passage] for passage in ids} for query, ids in wanted.items()}
    if ignore_identical_ids:
        run = {query: {passage: s for passage, s in found.items() if passage != query} for query, found in run.items()}
    return evaluate(judged, run, metrics)


def sts(first: Vectors, second: Vectors, scores: ArrayLike) -> float:
    """Spearman's correlation of cosines with what people said. MTEB's main score (cosine_spearman).

    Args:
        first, second: (N, D), the two texts of each pair.
        scores: (N,), on any scale.
    Raises:
        ValueError: the shapes do not belong together, or there are fewer than two pairs.
    """
    return spearman(_similarities(first, second)["cosine"], scores)


def summarization(human: Sequence[Vectors], machine: Sequence[Vectors], scores: Sequence[ArrayLike]) -> float:
    """Spearman's correlation, text by text: a summary is as good as its cosine to the nearest human summary.

    Args:
        human: for each text, (H, D): what people wrote.
        machine: for each text, (M, D): the summaries that are judged; H and M may differ from text to text.
        scores: for each text, (M,): what people said of them.
    Returns:
        the mean over the texts whose scores and cosines are not all the same. MTEB's main score (cosine_spearman).
    Raises:
        ValueError: the lists differ in length, or no text is left.

    As in mteb's SummEvalSummarization.v2. SummEval, the one in the 58, averages each correlation with its p-value (mteb
    issue 1156).
    """
    if not len(human) == len(machine) == len(scores):
        raise ValueError(f"expected three lists, an entry a text, got {len(human)}, {len(machine)} and {len(scores)}")
    found = []
    for written, summaries, said in zip(human, machine, scores, strict=True):
        nearest = cos_sim(torch.as_tensor(summaries), torch.as_tensor(written)).max(dim=1).values.numpy()  # (M,)
        if len(nearest) > 1:
            found.append(spearman(nearest, said))
    if np.isnan(found).all():
        raise ValueError(
            "no text has two summaries that differ in score and in cosine, so there is no order to compare"
        )
    return float(np.nanmean(found))


def pair_classification(first: Vectors, second: Vectors, labels: ArrayLike) -> dict[str, float]:
    """Do pairs that mean the same come before the others, once all are sorted by similarity?

        ap = sum_k (recall_k - recall_{k-1}) · precision_k        over the thresholds k; equal pairs pass one together

    Args:
        first, second: (N, D), the two texts of each pair.
        labels: (N,), 1 = the same, 0 = not.
    Returns:
        "ap" and "accuracy", at the best threshold, of the cosine; "max_ap", MTEB's main score: the best of cosine, dot
        product, Euclidean and Manhattan distance. It is chosen with the labels at hand, so it flatters a little.
    Raises:
        ValueError: the shapes do not belong together, or the labels are not 0 and 1, both of them.

    mteb's accuracy skips the thresholds that take all pairs or none: with equal similarities throughout it is 0,
    here the share of the larger class.
    """
    similarities = _similarities(first, second)
    y = np.asarray(labels, dtype=np.float64)
    if y.shape != similarities["cosine"].shape or set(y.tolist()) != {0, 1}:
        raise ValueError(f"expected a label 0 or 1 for each of {len(similarities['cosine'])} pairs, and both, got {y}")
    curves = {name: _thresholds(s, y) for name, s in similarities.items()}
    precisions = {
        name: (np.diff(hits) * hits[1:] / taken[1:]).sum() / y.sum() for name, (hits, taken) in curves.items()
    }
    hits, taken = curves["cosine"]
    right = hits + (y == 0).sum() - (taken - hits)  # those taken that are the same, those not taken that are not
    return {
        "ap": float(precisions["cosine"]),
        "accuracy": float(right.max() / len(y)),
        "max_ap": float(max(precisions.values())),
    }


def classification(
    train: Vectors,
    train_labels: Sequence[Hashable],
    test: Vectors,
    test_labels: Sequence[Hashable],
    samples_per_label: int = 8,
    draws: int = 10,
    seed: int = SEED,
) -> float:
    """Accuracy of a logistic regression that saw a few examples of each class, the mean over several draws.

    Args:
        train, test: (N, D) and (M, D).
        train_labels, test_labels: N and M classes.
        samples_per_label: examples of each class that are drawn from `train`; MTEB takes 8 to 32, by task.
        draws: how often. MTEB shuffles the order that the draw before has left, with one seed: these are those draws.
        seed: of the draws.
    Returns:
        MTEB's main score (accuracy).
    Raises:
        ValueError: labels and vectors differ in number, or `train` has fewer than two classes.
    """
    from sklearn.linear_model import LogisticRegression

    x, t = np.asarray(train), np.asarray(test)
    if len(x) != len(train_labels) or len(t) != len(test_labels) or len(set(train_labels)) < 2:
        raise ValueError(
            f"expected a label for each of {len(x)} and {len(t)} vectors, and two classes at least, got "
            f"{len(train_labels)} and {len(test_labels)} labels of {len(set(train_labels))} classes"
        )
    order, accuracies = list(range(len(x))), []
    for _ in range(draws):
        np.random.RandomState(seed).shuffle(order)
        of_label: dict[Hashable, int] = {}
        chosen = []
        for row in order:
            of_label[train_labels[row]] = of_label.get(train_labels[row], 0) + 1
            if of_label[train_labels[row]] <= samples_per_label:
                chosen.append(row)
        model = LogisticRegression(max_iter=100, random_state=seed).fit(
            x[chosen], [train_labels[row] for row in chosen]
        )
        accuracies.append(model.score(t, test_labels))
    return float(np.mean(accuracies))


def clustering(
    vectors: Vectors,
    labels: Sequence[Hashable],
    draws: int | None = None,
    size: int = 16_384,
    seed: int = SEED,
) -> float:
    """V-measure of k-means, k the number of labels: the harmonic mean of pure clusters and of undivided labels.

    Args:
        vectors: (N, D).
        labels: N of them.
        draws: None clusters all vectors once, as the first MTEB does each of a data set's sets, whose mean is its score.
            A number gives the mean over so many samples, as MTEB does since its second version, with 10.
        size: how many a sample holds. They are drawn with replacement, so the same vector stands in it again and again.
        seed: of k-means, and of the samples.
    Returns:
        MTEB's main score (v_measure), 0 to 1.
    Raises:
        ValueError: labels and vectors differ in number.

    Source: Rosenberg and Hirschberg 2007.
    """
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import v_measure_score

    x, y = np.asarray(vectors), np.asarray(labels)
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"expected a label for each vector, got {len(y)} labels and {len(x)} vectors")
    batch_size = 500 if draws is None else 512
    model = MiniBatchKMeans(len(np.unique(y)), batch_size=batch_size, n_init=1, random_state=seed)
    if draws is None:
        return float(v_measure_score(y, model.fit_predict(x)))
    generator = random.Random(seed)
    samples = [generator.choices(range(len(x)), k=size) for _ in range(draws)]
    return float(np.mean([v_measure_score(y[rows], model.fit_predict(x[rows])) for rows in samples]))


def bitext_mining(source: Vectors, target: Vectors, gold: Sequence[int] | None = None) -> float:
    """Is each sentence's translation the nearest in the other language? F1 of the nearest by cosine.

    A target that k sources have for their nearest has precision 1/k at best, so hubs are punished twice:

        f1 = sum_t  share_t · 2 · hits_t / (taken_t + wanted_t)       over the targets t that are somebody's translation

    Args:
        source: (S, D).
        target: (N, D).
        gold: the row in `target` of each source's translation; None: row n belongs to row n.
    Returns:
        MTEB's main score (f1).
    Raises:
        ValueError: gold has not one row of `target` for each source.

    Of equal cosines the first row wins here; mteb takes what torch.topk puts first, which torch does not promise.
    """
    s, t = torch.as_tensor(source), torch.as_tensor(target)
    rows = np.arange(len(s)) if gold is None else np.asarray(gold)
    if len(s) == 0 or rows.shape != (len(s),) or rows.min() < 0 or rows.max() >= len(t):
        raise ValueError(
            f"expected for each of {len(s)} sources the row of one of {len(t)} targets, got {rows.shape}; with gold, "
            "`target` may hold more sentences than there are translations"
        )
    nearest = top_k(s, t, 1, score=cos_sim)[1][:, 0].numpy()  # (S,)
    hits, taken, wanted = (np.bincount(r, minlength=len(t)) for r in (rows[nearest == rows], nearest, rows))
    return float((wanted / len(s) * 2 * hits / np.maximum(taken + wanted, 1)).sum())


def _similarities(first: Vectors, second: Vectors) -> dict[str, np.ndarray]:
    """What each similarity says of each pair, larger is closer: name -> (N,)."""
    a, b = (torch.as_tensor(x).float() for x in (first, second))
    if a.ndim != 2 or a.shape != b.shape:
        raise ValueError(
            f"expected two matrices (N, D), a pair in each row, got {tuple(a.shape)} and {tuple(b.shape)}; encode both "
            "sides with the same encoder"
        )
    found = {
        "cosine": (normalize(a) * normalize(b)).sum(dim=1),
        "dot": (a * b).sum(dim=1),
        "euclidean": -(a - b).norm(dim=1),
        "manhattan": -(a - b).abs().sum(dim=1),
    }
    return {name: values.numpy() for name, values in found.items()}


def _thresholds(similarities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At each threshold, from one that takes no pair to one that takes all: how many of label 1 it takes, and how many."""
    order = np.argsort(-similarities, kind="stable")
    last = np.append(np.diff(similarities[order]) != 0, True)  # equal pairs pass together
    hits, taken = labels[order].cumsum()[last], np.arange(1, len(order) + 1)[last]
    return np.append(0, hits), np.append(0, taken)
