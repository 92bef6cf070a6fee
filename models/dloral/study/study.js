const element = (id) => document.getElementById(id);
const random = () => crypto.getRandomValues(new Uint32Array(1))[0] / 2 ** 32;
const token = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const videos = [...document.querySelectorAll("#vote video")];
const pair = document.querySelector(".pair");
const panes = [...document.querySelectorAll(".pane")];

let sitting = token();
let votes = [];
let trials = [];
let others = new Map();
let saved = true;
// Whether both videos of the trial can be seen: before, a choice would be blind in the wrong sense.
let ready = false;

function allTrials() {
  const trials = [];
  for (const clip of STUDY.clips) {
    STUDY.packs.forEach((left, i) => {
      for (const right of STUDY.packs.slice(i + 1)) {
        trials.push(random() < 0.5 ? { clip: clip.name, left, right } : { clip: clip.name, left: right, right: left });
      }
    });
  }
  for (let last = trials.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [trials[last], trials[other]] = [trials[other], trials[last]];
  }
  return trials;
}

const keyOf = ({ clip, left, right }) => JSON.stringify([clip, ...[left, right].sort()]);

function tell(text) {
  element("message").textContent = text;
}

function show(id) {
  for (const section of document.querySelectorAll("section")) section.hidden = section.id !== id;
}

function begin() {
  const done = new Set(votes.map(keyOf));
  trials = [...votes, ...allTrials().filter((trial) => !done.has(keyOf(trial)))];
  tell("");
  show("vote");
  next();
}

function next() {
  if (votes.length === trials.length) return finish();
  const { clip, left, right } = trials[votes.length];
  const files = STUDY.clips.find(({ name }) => name === clip).videos;
  element("progress").textContent = `${votes.length + 1} of ${trials.length}`;
  element("undo").disabled = !votes.length;
  ready = false;
  pair.classList.remove("ready");
  [left, right].forEach((pack, side) => (videos[side].src = files[STUDY.packs.indexOf(pack)]));
}

// Both start together, and start again together when the last one has ended.
function start() {
  if (videos.some((video) => video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA)) return;
  ready = true;
  pair.classList.add("ready");
  for (const video of videos) {
    video.currentTime = 0;
    video.play().catch(() => {});
  }
}

function vote(choice) {
  if (!ready) return;
  const { clip, left, right } = trials[votes.length];
  votes.push({ clip, left, right, choice });
  saved = false;
  next();
}

function undo() {
  if (!votes.length) return;
  votes.pop();
  next();
}

function zoom() {
  pair.classList.toggle("zoomed");
  if (!pair.classList.contains("zoomed")) return;
  for (const pane of panes) {
    pane.scrollTo((pane.scrollWidth - pane.clientWidth) / 2, (pane.scrollHeight - pane.clientHeight) / 2);
  }
}

function finish() {
  ready = false;
  for (const video of videos) video.pause();
  show("results");
  report();
}

function report() {
  const all = [...votes, ...[...others.values()].flatMap((other) => other.votes)];
  element("count").textContent = `Votes: ${all.length}; sittings: ${others.size + (votes.length ? 1 : 0)}`;
  element("tables").replaceChildren();
  if (!all.length) return;
  const { standings, pairs } = scored(all, STUDY.packs, RESAMPLES);
  const text = ({ value, low, high }, sign) => {
    const plain = (number) => (sign && number >= 0 ? "+" : "") + number.toFixed(2).replace("-", "−");
    return `${plain(value)} [${plain(low)}, ${plain(high)}]`;
  };
  const share = ({ points, votes }) => (votes ? `${points} of ${votes} (${Math.round((100 * points) / votes)} %)` : "–");
  element("tables").append(
    table(["pack", "score", "preferred"], standings.map((entry) => [entry.pack, text(entry.score, true), share(entry)])),
    table(
      ["pair", "first", "second", "no difference", "chance of the first"],
      pairs.map((p) => [`${p.first}, ${p.second}`, p.firstVotes, p.secondVotes, p.neither, text(p.chance, false)]),
    ),
  );
}

