/* BM25 as chapter 03 builds it: `workbook.bm25` in the form of Lucene, on the same words, with the same numbers. */
"use strict";

/* Lowercase runs of letters, digits and underscores, two characters or more, as `workbook.support.words` reads them. */
const words = text => text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) || [];

class BM25 {
  constructor(texts, k1 = 1.2, b = 0.75) {
    const lengths = [];
    this.N = texts.length;
    this.postings = new Map();  // word -> Map(passage -> its score)
    texts.forEach((text, passage) => {
      const found = words(text);
      lengths.push(found.length);
      for (const word of found) {
        if (!this.postings.has(word)) this.postings.set(word, new Map());
        const counts = this.postings.get(word);
        counts.set(passage, (counts.get(passage) || 0) + 1);
      }
    });
    const mean = lengths.reduce((sum, length) => sum + length, 0) / this.N;
    for (const counts of this.postings.values()) {
      const n = counts.size, idf = Math.log(1 + (this.N - n + 0.5) / (n + 0.5));
      for (const [passage, f] of counts) {
        counts.set(passage, idf * (f / (k1 * (1 - b + (b * lengths[passage]) / mean) + f)));
      }
    }
  }

  /* The score of every passage for one query. A word twice counts twice. */
  scores(query) {
    const scores = new Float64Array(this.N);
    for (const word of words(query)) {
      for (const [passage, score] of this.postings.get(word) || []) scores[passage] += score;
    }
    return scores;
  }

  /* The k best passages, [[passage, score], …]; one without any word of the query is not returned. */
  search(query, k) {
    return best(this.scores(query), k);
  }
}

/* The k largest scores above 0, best first; equal ones in their order. */
function best(scores, k) {
  return [...scores.entries()].filter(([, score]) => score > 0).sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, k);
}
