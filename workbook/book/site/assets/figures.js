/* Figures that move: the stored picture gives way to plotly's drawing, with a control that a keyboard and a thumb can use.

   A stored figure holds a slider of plotly's own: its steps are calls of plotly. Here the same steps hang on an input of the
   page. plotly is loaded when the first figure comes near the window. */
"use strict";

const ROOM = 105;       // what `workbook.figures.stored` adds below a figure for plotly's own slider
const WIDEST = 720;     // figures are drawn for this width at most; a wider page shows them larger
const NARROW = 560;     // below it a title does not fit into the drawing
const PACE = 500;       // milliseconds of a step when a figure plays

let plotly = null;      // a promise, once somebody has asked

function loadPlotly() {
  plotly ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = "assets/plotly.min.js";
    script.onload = () => done(window.Plotly);
    script.onerror = () => failed(new Error("assets/plotly.min.js is missing"));
    document.head.append(script);
  });
  return plotly;
}

/* The values of each parameter in their order, from labels such as "0.05 · relative margin" with the first moving fastest. */
function parameters(slider) {
  const names = slider.currentvalue.prefix.replace(/: $/, "").split(" · ");
  const rows = slider.steps.map(step => step.label.split(" · "));
  const whole = rows.every(row => row.length === names.length);
  const columns = whole ? names.map((_, i) => [...new Set(rows.map(row => row[i]))]) : [];
  const complete = whole && columns.reduce((n, values) => n * values.length, 1) === rows.length;
  return complete
    ? names.map((name, i) => ({name, values: columns[i]}))
    : [{name: names.join(", "), values: slider.steps.map(step => step.label)}];
}

const key = name => name.replaceAll(/[ ,]+/g, "_");
const areNumbers = values => values.every(value => value.trim() !== "" && !isNaN(value.replaceAll(",", "")));

/* A slider for numbers, buttons for names; `changed` gets the position of the value. */
function control(id, {name, values}, changed) {
  const box = document.createElement(areNumbers(values) ? "div" : "fieldset");
  box.className = "control";
  box.dataset.name = key(name);
  if (areNumbers(values)) {
    box.innerHTML = `<label for="${id}-${key(name)}"></label><output></output><input type="range" id="${id}-${key(name)}" min="0" max="${values.length - 1}" step="1" value="0">`;
    const input = box.querySelector("input"), output = box.querySelector("output");
    box.querySelector("label").textContent = name;
    box.select = i => {
      input.value = i;
      output.textContent = values[i];
      input.setAttribute("aria-valuetext", values[i]);
    };
    input.addEventListener("input", () => changed(Number(input.value)));
  } else {
    const legend = document.createElement("legend");
    legend.textContent = name;
    box.append(legend);
    values.forEach((value, i) => {
      const label = document.createElement("label"), input = document.createElement("input");
      Object.assign(input, {type: "radio", name: `${id}-${key(name)}`, value: i});
      input.addEventListener("change", () => changed(i));
      label.append(input, document.createTextNode(value));
      box.append(label);
    });
    box.select = i => { box.querySelectorAll("input")[i].checked = true; };
  }
  box.select(0);
  return box;
}

class Figure {
  constructor(box) {
    this.box = box;
    this.id = box.id;
    this.spec = window.workbookFigures[box.id.replace("fig-", "")];
    this.stage = box.querySelector(".stage");
    this.slider = (this.spec.layout.sliders || [])[0];
    this.parameters = this.slider ? parameters(this.slider) : [];
    this.chosen = this.parameters.map(() => 0);
    this.position = 0;
    this.reserve();
  }

  /* How much larger than drawn the figure is shown. */
  get scale() { return Math.max(1, this.stage.clientWidth / WIDEST); }

  /* Hold the room of the drawing from the start: nothing below it jumps when it comes. */
  reserve() { this.stage.style.minHeight = `${this.box.dataset.height * this.scale}px`; }

