"""The spot check: a person judges a few candidates, and learns what share of all of them is right after all.

Where no truth is known, somebody has to look. A few dozen judgements are enough for a first number, if they are spread
over the ranks: false negatives sit at the top, and most candidates do not. So the ranks are cut into strata, each
stratum gets its judgements, and each judgement speaks for as many candidates as its stratum has for one judged.

Letters: H strata, N_h candidates of a stratum, n_h of them judged.

Taught in 09.
"""

import math
import random
from collections.abc import Sequence

from workbook.metrics.significance import Interval

STRATA = ((1, 1), (2, 3), (4, 10), (11, 20))  # first and last rank


def strata_of(
    possible: Sequence[Sequence[bool]], strata: Sequence[tuple[int, int]] = STRATA
) -> list[list[tuple[int, int]]]:
    """Candidates by stratum, as (query number, column).

    Args:
        possible: (Q, K), which candidates may be negatives; `Candidates.possible`. Ranks count them alone.
        strata: first and last rank of each.
    """
    found: list[list[tuple[int, int]]] = [[] for _ in strata]
    for query, row in enumerate(possible):
        columns = [column for column, may_be in enumerate(row) if may_be]
        for rank, column in enumerate(columns, start=1):
            for stratum, (low, high) in zip(found, strata, strict=True):
                if low <= rank <= high:
                    stratum.append((query, column))
    return found


def stratified_sample(
    strata: Sequence[Sequence[tuple[int, int]]], num: int, seed: int = 0
) -> list[list[tuple[int, int]]]:
    """The same number of candidates from each stratum, drawn without replacement; what is left over goes to the first ones.

    Args:
        strata: candidates by stratum.
        num: how many in all; at least one for each stratum.
        seed: of the drawing.
    Returns:
        those that are to be judged, by stratum.
    Raises:
        ValueError: there are fewer to be judged than strata, or a stratum is empty.
    """
    H = len(strata)
    if num < H or not all(strata):
        raise ValueError(f"expected at least one judgement and one candidate for each of {H} strata, got num={num}")
    rng = random.Random(seed)
    shares = [num // H + (h < num % H) for h in range(H)]
    return [rng.sample(list(stratum), min(n, len(stratum))) for stratum, n in zip(strata, shares, strict=True)]


def stratified_rate(sizes: Sequence[int], judged: Sequence[Sequence[bool]]) -> Interval:
    """The share of false negatives among all candidates, from judgements of some in each stratum.

        rate = Σ_h w_h · k_h / n_h          w_h = N_h / N
        error² = Σ_h w_h² · c_h · (1 - c_h) / n_h          c_h = (k_h + 1) / (n_h + 2)

    The careful share c_h stands in the error, since six judgements without a find do not prove that there is none.

    Args:
        sizes: N_h, the candidates in each stratum.
        judged: by stratum, whether each judged candidate is right, a false negative; one at least.
    Returns:
        the rate, and rate ± 1.96 errors within 0 and 1.
    Raises:
        ValueError: sizes and judgements do not belong together, or a stratum was not judged.

    Source: Cochran 1977 (stratified sampling); Agresti and Coull 1998 (the careful share).
    """
    if len(sizes) != len(judged) or not all(judged):
        raise ValueError(
            f"expected judgements for each of {len(sizes)} strata, got {[len(stratum) for stratum in judged]}; "
            "judge one of each at least, or join strata"
        )
    rate = variance = 0.0
    for size, stratum in zip(sizes, judged, strict=True):
        weight, k, n = size / sum(sizes), sum(stratum), len(stratum)
        careful = (k + 1) / (n + 2)
        rate += weight * k / n
        variance += weight**2 * careful * (1 - careful) / n
    error = 1.96 * math.sqrt(variance)
    return Interval(rate, max(0.0, rate - error), min(1.0, rate + error))
