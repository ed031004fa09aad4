"""What someone types who follows the contracts of chapter 17 word by word."""

import math

import torch


def squared_distance(a, b):
    return sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True))


def nearest(target, candidates, count):
    """Numbers of the nearest candidates; of equally near ones the smaller number first."""
    ranked = sorted(range(len(candidates)), key=lambda n: (squared_distance(target, candidates[n]), n))
    return ranked[:count]


def kmeans_round(vectors, centroids):
    assignment = [nearest(vector, centroids, 1)[0] for vector in vectors]
    moved = []
    for c, old in enumerate(centroids):
        members = [vector for vector, cell in zip(vectors, assignment, strict=True) if cell == c]
        moved.append(sum(members) / len(members) if members else old)
    return torch.tensor(assignment), torch.stack(moved)


def search_cells(query, vectors, assignment, centroids, nprobe, k):
    opened = nearest(query, centroids, nprobe)
    inside = [n for n in range(len(vectors)) if int(assignment[n]) in opened]
    inside.sort(key=lambda n: (squared_distance(query, vectors[n]), n))
    return inside[:k]


def codes_and_distances(query, vectors, codebooks):
    m = len(codebooks)
    width = len(query) // m
    tables = []
    for j in range(m):
        asked = query[j * width : (j + 1) * width]
        tables.append([squared_distance(asked, entry) for entry in codebooks[j]])
    codes, distances = [], []
    for vector in vectors:
        row = [nearest(vector[j * width : (j + 1) * width], codebooks[j], 1)[0] for j in range(m)]
        codes.append(row)
        distances.append(sum(tables[j][row[j]] for j in range(m)))
    return torch.tensor(codes), torch.tensor(distances)


def int8_round_trip(calibration, vectors):
    codes, numbers = [], []
    for vector in vectors:
        code_row, number_row = [], []
        for d, number in enumerate(vector.tolist()):
            column = calibration[:, d].tolist()
            minimum, maximum = min(column), max(column)
            step = (maximum - minimum) / 255 if maximum != minimum else 1
            level = math.floor((number - minimum) / step)
            level = 0 if level < 0 else 255 if level > 255 else level
            code_row.append(level - 128)
            number_row.append(minimum + step * level)
        codes.append(code_row)
        numbers.append(number_row)
    return torch.tensor(codes, dtype=torch.int8), torch.tensor(numbers)


def walk(query, neighbours, vectors, entry, ef, k):
    def nearness(n):
        return squared_distance(query, vectors[n]), n

    met, looked_behind = [entry], []
    while True:
        keeps = sorted(met, key=nearness)[: max(ef, k)]
        left = [n for n in keeps if n not in looked_behind]
        if not left:
            return sorted(met, key=nearness)[:k], len(met)
        looked_behind.append(left[0])
        for n in neighbours[left[0]]:
            if n not in met:
                met.append(n)


def smallest_ranges():
    return torch.tensor([0.25]), torch.tensor([[-7.0], [1.0]])


def search_ivfpq(query, vectors, centroids, codebooks, nprobe, rescore, k):
    cells, _ = kmeans_round(vectors, centroids)
    residuals = torch.stack([vector - centroids[cell] for vector, cell in zip(vectors, cells, strict=True)])
    by_codes = {}
    for cell in nearest(query, centroids, nprobe):
        _, distances = codes_and_distances(query - centroids[cell], residuals, codebooks)
        for n in range(len(vectors)):
            if cells[n] == cell:
                by_codes[n] = float(distances[n])
    candidates = sorted(by_codes, key=lambda n: (by_codes[n], n))[:rescore]
    return sorted(candidates, key=lambda n: (squared_distance(query, vectors[n]), n))[:k]
