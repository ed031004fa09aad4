/* The book searched by direction: a text is the mean of its pieces' vectors, each weighed by how rare the piece is. */
"use strict";

/* BERT's tokenizer, as chapter 01 takes it apart: lowercase, without accents, words and marks apart, then WordPiece. */
const MARKS = "\\p{P}!-/:-@\\[-`{-~";
const PARTS = new RegExp(`[^\\s${MARKS}]+|[${MARKS}]`, "gu");
const parts = text => text.toLowerCase().normalize("NFD").replace(/\p{Mn}/gu, "").match(PARTS) || [];

class WordVectors {
  constructor({pieces, size, scale, table}, texts) {
    this.number = new Map(pieces.map((piece, i) => [piece, i]));
    this.size = size;
    this.scale = scale;
    this.table = Int8Array.from(atob(table), letter => letter.charCodeAt(0));
    this.known = new Map();  // word -> the ids of its pieces: most words come again
    const ids = texts.map(text => this.ids(text)), holds = new Float64Array(pieces.length);
    for (const row of ids) for (const id of new Set(row)) holds[id] += 1;
    this.rarity = holds.map(n => Math.log(1 + texts.length / (1 + n)));
    this.vectors = ids.map(row => this.mean(row));
  }

  /* From left to right the longest piece that the vocabulary holds; a word with a part that it lacks is [UNK]. */
  wordpiece(word) {
    const found = [];
    for (let start = 0; start < word.length;) {
      let end = word.length;
      const prefix = start ? "##" : "";
      while (end > start && !this.number.has(prefix + word.slice(start, end))) end -= 1;
      if (end === start) return [this.number.get("[UNK]")];
      found.push(this.number.get(prefix + word.slice(start, end)));
      start = end;
    }
    return found;
  }

  ids(text) {
    return parts(text).flatMap(word => {
      if (!this.known.has(word)) this.known.set(word, this.wordpiece(word));
      return this.known.get(word);
    });
  }

  /* Of length 1, so that the dot product of two is their cosine. */
  mean(ids) {
    const sum = new Float64Array(this.size);
    for (const id of ids) {
      const weight = this.rarity[id] * this.scale[id], start = id * this.size;
      for (let d = 0; d < this.size; d++) sum[d] += weight * this.table[start + d];
    }
    const length = Math.hypot(...sum) || 1;
    return sum.map(value => value / length);
  }

  scores(query) {
    const asked = this.mean(this.ids(query));
    return Float64Array.from(this.vectors, vector => vector.reduce((dot, value, d) => dot + value * asked[d], 0));
  }

  search(query, k) {
    return best(this.scores(query), k);
  }
}
window.WordVectors = WordVectors;
