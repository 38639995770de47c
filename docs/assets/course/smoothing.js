/* A noisy signal on a circle, a Gaussian whose width is dragged, and the correlation of the two. A second slider
   moves the signal: smoothing and moving may be done in either order, and the figure says by how much they differ. */
"use strict";

live.figure("smoothing", (figure) => {
  const count = 240;
  let seed = 7;
  const random = () => { seed = (seed * 16807) % 2147483647; return seed / 2147483647 - 0.5; };
  const clean = Array.from({ length: count }, (_, i) =>
    (i > 60 && i < 130 ? 0.9 : 0) + 0.45 * Math.sin((2 * Math.PI * i) / count));
  const signal = clean.map((value) => value + 0.55 * (random() + random() + random()));
  const state = { sigma: 6, shift: 0 };

  const at = (i) => ((i % count) + count) % count;
  const moved = (f, a) => f.map((_, i) => f[at(i - a)]);
  const kernel = (sigma) => {
    const reach = Math.ceil(4 * sigma), values = [];
    for (let v = -reach; v <= reach; v++) values.push(sigma > 0 ? Math.exp(-(v * v) / (2 * sigma * sigma)) : 1);
    const total = values.reduce((sum, value) => sum + value, 0);
    return { reach, values: values.map((value) => value / total) };
  };
  const correlate = ({ reach, values }, f) =>
    f.map((_, x) => values.reduce((sum, value, j) => sum + value * f[at(x + j - reach)], 0));

  const { fit } = live.canvas(figure, 0.5, "A noisy signal, a Gaussian kernel, and the smoothed signal");
  const controls = live.controls(figure), words = live.words(figure);
  live.slider(controls, "width σ of the kernel", 0, 24, 0.5, state.sigma, (v) => { state.sigma = v; draw(); });
  live.slider(controls, "shift a of the signal", 0, count - 1, 1, state.shift, (v) => { state.shift = v; draw(); });

  function draw() {
    const { context: c, width, height } = fit(), color = live.colors();
    const k = kernel(state.sigma), shifted = moved(signal, state.shift);
    const smooth = correlate(k, shifted), other = moved(correlate(k, signal), state.shift);
    const apart = Math.max(...smooth.map((value, i) => Math.abs(value - other[i])));
    const truth = moved(clean, state.shift);
    const error = Math.sqrt(smooth.reduce((sum, value, i) => sum + (value - truth[i]) ** 2, 0) / count);
    const x = (i) => (i / (count - 1)) * (width - 16) + 8, y = (value) => height * (0.44 - 0.21 * value);
    const line = (values, style, thick) => {
      c.beginPath();
      values.forEach((value, i) => (i ? c.lineTo(x(i), y(value)) : c.moveTo(x(i), y(value))));
      c.strokeStyle = style; c.lineWidth = thick; c.stroke();
    };
    line(shifted, color.faint, 1.2);
    line(smooth, color.red, 2.6);
    // The kernel, with its largest value always as high, below the signal.
    const base = 0.95 * height, top = Math.max(...k.values), middle = count / 2;
    c.beginPath();
    k.values.forEach((value, j) => {
      const place = [x(middle + j - k.reach), base - 0.17 * height * (value / top)];
      if (j) c.lineTo(...place); else { c.moveTo(place[0], base); c.lineTo(...place); }
    });
    c.lineTo(x(middle + k.reach), base);
    c.fillStyle = color.blue; c.strokeStyle = color.blue; c.globalAlpha = 0.45; c.fill(); c.globalAlpha = 1; c.stroke();
    c.fillStyle = color.text; c.font = "13px sans-serif";
    c.fillText("kernel k", 10, base);
    c.fillText("signal f (grey), k ⋆ f (red)", 10, 16);
    words.textContent = `σ = ${state.sigma.toFixed(1)}: distance from the signal without noise ${error.toFixed(3)}. ` +
      `Moved by a = ${state.shift}: k ⋆ (T f) and T (k ⋆ f) differ by ${apart < 1e-12 ? "0" : apart.toExponential(0)}.`;
  }
  draw();
  live.redrawn(figure, draw);
});
