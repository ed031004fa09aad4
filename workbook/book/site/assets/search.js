/* The search page: the book is searched with what it teaches. */
"use strict";

const SHOWN = 12, AROUND = 90;  // results of each method; letters before the words that were found, and half of those behind

/* The place in a text around which most of the asked words stand. */
function middle(text, asked) {
  const found = [...text.toLowerCase().matchAll(/[\p{L}\p{N}_]{2,}/gu)].filter(([word]) => asked.has(word));
  let best = 0, most = 0;
  found.forEach((start, i) => {
    const near = new Set(found.slice(i).filter(other => other.index < start.index + 2 * AROUND).map(([word]) => word)).size;
    if (near > most) [best, most] = [start.index, near];
  });
  return best;
}

function snippet(text, query) {
  const asked = new Set(words(query)), at = middle(text, asked);
  const start = Math.max(0, at - AROUND), end = Math.min(text.length, at + 2 * AROUND);
  const from = start ? text.indexOf(" ", start) + 1 : 0, to = end < text.length ? text.lastIndexOf(" ", end) : end;
  const line = document.createElement("p");
  line.append(start ? "… " : "");
  for (const piece of text.slice(from, to).split(/([\p{L}\p{N}_]{2,})/u)) {
    line.append(asked.has(piece.toLowerCase()) ? Object.assign(document.createElement("mark"), {textContent: piece}) : piece);
  }
  line.append(end < text.length ? " …" : "");
  return line;
}

function list(title, explained, found, query) {
  const box = document.createElement("section"), rows = document.createElement("ol");
  const heading = Object.assign(document.createElement("h2"), {textContent: title});
  const note = Object.assign(document.createElement("p"), {className: "note", textContent: explained});
  for (const [number, score] of found) {
    const section = window.workbookSections[number], row = document.createElement("li");
    const link = Object.assign(document.createElement("a"), {href: `${section.page}#${section.id}`, textContent: section.title});
    const told = Object.assign(document.createElement("small"), {textContent: ` ${score.toFixed(2)}`});
    row.append(link, told, snippet(section.text, query));
    rows.append(row);
  }
  box.append(heading, note, rows);
  return box;
}

addEventListener("DOMContentLoaded", () => {
  const sections = window.workbookSections, texts = sections.map(section => `${section.title} ${section.text}`);
  const index = new BM25(texts);
  const methods = [["BM25", "The words that you typed, weighed as chapter 03 does.", query => index.search(query, SHOWN)]];
  if (window.WordVectors) {
    const vectors = new WordVectors(window.workbookVectors, texts);
    methods.push(["Vectors", "Sections whose words mean something near, by cosine (chapters 00 and 02).", query => vectors.search(query, SHOWN)]);
  }
  const field = document.getElementById("asked"), results = document.querySelector(".results"), count = document.querySelector(".count");
  const answer = () => {
    const query = field.value.trim();
    const found = query ? methods.map(([title, explained, search]) => [title, explained, search(query)]) : [];
    results.replaceChildren(...found.filter(([, , rows]) => rows.length).map(([title, explained, rows]) => list(title, explained, rows, query)));
    const total = found.length ? found[0][2].length : 0;
    count.textContent = !query ? "" : total ? `BM25 finds ${total === SHOWN ? `the best ${SHOWN}` : total} of ${sections.length} sections.` : "No section holds any of these words.";
  };
  field.value = new URLSearchParams(location.search).get("q") || "";
  field.addEventListener("input", answer);
  document.querySelector("form.ask").addEventListener("submit", event => event.preventDefault());
  answer();
  field.focus();
});
