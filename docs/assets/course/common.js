/* What the live figures share: colours of the page, controls with labels, three-dimensional vectors.
   Nothing is fetched; each figure is a <figure data-figure="NAME"> that its script fills. */
"use strict";

const live = {
  /** Call `build(element)` for each figure of a name, once the page is there. */
  figure(name, build) {
    const start = () => document.querySelectorAll(`figure[data-figure="${name}"]`).forEach((element) => {
      if (element.dataset.ready) return;
      element.querySelectorAll(".fallback").forEach((part) => part.remove());
      build(element);
      element.dataset.ready = "yes";
    });
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
  },

  /** Colours for the theme that is shown now. On surfaces they are the same in both: blue, white, red; orange. */
  colors() {
    const style = getComputedStyle(document.body);
    const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
    const dark = document.body.getAttribute("data-md-color-scheme") === "slate";
    return {
      text: read("--md-default-fg-color", "#22252b"),
      faint: read("--md-default-fg-color--lighter", "#9a9fa8"),
      paper: read("--md-default-bg-color", "#ffffff"),
      blue: dark ? "#67a9cf" : "#2166ac", red: dark ? "#ef8a62" : "#b2182b", // lines on the page
      path: "#2166ac", orange: "#e08214", plaster: [219, 214, 207], // on the surface
    };
  },

  /** Call `draw` when the theme or the size changes. */
  redrawn(element, draw) {
    new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["data-md-color-scheme"] });
    new ResizeObserver(draw).observe(element);
  },

  make(kind, attributes, parent) {
    const element = document.createElement(kind);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "text") element.textContent = value; else element.setAttribute(name, value);
    }
    parent.appendChild(element);
    return element;
  },

  /** A canvas as wide as its figure, and its drawing context in CSS pixels. */
  canvas(figure, ratio, label) {
    const canvas = live.make("canvas", { role: "img", tabindex: "0", "aria-label": label }, figure);
    const fit = () => {
      const width = Math.max(240, Math.min(figure.clientWidth, 720)), height = Math.round(width * ratio);
      const sharp = window.devicePixelRatio || 1;
      if (canvas.width !== Math.round(width * sharp)) {
        canvas.width = Math.round(width * sharp);
        canvas.height = Math.round(height * sharp);
        canvas.style.width = `${width}px`;
        canvas.style.height = `${height}px`;
      }
      const context = canvas.getContext("2d");
      context.setTransform(sharp, 0, 0, sharp, 0, 0);
      context.clearRect(0, 0, width, height);
      return { context, width, height };
    };
    return { canvas, fit };
  },

  /** A slider with its label; `change(value)` is called while it moves. */
  slider(parent, name, low, high, step, value, change) {
    const label = live.make("label", { text: `${name} ` }, parent);
    const input = live.make("input", { type: "range", min: low, max: high, step, value, "aria-label": name }, label);
    input.addEventListener("input", () => change(Number(input.value)));
    return input;
  },

  button(parent, name, press) {
    const button = live.make("button", { type: "button", class: "md-button", text: name }, parent);
    button.addEventListener("click", press);
    return button;
  },

  controls(figure) { return live.make("div", { class: "controls" }, figure); },
  words(figure) { return live.make("output", { "aria-live": "polite" }, figure); },

  /** Blue below 0, white at 0, red above, for values from -1 to 1. */
  diverging(value, shade = 1) {
    const t = Math.max(-1, Math.min(1, value)), end = t < 0 ? [33, 102, 172] : [178, 24, 43], s = Math.abs(t);
    return `rgb(${[0, 1, 2].map((i) => Math.round(shade * ((1 - s) * 245 + s * end[i]))).join(",")})`;
  },

  degrees(angle) {
    const value = angle * 180 / Math.PI, text = Math.abs(value) < 0.05 ? "0.0" : value.toFixed(1);
    return `${text.replace("-", "\u2212")}°`;
  },

  dot: (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2],
  cross: (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]],
  plus: (a, b, s = 1) => [a[0] + s * b[0], a[1] + s * b[1], a[2] + s * b[2]],
  times: (a, s) => [a[0] * s, a[1] * s, a[2] * s],
  unit(a) { return live.times(a, 1 / Math.hypot(...a)); },
};
