"use strict";

document.getElementById("no-script").remove();

const level = document.getElementById("level");
level.addEventListener("change", () => {
  for (const section of document.querySelectorAll(".level")) section.hidden = section.dataset.level !== level.value;
});

// Several pictures in one place, parted by lines that can be moved.
class Slider {
  constructor(figure) {
    this.stack = figure.querySelector(".stack");
    this.images = new Map([...this.stack.querySelectorAll("img")].map((image) => [image.dataset.method, image]));
    this.shown = JSON.parse(figure.dataset.shown);
    this.lines = this.shown.slice(1).map((_, index) => (index + 1) / this.shown.length);
    this.handles = this.lines.map((_, index) => this.handle(index));
    this.names = this.shown.map(() => this.stack.appendChild(Object.assign(document.createElement("span"), { className: "name" })));
    this.choices = this.shown.map((_, pane) => this.choice(pane, figure.querySelector(".choices")));
    this.stack.classList.add("ready");
    this.stack.addEventListener("pointerdown", (event) => this.drag(event));
    this.draw();
  }

  handle(index) {
    const handle = this.stack.appendChild(document.createElement("div"));
    handle.className = "handle";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-valuemin", 0);
    handle.setAttribute("aria-valuemax", 100);
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.move(index, this.lines[index] + step);
    });
    return handle;
  }

  choice(pane, parent) {
    const select = parent.appendChild(document.createElement("select"));
    select.setAttribute("aria-label", `picture ${pane + 1}`);
    for (const name of this.images.keys()) select.add(new Option(name));
    select.addEventListener("change", () => {
      // A picture is in one place only: one that is shown elsewhere changes places.
      const other = this.shown.indexOf(select.value);
      if (other >= 0) this.shown[other] = this.shown[pane];
      this.shown[pane] = select.value;
      this.draw();
    });
    return select;
  }

  drag(event) {
    if (!this.lines.length) return;
    event.preventDefault();
    const at = (pointer) => {
      const box = this.stack.getBoundingClientRect();
      return (pointer.clientX - box.left) / box.width;
    };
    const distances = this.lines.map((line) => Math.abs(line - at(event)));
    const index = distances.indexOf(Math.min(...distances));
    this.handles[index].focus();
    this.stack.setPointerCapture(event.pointerId);
    const follow = (pointer) => this.move(index, at(pointer));
    follow(event);
    this.stack.addEventListener("pointermove", follow);
    const stop = () => this.stack.removeEventListener("pointermove", follow);
    this.stack.addEventListener("pointerup", stop, { once: true });
    this.stack.addEventListener("pointercancel", stop, { once: true });
  }

  move(index, position) {
    const low = index ? this.lines[index - 1] : 0;
    const high = index + 1 < this.lines.length ? this.lines[index + 1] : 1;
    this.lines[index] = Math.min(Math.max(position, low), high);
    this.draw();
  }

  draw() {
    for (const image of this.images.values()) image.classList.remove("shown");
    const edges = [0, ...this.lines, 1];
    this.shown.forEach((name, pane) => {
      const [left, right] = [edges[pane], edges[pane + 1]];
      const image = this.images.get(name);
      image.classList.add("shown");
      image.style.clipPath = `inset(0 ${100 * (1 - right)}% 0 ${100 * left}%)`;
      this.names[pane].textContent = name;
      this.names[pane].style.left = `${50 * (left + right)}%`;
      this.names[pane].hidden = right - left < 0.08;
      this.choices[pane].value = name;
    });
    this.lines.forEach((line, index) => {
      this.handles[index].style.left = `${100 * line}%`;
      this.handles[index].setAttribute("aria-valuenow", Math.round(100 * line));
      this.handles[index].setAttribute("aria-label", `line between ${this.shown[index]} and ${this.shown[index + 1]}`);
    });
  }
}

for (const figure of document.querySelectorAll(".slider")) figure.slider = new Slider(figure);

// Only what can be seen plays: many videos at once would stutter.
const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting) target.play().catch(() => {});
    else target.pause();
  }
});
for (const video of document.querySelectorAll("video")) {
  video.addEventListener("error", () => {
    const message = document.createElement("p");
    message.textContent = "This browser cannot play H.264. evaluate --video writes the videos as files.";
    video.after(message);
  });
  seen.observe(video);
}
