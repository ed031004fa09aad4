"""What someone types who follows the contracts of chapter 08 word by word."""

import torch


def pushes(own, wrong, temperature):
    first = wrong.new_full((1,), own)
    all_of_them = torch.cat((first, wrong), dim=0) / temperature
    weights = torch.nn.functional.softmax(all_of_them, dim=-1)
    return weights[1:]


def negatives_of(query, found, corpus, judged, skip, num_negatives):
    answers = []
    for passage in judged:
        if judged[passage] > 0:
            answers.append(passage)
    left = []
    for passage in found:
        if passage in judged and judged[passage] > 0:
            continue
        if any(corpus[passage] == corpus[answer] for answer in answers):
            continue
        if corpus[passage] == query:
            continue
        left.append(passage)
    left = left[skip:]
    return left[:num_negatives]


def false_by_rank(found, judged, truth, depth):
    moved_up = {}
    for query in found:
        moved_up[query] = []
        for passage in found[query]:
            known = passage in judged[query] and judged[query][passage] > 0
            if not known:
                moved_up[query].append(passage)
    result = []
    for rank in range(depth):
        number = 0
        answering = 0
        for query in moved_up:
            if len(moved_up[query]) > rank:
                number += 1
                passage = moved_up[query][rank]
                if passage in truth[query] and truth[query][passage] > 0:
                    answering += 1
        if number == 0:
            result.append(0.0)
        else:
            result.append(answering / number)
    return result


def smallest_list():
    return ["p1", "p2"], ["p1"], 0, 1


def cost_of_step(num_pairs, num_negatives):
    texts = num_pairs + num_pairs + num_pairs * num_negatives
    passages = num_pairs + num_pairs * num_negatives
    without = num_pairs + num_pairs
    return texts, passages, texts / without


def mine_filter_train(encoder, queries, corpus, qrels, others, rounds, num_negatives, margin, temperature, lr):
    result = []
    for _ in range(rounds):
        negatives = {}
        for query in queries:
            cosine = {}
            for passage in corpus:
                with torch.no_grad():
                    q, d = encoder([queries[query]]), encoder([corpus[passage]])
                    cosine[passage] = torch.nn.functional.cosine_similarity(q, d).item()
            ranked = sorted((p for p in corpus if p not in qrels[query]), key=lambda p: cosine[p], reverse=True)
            lowest = min(cosine[p] for p in qrels[query])
            stays = [p for p in ranked if cosine[p] <= lowest - margin]
            mined = stays[:num_negatives]
            for passage in others[query]:
                if passage in stays and passage not in mined:
                    mined = [*mined, passage]
            negatives[query] = mined
        positives = [corpus[next(iter(qrels[query]))] for query in queries]
        wrong = [corpus[p] for query in queries for p in negatives[query]]
        q = torch.nn.functional.normalize(encoder(list(queries.values())), dim=1)
        d = torch.nn.functional.normalize(encoder(positives + wrong), dim=1)
        logits = q @ d.T / temperature
        losses = []
        for i in range(len(queries)):
            losses.append(torch.logsumexp(logits[i], dim=0) - logits[i, i])
        loss = sum(losses) / len(losses)
        for p in encoder.parameters():
            p.grad = None
        loss.backward()
        with torch.no_grad():
            for p in encoder.parameters():
                p -= lr * p.grad
        result.append(negatives)
    return result