function table(headings, lines) {
  const made = document.createElement("table");
  const row = (parent, kind, cells) => {
    const line = parent.insertRow();
    for (const cell of cells) line.appendChild(document.createElement(kind)).textContent = cell;
  };
  row(made.createTHead(), "th", headings);
  const body = made.createTBody();
  for (const line of lines) row(body, "td", line);
  return made;
}

function fileOfVotes() {
  return { format: STUDY.format, study: STUDY.study, sitting, voter: element("voter").value, packs: STUDY.packs, votes };
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(fileOfVotes(), null, 1) + "\n"], { type: "application/json" }));
  link.download = `votes-${element("voter").value.replace(/[^\w-]+/g, "_") || sitting}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  saved = true;
}

// The votes in a file's text, or an error that says what is wrong with it.
function parsed(text, name) {
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    throw new Error(`${name} holds no votes.`);
  }
  if (read?.format !== STUDY.format || !Array.isArray(read.votes)) throw new Error(`${name} holds no votes.`);
  if (read.study !== STUDY.study) throw new Error(`${name} holds votes of another study.`);
  const known = new Set(allTrials().map(keyOf));
  const sound = (v) => v && ["left", "right", "neither"].includes(v.choice) && v.left !== v.right && known.has(keyOf(v));
  if (typeof read.sitting !== "string" || !read.votes.every(sound)) throw new Error(`${name} is damaged.`);
  return read;
}

async function resume(event) {
  const [file] = event.target.files;
  event.target.value = "";
  if (!file) return;
  try {
    const read = parsed(await file.text(), file.name);
    [sitting, votes] = [read.sitting, read.votes.map(({ clip, left, right, choice }) => ({ clip, left, right, choice }))];
    element("voter").value = String(read.voter ?? "");
    begin();
  } catch (error) {
    tell(error.message);
  }
}

async function addOthers(event) {
  const files = [...event.target.files];
  event.target.value = "";
  tell("");
  for (const file of files) {
    try {
      const read = parsed(await file.text(), file.name);
      if (read.sitting === sitting) throw new Error(`${file.name} holds the votes that are here already.`);
      if ((others.get(read.sitting)?.votes.length ?? 0) <= read.votes.length) others.set(read.sitting, read);
    } catch (error) {
      tell(error.message);
    }
  }
  report();
}

element("total").textContent = allTrials().length;
element("begin").addEventListener("click", begin);
element("resume").addEventListener("change", resume);
element("others").addEventListener("change", addOthers);
element("undo").addEventListener("click", undo);
element("zoom").addEventListener("click", zoom);
element("finish").addEventListener("click", () => {
  if (confirm("The results tell which pack is which: no more votes after them. Show them?")) finish();
});
for (const button of document.querySelectorAll(".save")) button.addEventListener("click", save);
for (const button of document.querySelectorAll("[data-choice]")) {
  button.addEventListener("click", () => {
    button.blur();
    vote(button.dataset.choice);
  });
}
panes.forEach((pane, side) => {
  pane.addEventListener("click", zoom);
  pane.addEventListener("scroll", () => panes[1 - side].scrollTo(pane.scrollLeft, pane.scrollTop));
});
for (const video of videos) {
  video.addEventListener("canplay", () => ready || start());
  video.addEventListener("ended", () => videos.every((other) => other.ended) && start());
  video.addEventListener("error", () => {
    if (!element("vote").hidden) tell(`${video.getAttribute("src")} cannot be played: keep the page and its folder of videos together, and use a browser that plays H.264.`);
  });
}
document.addEventListener("keydown", (event) => {
  if (element("vote").hidden || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const choice = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "neither" }[event.key];
  if (choice) vote(choice);
  else if (event.key === "Backspace") undo();
  else if (event.key === "z" || event.key === "Z") zoom();
  else return;
  event.preventDefault();
});
addEventListener("beforeunload", (event) => {
  if (!saved && votes.length) event.preventDefault();
});
