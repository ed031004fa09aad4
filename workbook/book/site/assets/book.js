/* What every page does: light and dark, remembered answers, folded sections that open for their links. */
"use strict";

/* A browser may forbid a page from the disk to remember: then it remembers nothing, and all else goes on. */
const memory = {
  read(key) {
    try { return JSON.parse(localStorage.getItem(key)); } catch (error) { return null; }
  },
  write(key, value) {
    try { localStorage.setItem(key, JSON.stringify(value)); } catch (error) { /* see above */ }
  },
};

/* "#fig-04-2?temperature=0.05" is the place fig-04-2 and what its figure shows. */
function address() {
  const [place, query] = decodeURIComponent(location.hash.slice(1)).split("?");
  return {place, state: new URLSearchParams(query || "")};
}

function setUpTheme() {
  const root = document.documentElement, button = document.querySelector("button.theme");
  const isDark = () => root.dataset.jpThemeLight === "false";
  const tell = () => { button.textContent = isDark() ? "Light" : "Dark"; };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.jpThemeLight = String(isDark());
    try { localStorage.setItem("workbook-theme", isDark() ? "dark" : "light"); } catch (error) { /* see memory */ }
    tell();
  });
  tell();
}

/* Which choice was taken, by question: {"04.q1": 1}. */
const ANSWERS = "workbook-answers";

function setUpQuestions() {
  const answers = memory.read(ANSWERS) || {};
  for (const form of document.querySelectorAll("form.question")) {
    const choice = form.querySelector(`input[value="${answers[form.dataset.question]}"]`);
    if (choice) choice.checked = true;
    form.addEventListener("submit", event => event.preventDefault());
    form.addEventListener("change", event => {
      memory.write(ANSWERS, {...memory.read(ANSWERS), [form.dataset.question]: Number(event.target.value)});
      tellToScreenReaders(event.target.closest(".choice").querySelector(".told").innerText);
    });
  }
  for (const place of document.querySelectorAll(".answered")) {
    const done = Object.keys(answers).filter(id => id.startsWith(place.dataset.chapter + ".")).length;
    if (done) place.textContent = ` · ${Math.min(done, place.dataset.count)} of ${place.dataset.count} questions answered`;
  }
}

/* One region that is read out loud when its text changes. */
function tellToScreenReaders(text) {
  let region = document.getElementById("spoken");
  if (!region) {
    region = Object.assign(document.createElement("div"), {id: "spoken", className: "only-spoken"});
    region.setAttribute("aria-live", "polite");
    document.body.append(region);
  }
  region.textContent = text;
}

/* A link may lead into a section that is folded. */
function openWhatHolds(place) {
  const target = place && document.getElementById(place);
  if (!target) return;
  for (let box = target.closest("details"); box; box = box.parentElement.closest("details")) box.open = true;
  target.scrollIntoView();
}

/* The contents stand beside the page on a wide window: show where one is. */
function showWhereOneIs() {
  const contents = document.getElementById("contents"), here = contents.querySelector("[aria-current]");
  if (here) contents.scrollTop = here.offsetTop - contents.clientHeight / 4;
}

addEventListener("DOMContentLoaded", () => {
  setUpTheme();
  showWhereOneIs();
  setUpQuestions();
  openWhatHolds(address().place);
  addEventListener("hashchange", () => openWhatHolds(address().place));
  addEventListener("beforeprint", () => document.querySelectorAll("details.further").forEach(box => { box.open = true; }));
});
