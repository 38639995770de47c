/* Drag a point over the sphere: a vector, and a kernel with a direction, are carried along the way that it took.
   Back at the start they are turned, by the area that the way encloses; the two numbers are computed independently:
   the angle from the rotations of the steps, the area from the solid angles of triangles. */
"use strict";

live.figure("sphere", (figure) => {
  const { dot, cross, plus, times, unit } = live;
  const home = unit([-0.15, -0.72, 0.68]);
  const first = unit(plus([0, 0, 1], home, -home[2]));
  const near = 0.09; // radians: how close to the start a loop closes by itself
  let place, vector, way, closed;

  // View: right, up, towards the viewer.
  const towards = unit([0, -0.93, 0.36]), right = [1, 0, 0], up = cross(towards, right);
  const turnTo = (v, from, to) => { // parallel transport of v along the short great circle
    const axis = cross(from, to), c = dot(from, to);
    return plus(plus(times(v, c), cross(axis, v)), axis, dot(axis, v) / (1 + c));
  };
  const solidAngle = (a, b, c) =>
    2 * Math.atan2(dot(a, cross(b, c)), 1 + dot(a, b) + dot(b, c) + dot(c, a));
  const area = (points) => points.slice(1, -1).reduce((sum, b, i) => sum + solidAngle(points[0], b, points[i + 2]), 0);
  const angleFrom = (u, v, normal) => Math.atan2(dot(cross(u, v), normal), dot(u, v));

  function reset() { place = home; vector = first; way = [home]; closed = false; }

  function step(next) { // at most a degree or two at a time: a chord of a drawn curve
    if (closed) reset();
    const from = place, apart = Math.acos(Math.max(-1, Math.min(1, dot(from, next))));
    const pieces = Math.max(1, Math.ceil(apart / 0.03));
    for (let i = 1; i <= pieces; i++) {
      const t = i / pieces;
      const goal = unit(plus(times(from, Math.sin((1 - t) * apart)), next, Math.sin(t * apart)));
      if (apart < 1e-9) continue;
      vector = turnTo(vector, place, goal);
      vector = unit(plus(vector, goal, -dot(vector, goal)));
      place = goal;
      way.push(goal);
    }
  }

  function close() {
    if (way.length < 3 || closed) return;
    step(home);
    closed = true;
  }

  /** A closed way through points of the sphere, from and to home, all at once. */
  function walk(points) { reset(); points.forEach(step); close(); draw(); }
  const circle = (radius) => { // a circle through home with its centre below it, walked counterclockwise
    const centre = unit(plus(times(home, Math.cos(radius)), first, -Math.sin(radius)));
    const out = unit(plus(home, centre, -dot(home, centre))), side = cross(centre, out);
    return Array.from({ length: 180 }, (_, i) => {
      const t = (2 * Math.PI * i) / 180;
      return unit(plus(times(centre, Math.cos(radius)),
        plus(times(out, Math.cos(t)), side, Math.sin(t)), Math.sin(radius)));
    });
  };
  const octant = () => { // two quarters of great circles from home, perpendicular at home, and the one that joins them
    const a = unit(plus(times(first, -1), cross(home, first))), b = cross(home, a);
    return [a, b];
  };

  const { canvas, fit } = live.canvas(figure, 0.72,
    "A sphere with a vector that is carried along; drag the orange point, or use the arrow keys");
  const controls = live.controls(figure), words = live.words(figure);
  live.button(controls, "eighth of the sphere", () => walk(octant()));
  live.button(controls, "small circle", () => walk(circle(0.35)));
  live.button(controls, "large circle", () => walk(circle(0.8)));
  live.button(controls, "go straight home", () => { close(); draw(); });
  live.button(controls, "start again", () => { reset(); draw(); });

  let frame = { width: 1, height: 1 };
  const size = () => 0.46 * frame.height;
  const project = (p) => [frame.width / 2 + size() * dot(p, right), frame.height / 2 - size() * dot(p, up)];
  const lift = (event) => { // the point of the near side under the pointer, at the rim beyond it
    const box = canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - frame.width / 2) / size();
    const y = -(event.clientY - box.top - frame.height / 2) / size();
    const r = Math.hypot(x, y), s = r > 0.97 ? 0.97 / r : 1;
    const z = Math.sqrt(1 - (s * x) ** 2 - (s * y) ** 2);
    return unit(plus(plus(times(right, s * x), up, s * y), towards, z));
  };
  let dragging = false;
  canvas.style.touchAction = "none";
  canvas.addEventListener("pointerdown", (event) => {
    dragging = true; canvas.setPointerCapture(event.pointerId);
    if (closed) reset();
    step(lift(event)); draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!dragging) return;
    step(lift(event));
    draw();
  });
  canvas.addEventListener("pointerup", () => {
    dragging = false;
    if (way.length > 20 && dot(place, home) > Math.cos(near)) close();
    draw();
  });
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: times(right, -1), ArrowRight: right, ArrowUp: up, ArrowDown: times(up, -1) };
    if (event.key === "Enter" || event.key === " ") close();
    else if (event.key === "Escape") reset();
    else if (moves[event.key]) step(unit(plus(place, moves[event.key], 0.05)));
    else return;
    event.preventDefault();
    draw();
  });

  function arrow(c, from, direction, color, length, thick) {
    const tail = project(from), tip = project(unit(plus(from, direction, length)));
    const angle = Math.atan2(tip[1] - tail[1], tip[0] - tail[0]), head = 4 * thick;
    c.strokeStyle = c.fillStyle = color; c.lineWidth = thick;
    c.beginPath(); c.moveTo(...tail); c.lineTo(tip[0] - head * Math.cos(angle), tip[1] - head * Math.sin(angle)); c.stroke();
    c.beginPath(); c.moveTo(...tip);
    for (const side of [-0.45, 0.45]) c.lineTo(tip[0] - 1.5 * head * Math.cos(angle + side), tip[1] - 1.5 * head * Math.sin(angle + side));
    c.closePath(); c.fill();
  }

  function kernel(c, at, direction, alpha) { // an odd kernel: red ahead, blue behind
    const aside = cross(at, direction), radius = 0.17, cells = 14;
    c.globalAlpha = alpha;
    for (let i = -cells; i <= cells; i++) for (let j = -cells; j <= cells; j++) {
      const x = i / cells, y = j / cells;
      if (x * x + y * y > 1) continue;
      const p = unit(plus(plus(at, direction, radius * x), aside, radius * y));
      if (dot(p, towards) < 0) continue;
      const value = 2.6 * x * Math.exp(-2.6 * (x * x + y * y)) * 1.3;
      const [px, py] = project(p), w = 1.25 * radius * size() / cells;
      c.fillStyle = live.diverging(value);
      c.fillRect(px - w / 2, py - w / 2, w, w);
    }
    c.globalAlpha = 1;
  }

  function draw() {
    const fitted = fit(), c = fitted.context, color = live.colors();
    frame = fitted;
    const [x, y] = project([0, 0, 0]), shade = c.createRadialGradient(x - 0.3 * size(), y - 0.4 * size(), 0.1 * size(), x, y, size());
    const tone = (s) => `rgb(${color.plaster.map((part) => Math.round(part * s)).join(",")})`;
    shade.addColorStop(0, tone(1.08)); shade.addColorStop(1, tone(0.72));
    c.fillStyle = shade; c.beginPath(); c.arc(x, y, size(), 0, 2 * Math.PI); c.fill();
    const curve = (points, style, thick) => {
      c.strokeStyle = style; c.lineWidth = thick; c.beginPath();
      let pen = false;
      for (const p of points) {
        if (dot(p, towards) < 0) { pen = false; continue; }
        if (pen) c.lineTo(...project(p)); else c.moveTo(...project(p));
        pen = true;
      }
      c.stroke();
    };
    for (let k = 0; k < 12; k++) { // a faint net of meridians and parallels
      const t = (Math.PI * k) / 12;
      curve(Array.from({ length: 73 }, (_, i) => { const s = (2 * Math.PI * i) / 72; return [Math.sin(s) * Math.cos(t), Math.sin(s) * Math.sin(t), Math.cos(s)]; }), "rgba(60,64,72,0.16)", 1);
      if (k) curve(Array.from({ length: 73 }, (_, i) => { const s = (2 * Math.PI * i) / 72; return [Math.sin(t) * Math.cos(s), Math.sin(t) * Math.sin(s), Math.cos(t)]; }), "rgba(60,64,72,0.16)", 1);
    }
    curve(way, color.path, 2.5);
    kernel(c, place, vector, closed ? 0.95 : 0.9);
    arrow(c, home, first, "#22252b", 0.3, 3);
    arrow(c, place, vector, color.orange, 0.3, 3);
    c.fillStyle = color.orange; c.beginPath(); c.arc(...project(place), 6, 0, 2 * Math.PI); c.fill();
    c.fillStyle = "#22252b"; c.beginPath(); c.arc(...project(home), 4, 0, 2 * Math.PI); c.fill();
    if (!closed) {
      words.textContent = way.length < 2
        ? "Drag the orange point round a loop and back to its start (or use the arrow keys, then Enter)."
        : `${way.length - 1} steps so far. Bring the point back to its start, or press “go straight home”.`;
      return;
    }
    const turned = angleFrom(first, vector, home), inside = area(way);
    const apart = Math.abs(Math.atan2(Math.sin(turned - inside), Math.cos(turned - inside)));
    words.textContent = `The vector came back turned by ${live.degrees(turned)}. ` +
      `The loop encloses an area of ${inside.toFixed(3).replace("-", "\u2212")}, as an angle ${live.degrees(inside)}. ` +
      `The two differ by ${apart < 1e-9 ? "0" : apart.toExponential(0)} (modulo 360°).`;
  }
  reset();
  draw();
  live.redrawn(figure, draw);
});
