"""What someone types who follows the contracts of chapter 19 word by word."""

import math


def ndcg_at(k, grades, judged_grades):
    def total(gains):
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))

    ideal = total(sorted(judged_grades, reverse=True))
    return total(grades) / ideal if ideal > 0 else 0.0


def pooled_ndcg(runs, truth, new, depth, k):
    judged = {}
    for ranking in runs:
        for passage in ranking[:depth]:
            judged[passage] = truth.get(passage, 0)
    unjudged_at_zero = [judged.get(passage, 0) for passage in new]
    without_unjudged = [judged[passage] for passage in new if passage in judged]
    return ndcg_at(k, unjudged_at_zero, judged.values()), ndcg_at(k, without_unjudged, judged.values())


def smallest_silence():
    return [2, 1], 0


def ngram_shares(queries, training, n):
    def words(text):
        return text.lower().split()

    def stands(run, text):
        own = words(text)
        return any(own[i : i + len(run)] == run for i in range(len(own) - len(run) + 1))

    shares = []
    for query in queries:
        asked = words(query)
        if not asked:
            shares.append(0.0)
            continue
        runs = [asked] if len(asked) < n else [asked[i : i + n] for i in range(len(asked) - n + 1)]
        standing = [run for run in runs if any(stands(run, text) for text in training)]
        shares.append(len(standing) / len(runs))
    return shares


def detector_quality(shares, leaked, threshold):
    reported = [i for i in range(len(shares)) if shares[i] >= threshold]
    leaks = [i for i in range(len(shares)) if leaked[i]]
    precision = 1.0 if not reported else len([i for i in reported if leaked[i]]) / len(reported)
    recall = 1.0 if not leaks else len([i for i in leaks if i in reported]) / len(leaks)
    return precision, recall


def kendall_tau(a, b):
    alike = otherwise = untied_in_a = untied_in_b = 0
    for i in range(len(a)):
        for j in range(i + 1, len(a)):
            if a[i] != a[j]:
                untied_in_a += 1
            if b[i] != b[j]:
                untied_in_b += 1
            if a[i] == a[j] or b[i] == b[j]:
                continue
            if (a[i] > a[j]) == (b[i] > b[j]):
                alike += 1
            else:
                otherwise += 1
    if len(set(a)) == 1 or len(set(b)) == 1:
        return math.nan
    return (alike - otherwise) / math.sqrt(untied_in_a * untied_in_b)


def recall_of_all(rankings, supports, k):
    counts = []
    for query, needed in supports.items():
        if len(needed) == 0:
            continue
        if query not in rankings:
            counts.append(0)
            continue
        first = rankings[query][:k]
        counts.append(1 if all(passage in first for passage in needed) else 0)
    return sum(counts) / len(counts) if counts else 0.0


def team_draft(a, b, coins, clicks, k):
    shown, picks = [], {"a": [], "b": []}
    for coin in coins:
        for team in "ab" if coin else "ba":
            if len(shown) == k:
                break
            for passage in {"a": a, "b": b}[team]:
                if passage not in shown:
                    shown.append(passage)
                    picks[team].append(passage)
                    break
    clicked = set(clicks)
    return shown, sum(p in clicked for p in picks["a"]), sum(p in clicked for p in picks["b"])
