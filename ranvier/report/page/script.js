"use strict";
for (const player of document.querySelectorAll(".player")) {
  const film = document.getElementById(player.dataset.for);
  const screen = player.querySelector(".screen"), slider = player.querySelector("input");
  const out = player.querySelector("output"), button = player.querySelector("button");
  const cursor = film.querySelector(".cursor"), steps = Number(player.dataset.steps);
  const [, , width, height] = screen.getAttribute("viewBox").split(" ").map(Number);
  const left = Number(cursor.dataset.left), right = Number(cursor.dataset.right), total = Number(cursor.dataset.steps);
  const show = () => {
    const step = Number(slider.value), x = left + (right - left) * (step + 0.5) / total;
    screen.setAttribute("viewBox", `${step * width} 0 ${width} ${height}`);
    out.value = step;
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
  };
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  button.addEventListener("click", () => {
    if (timer !== null) return stop();
    button.textContent = "Pause";
    timer = setInterval(() => { slider.value = (Number(slider.value) + 1) % steps; show(); }, Math.max(60, 2400 / steps));
  });
  slider.addEventListener("input", () => { stop(); film.classList.add("live"); show(); });
  button.addEventListener("click", () => film.classList.add("live"));
  player.hidden = false;
  show();
}
for (const box of document.querySelectorAll(".copy")) {
  const button = box.querySelector("button");
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(box.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
}
