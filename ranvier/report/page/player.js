"use strict";
const given = JSON.parse(document.getElementById("events").textContent);
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
const t = new Uint32Array(bytes(given.t)), x = new Uint16Array(bytes(given.x)), y = new Uint16Array(bytes(given.y));
const p = new Uint8Array(bytes(given.p)), n = t.length, span = Math.max(1, given.span), [height, width] = given.size;
const ON = [232, 113, 42], OFF = [38, 125, 214];
const $ = (id) => document.getElementById(id);
const picture = $("picture").getContext("2d"), cloud = $("cloud").getContext("2d"), rates = $("rates").getContext("2d");
const first = (time) => { let a = 0, b = n; while (a < b) { const m = (a + b) >> 1; if (t[m] < time) a = m + 1; else b = m; } return a; };
const words = (us) => us >= 1e6 ? (us / 1e6).toFixed(2) + " s" : us >= 1e3 ? (us / 1e3).toFixed(1) + " ms" : Math.round(us) + " us";
for (const share of [0.002, 0.01, 0.03, 0.1, 0.3, 1]) {
  const option = document.createElement("option");
  option.value = share;
  option.textContent = words(share * span);
  option.selected = share === 0.1;
  $("window").append(option);
}
let now = 0, yaw = -0.6, pitch = 0.35, timer = null, last = 0;
const shown = (i) => p[i] ? $("on").checked : $("off").checked;
const drawPicture = () => {
  const image = picture.createImageData(width, height), count = new Float32Array(2 * width * height);
  const length = Number($("window").value) * span, stop = first(now + 1);
  for (let i = first(Math.max(0, now - length)); i < stop; i++) if (shown(i)) count[2 * (y[i] * width + x[i]) + p[i]]++;
  for (let k = 0; k < width * height; k++) {
    const off = count[2 * k], on = count[2 * k + 1], all = off + on;
    if (!all) continue;
    for (let c = 0; c < 3; c++) image.data[4 * k + c] = (OFF[c] * off + ON[c] * on) / all;
    image.data[4 * k + 3] = 255 * Math.min(1, 0.45 + 0.2 * all);
  }
  picture.putImageData(image, 0, 0);
};
const drawCloud = () => {
  const size = cloud.canvas.width, scale = size * 0.62, many = Math.max(1, Math.ceil(n / 60000));
  const cy = Math.cos(yaw), sy = Math.sin(yaw), cp = Math.cos(pitch), sp = Math.sin(pitch), side = Math.max(width, height);
  cloud.clearRect(0, 0, size, size);
  const point = (a, b, c) => {
    const u = a * cy + c * sy, w = -a * sy + c * cy;
    return [size / 2 + scale * u, size / 2 + scale * (b * cp - w * sp)];
  };
  const length = Number($("window").value) * span, dot = n < 20000 ? 3.6 : 2.2, faint = n < 20000 ? 0.4 : 0.16;
  for (const pass of [0, 1]) for (const sign of [0, 1]) {
    cloud.fillStyle = `rgba(${(sign ? ON : OFF).join()},${pass ? 0.95 : faint})`;
    for (let k = 0; k < n; k += many) {
      let hash = Math.imul(k, 0x85ebca6b);  // scattered: a fixed step draws stripes
      hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
      const i = Math.min(n - 1, k + (hash >>> 16) % many);
      const inside = t[i] <= now && t[i] > now - length;
      if (p[i] !== sign || inside !== (pass === 1) || !shown(i)) continue;
      const [u, v] = point((x[i] - width / 2) / side, (y[i] - height / 2) / side, 1.2 * (t[i] / span - 0.5));
      cloud.fillRect(u, v, dot, dot);
    }
  }
};
const drawRates = () => {
  const { width: w, height: h } = rates.canvas, bins = 250, count = [new Float32Array(bins), new Float32Array(bins)];
  for (let i = 0; i < n; i++) count[p[i]][Math.min(bins - 1, Math.floor(bins * t[i] / span))]++;
  // A burst, as when a camera starts, may leave its bar cut off rather than all others flat.
  const sorted = [...count[0], ...count[1]].filter((value) => value > 0).sort((a, b) => a - b);
  const most = sorted.length ? Math.min(sorted[sorted.length - 1], 4 * sorted[Math.floor(0.9 * (sorted.length - 1))]) : 1;
  rates.clearRect(0, 0, w, h);
  count.forEach((values, sign) => {
    rates.fillStyle = `rgb(${(sign ? ON : OFF).join()})`;
    values.forEach((value, k) => {
      const bar = (h / 2 - 2) * Math.min(1, value / most);
      rates.fillRect(k * w / bins, sign ? h / 2 - bar : h / 2, w / bins - 1, bar);
    });
  });
  rates.fillStyle = "#8ea8ff";
  rates.fillRect(w * now / span - 1.5, 0, 3, h);
};
const draw = () => {
  $("now").value = words(now);
  drawPicture(); drawCloud(); drawRates();
};
const stop = () => { cancelAnimationFrame(timer); timer = null; $("play").textContent = "Play"; };
const tick = (time) => {
  now += (time - last) * 1e3 * Number($("speed").value);
  last = time;
  if (now > span) now = 0;
  $("time").value = 1000 * now / span;
  draw();
  timer = requestAnimationFrame(tick);
};
$("play").addEventListener("click", () => {
  if (timer !== null) return stop();
  $("play").textContent = "Pause";
  timer = requestAnimationFrame((time) => { last = time; tick(time); });
});
$("time").addEventListener("input", () => { stop(); now = span * Number($("time").value) / 1000; draw(); });
for (const id of ["window", "on", "off"]) $(id).addEventListener("change", draw);
$("cloud").addEventListener("pointerdown", (e) => { $("cloud").setPointerCapture(e.pointerId); });
$("cloud").addEventListener("pointermove", (e) => {
  if (!e.buttons) return;
  yaw += e.movementX * 0.008;
  pitch = Math.max(-1.5, Math.min(1.5, pitch + e.movementY * 0.008));
  drawCloud();
});
const busiest = () => {
  const bins = 50, count = new Uint32Array(bins);
  for (let i = 0; i < n; i++) count[Math.min(bins - 1, Math.floor(bins * t[i] / span))]++;
  return span * (count.indexOf(Math.max(...count)) + 1) / bins;
};
now = busiest();
$("time").value = 1000 * now / span;
draw();
