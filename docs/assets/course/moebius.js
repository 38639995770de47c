/* A kernel is carried along the core of a Möbius strip. The strip of this figure is the flat one, (x + L, y) ~ (x, -y),
   drawn as a band in space: transport leaves coordinates as they are, and crossing the seam mirrors y. */
"use strict";

live.figure("moebius", (figure) => {
  const kernels = {
    "odd across the strip": (x, y) => y * Math.exp(-(x * x + y * y)) * 2.33,
    "odd along the strip": (x, y) => x * Math.exp(-(x * x + y * y)) * 2.33,
    "isotropic": (x, y) => Math.exp(-(x * x + y * y)),
  };
  const state = { laps: 0, name: "odd across the strip" };
  const width0 = 0.42, reach = 0.2; // half the width of the strip; the kernel's scale (the core has radius 1)

  const { canvas, fit } = live.canvas(figure, 0.56, "A Möbius strip with a kernel on its core; arrow keys carry it");
  const controls = live.controls(figure), words = live.words(figure);
  const slider = live.slider(controls, "laps round the strip", 0, 2, 0.01, 0, (v) => { state.laps = v; draw(); });
  const label = live.make("label", { text: "kernel " }, controls);
  const choice = live.make("select", { "aria-label": "kernel" }, label);
  Object.keys(kernels).forEach((name) => live.make("option", { value: name, text: name }, choice));
  choice.addEventListener("change", () => { state.name = choice.value; draw(); });
  live.button(controls, "once round", () => go(1));
  live.button(controls, "back to the start", () => go(0));
  canvas.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 0.02, ArrowUp: 0.02, ArrowLeft: -0.02, ArrowDown: -0.02 }[event.key];
    if (!by) return;
    event.preventDefault();
    go(Math.round(100 * Math.max(0, Math.min(2, state.laps + by))) / 100);
  });
  function go(laps) { state.laps = laps; slider.value = laps; draw(); }

  const point = (s, y) => { // s in laps: half a twist a lap
    const turn = 2 * Math.PI * s, twist = Math.PI * s, r = 1 + y * Math.cos(twist);
    return [r * Math.cos(turn), r * Math.sin(turn), y * Math.sin(twist)];
  };
  /** The carried kernel at a place of the strip: the place is written over the seam until it is near the kernel. */
  const valueAt = (k, s, y) => {
    let x = s - state.laps, side = 1;
    while (x > 0.5) { x -= 1; side = -side; }
    while (x < -0.5) { x += 1; side = -side; }
    return k((2 * Math.PI * x) / reach, (side * y) / reach);
  };
  /** What stands at the start now, in the coordinates of the start, where the kernel has come back there. */
  const returned = (k) => (x, y) => k(x, Math.round(state.laps) % 2 ? -y : y);

  function draw() {
    const { context: c, width, height } = fit(), color = live.colors(), k = kernels[state.name];
    const tilt = 0.62, scale = 0.235 * width, middle = [0.36 * width, 0.5 * height];
    const columns = 220, rows = 14, cells = [];
    const seen = (p) => {
      const a = -0.9, x = p[0] * Math.cos(a) - p[1] * Math.sin(a), y = p[0] * Math.sin(a) + p[1] * Math.cos(a);
      const depth = -y * Math.cos(tilt) + p[2] * Math.sin(tilt);
      return [middle[0] + scale * x, middle[1] - scale * (y * Math.sin(tilt) + p[2] * Math.cos(tilt)), depth];
    };
    for (let i = 0; i < columns; i++) for (let j = 0; j < rows; j++) {
      const s = [i / columns, (i + 1) / columns], y = [j / rows, (j + 1) / rows].map((t) => width0 * (2 * t - 1));
      const corners = [[0, 0], [1, 0], [1, 1], [0, 1]].map(([a, b]) => seen(point(s[a], y[b])));
      const depth = corners.reduce((sum, p) => sum + p[2], 0) / 4;
      const normal = Math.abs(area(corners)) / (scale * scale * (2 * Math.PI / columns) * (2 * width0 / rows));
      cells.push({ corners, depth, shade: 0.62 + 0.38 * Math.min(1, normal), value: valueAt(k, (s[0] + s[1]) / 2, (y[0] + y[1]) / 2) });
    }
    cells.sort((a, b) => a.depth - b.depth);
    for (const { corners, shade, value } of cells) {
      c.beginPath();
      corners.forEach((p, i) => (i ? c.lineTo(p[0], p[1]) : c.moveTo(p[0], p[1])));
      c.closePath();
      c.fillStyle = Math.abs(value) < 0.04 ? `rgb(${color.plaster.map((part) => Math.round(part * shade)).join(",")})` : live.diverging(value, shade);
      c.strokeStyle = c.fillStyle; c.lineWidth = 0.7; c.fill(); c.stroke();
    }
    const mark = seen(point(0, 0));
    c.fillStyle = color.orange; c.beginPath(); c.arc(mark[0], mark[1], 5, 0, 2 * Math.PI); c.fill();
    const back = Math.abs(state.laps - Math.round(state.laps)) < 1e-9;
    disc(c, 0.85 * width, 0.27 * height, 0.095 * width, k, "at the start", color);
    disc(c, 0.85 * width, 0.77 * height, 0.095 * width, back ? returned(k) : null, back ? `after ${Math.round(state.laps)} laps` : "on its way", color);
    speak(k, back);
  }

  function area(p) {
    return 0.5 * ((p[2][0] - p[0][0]) * (p[3][1] - p[1][1]) - (p[3][0] - p[1][0]) * (p[2][1] - p[0][1]));
  }

  function disc(c, x, y, radius, k, name, color) {
    c.fillStyle = color.text; c.font = "13px sans-serif"; c.textAlign = "center";
    c.fillText(name, x, y - radius - 8);
    c.strokeStyle = color.faint; c.lineWidth = 1.5;
    if (k) {
      c.save(); c.beginPath(); c.arc(x, y, radius, 0, 2 * Math.PI); c.clip();
      const n = 44, w = (2 * radius) / n;
      for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) {
        const u = (2 * (i + 0.5)) / n - 1, v = (2 * (j + 0.5)) / n - 1;
        c.fillStyle = live.diverging(k(2 * u, -2 * v));
        c.fillRect(x + radius * u - w / 2 - 0.3, y + radius * v - w / 2 - 0.3, w + 0.6, w + 0.6);
      }
      c.restore();
    }
    c.beginPath(); c.arc(x, y, radius, 0, 2 * Math.PI); c.stroke();
    c.textAlign = "left";
  }

  function speak(k, back) {
    if (!back) { words.textContent = `${state.laps.toFixed(2)} laps. Bring the kernel back to the orange dot.`; return; }
    const now = returned(k);
    let most = 0, change = 0;
    for (let x = -2; x <= 2; x += 0.1) for (let y = -2; y <= 2; y += 0.1) {
      most = Math.max(most, Math.abs(k(x, y)));
      change = Math.max(change, Math.abs(now(x, y) - k(x, y)));
    }
    const laps = Math.round(state.laps), part = Math.round((100 * change) / most);
    if (laps === 0) words.textContent = "Carry the kernel once round the strip.";
    else if (laps === 2) words.textContent = "After two laps every kernel is back as it was: the reflection undoes itself.";
    else if (part > 0) words.textContent = `After one lap the kernel differs by ${part} % of its largest value: it is reflected. Refused, from scalars to scalars.`;
    else words.textContent = "After one lap the kernel is the same, difference 0 %. Admitted.";
  }
  draw();
  live.redrawn(figure, draw);
});