  draw() {
    this.drawn ??= loadPlotly().then(async Plotly => {
      const {sliders, updatemenus, ...layout} = structuredClone(this.spec.layout);
      const still = this.box.querySelector(".still");
      this.live = document.createElement("div");
      this.live.className = "live";
      this.live.setAttribute("role", "img");
      this.live.setAttribute("aria-label", still.alt || still.textContent);
      this.stage.append(this.live);
      this.fit();
      const size = {width: this.live.clientWidth, height: (layout.height || 420) - (sliders ? ROOM : 0), autosize: false};
      this.reading = Object.assign(document.createElement("p"), {className: "reading"});
      this.reading.setAttribute("aria-live", "polite");
      this.stage.before(this.reading);
      await Plotly.newPlot(this.live, structuredClone(this.spec.data), {...layout, ...size}, {displayModeBar: false, scrollZoom: false});
      if (this.spec.frames) await Plotly.addFrames(this.live, structuredClone(this.spec.frames));
      this.read();
      this.addControls(updatemenus);
      this.box.classList.add("drawn");
      new ResizeObserver(() => this.resize(Plotly)).observe(this.stage);
    });
    return this.drawn;
  }

  fit() {
    const room = this.stage.clientWidth;
    this.width = Math.min(room, WIDEST);
    this.live.style.width = `${this.width}px`;
    this.box.classList.toggle("narrow", room < NARROW);
    this.live.style.transform = this.scale > 1 ? `scale(${this.scale})` : "";
    this.reserve();
  }

  resize(Plotly) {
    const before = this.width;
    this.fit();
    if (this.width !== before) Plotly.relayout(this.live, {width: this.width});
  }

  addControls(updatemenus) {
    const place = this.box.querySelector(".controls");
    this.controls = this.parameters.map((parameter, i) => control(this.id, parameter, value => {
      this.chosen[i] = value;
      this.show({keep: true});
    }));
    place.append(...this.controls);
    if (updatemenus && this.controls.length) place.append(this.playButton());
  }

  /* A button that runs through the steps. It plays when it is asked to, and not where motion is unwelcome. */
  playButton() {
    const button = Object.assign(document.createElement("button"), {type: "button", className: "play", textContent: "Play"});
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
    button.addEventListener("click", () => {
      if (timer) return stop();
      button.textContent = "Stop";
      if (this.position === this.slider.steps.length - 1) this.choose([0]);
      timer = setInterval(() => {
        if (this.position === this.slider.steps.length - 1) return stop();
        this.choose([this.position + 1]);
      }, PACE);
    });
    return button;
  }

  choose(positions) {
    this.chosen = positions;
    return this.show({keep: true});
  }

  /* Draw what is chosen, and keep it in the address. */
  async show({keep}) {
    const Plotly = await loadPlotly();
    let position = 0;
    for (let i = this.chosen.length - 1; i >= 0; i--) position = position * this.parameters[i].values.length + this.chosen[i];
    this.position = position;
    this.controls.forEach((box, i) => box.select(this.chosen[i]));
    const step = this.slider.steps[position];
    await Plotly[step.method](this.live, ...withoutRoom(step.args));
    this.read();
    if (!keep) return;
    const state = this.parameters.map(({name, values}, i) => `${encodeURIComponent(key(name))}=${encodeURIComponent(values[this.chosen[i]])}`);
    history.replaceState(null, "", `#${this.id}?${state.join("&")}`);
  }

  /* The title says what the figure shows now. On a phone it stands above the drawing, where it can take two lines. */
  read() {
    this.reading.textContent = (this.live.layout.title?.text || "").replaceAll(/<br>/g, " ").replaceAll(/<[^>]+>/g, "");
  }

  /* What the address says of this figure; a value that it does not know is left as it is. */
  async follow(state) {
    await this.draw();
    if (!this.slider) return;
    this.chosen = this.parameters.map(({name, values}, i) => {
      const at = values.indexOf(state.get(key(name)));
      return at < 0 ? this.chosen[i] : at;
    });
    await this.show({keep: false});
  }
}

/* A step may set the height: it counts the room of plotly's own slider, which is not here. */
function withoutRoom(args) {
  return args.map(arg => (arg && arg.height ? {...arg, height: arg.height - ROOM} : arg));
}

addEventListener("DOMContentLoaded", () => {
  const figures = new Map([...document.querySelectorAll("figure.figure")].map(box => [box.id, new Figure(box)]));
  const near = new IntersectionObserver(seen => {
    for (const {isIntersecting, target} of seen) if (isIntersecting) { near.unobserve(target); figures.get(target.id).draw(); }
  }, {rootMargin: "600px"});
  figures.forEach(figure => near.observe(figure.box));
  const follow = () => {
    const {place, state} = address(), figure = figures.get(place);
    if (figure) figure.follow(state).then(() => figure.box.scrollIntoView());
  };
  addEventListener("hashchange", follow);
  follow();
  window.workbookDrawn = figures;  // a presenter's console, and the tests, can ask it
});
