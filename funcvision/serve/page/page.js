// The page of the model server: sends an image to a model, as it is, and shows the answer.
//
// "page/models" lists the models, "page/predict/NAME/VERSION" answers with a list of entries: a label and a value from
// 0 to 1, and a colour, a box and a mask where the model has them. Addresses are relative, so that the page also works
// behind a proxy that adds a prefix.

const KEY = "funcvision-key";
const $ = (id) => document.getElementById(id);
const name = $("name"), about = $("about"), chooser = $("chooser"), menu = $("model");
const keyForm = $("key-form"), keyField = $("key"), keyNote = $("key-note");
const drop = $("drop"), invitation = $("invitation"), frame = $("frame"), picture = $("image"), marks = $("marks");
const answerCard = $("answer"), status = $("status"), trouble = $("trouble"), again = $("again");
const settings = $("settings"), draw = $("draw"), lowest = $("lowest"), threshold = $("threshold"), list = $("list");

let models = [];
let model = null;  // the chosen entry of `models`
let limit = Infinity;  // bytes that the server accepts
let file = null;
let answer = null;
let running = null;  // the AbortController of the request that is under way

// Words

const plural = (count, word, words = word + "s") => `${count.toLocaleString("en")} ${count === 1 ? word : words}`;

function percent(value) {
  if (value > 0 && value < 0.001) return "under 0.1%";
  return value.toLocaleString("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

function bytes(count) {
  const [value, unit] = count < 1e6 ? [count / 1e3, "kB"] : [count / 1e6, "MB"];
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 1 : 0 })} ${unit}`;
}

function duration(milliseconds) {
  if (milliseconds < 1000) return `${Math.max(1, Math.round(milliseconds))} ms`;
  return `${(milliseconds / 1000).toLocaleString("en", { maximumFractionDigits: 1 })} s`;
}

const tooLarge = (count) => `The file is too large: it has ${bytes(count)}, and this server accepts ${bytes(limit)}.`;

// Requests

class Refusal extends Error {
  constructor(status, detail, seconds) {
    super(detail);
    this.status = status;
    this.seconds = seconds;
  }
}

async function call(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const response = await fetch(path, { ...options, headers: { ...headers, ...options.headers } });
  if (response.ok) return response.json();
  let detail = "";
  try {
    const body = await response.json();
    detail = body.message ?? body.error ?? body.detail ?? "";
  } catch {
    // A proxy may answer in another format; the status says enough.
  }
  throw new Refusal(response.status, String(detail), Number(response.headers.get("Retry-After")));
}

function explain(error) {
  const detail = error.message ? ` The server says: ${error.message.replace(/\.$/, "")}.` : "";
  switch (error.status) {
    case undefined: return "The server does not answer. It may have stopped, or there is no connection.";
    case 400: return "The server cannot read this image." + detail;
    case 404: return "This model is no longer on the server. Load the page again to see the models that are.";
    case 408: return "The image took too long to arrive at the server.";
    case 413: return "The image is too large for this server." + detail;
    case 415: return "This file is not an image that the server reads." + detail;
    case 429: case 503:
      return "The server is busy. Try again " + (error.seconds > 0 ? `in ${plural(error.seconds, "second")}.` : "soon.");
    case 504: return "The model did not answer in time. The server may be busy; try again.";
    default: return `The server could not answer (status ${error.status}).` + detail;
  }
}

const passes = (error) => [undefined, 408, 429, 500, 502, 503, 504].includes(error.status);

function fail(text, { retry = false } = {}) {
  clear();
  trouble.textContent = text;
  again.hidden = !retry;
}

function report(error) {
  if (error.status === 401) askForKey();
  else fail(explain(error), { retry: passes(error) });
}

// The API key

function askForKey() {
  const known = sessionStorage.getItem(KEY);
  sessionStorage.removeItem(KEY);
  clear();
  status.textContent = "The server waits for an API key.";
  keyForm.hidden = false;
  keyNote.textContent = known
    ? "The server does not know this key. Enter another one."
    : "This server asks for a key. The page keeps it until you close this tab.";
  keyField.value = "";
  keyField.focus();
}

keyForm.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(KEY, keyField.value.trim());
  keyField.value = "";
  keyForm.hidden = true;
  proceed();
});

// Models

const hasOthers = ({ name }) => models.filter((other) => other.name === name).length > 1;

async function loadModels() {
  const found = await call("page/models");
  models = found.models;
  limit = found.max_bytes ?? Infinity;
  menu.replaceChildren(...models.map((entry, index) => {
    const text = hasOthers(entry) ? `${entry.name}, version ${entry.version}` : entry.name;
    return new Option(entry.ready ? text : `${text} (not ready)`, index);
  }));
  chooser.hidden = models.length < 2;
  if (!models.length) {
    name.textContent = "No model";
    about.textContent = "This server has no model yet.";
    return;
  }
  choose(Math.max(0, models.findIndex((entry) => entry.ready)));
}

function choose(index) {
  model = models[index];
  menu.value = index;
  name.textContent = model.name;
  document.title = `${model.name} · funcvision`;
  const tasks = { classification: "Classification", detection: "Object detection", segmentation: "Segmentation" };
  const classes = model.classes ? `${plural(model.classes, "class", "classes")} · ` : "";
  about.textContent = `${tasks[model.task] ?? model.task} · ${classes}version ${model.version}`;
  const parts = hasOthers(model) ? [model.name, model.version] : [model.name];
  const address = new URL(["predictions", ...parts.map(encodeURIComponent)].join("/"), document.baseURI);
  const key = sessionStorage.getItem(KEY) ? '-H "Authorization: Bearer $KEY" ' : "";
  $("command").textContent = `curl ${key}-T image.jpg ${address}`;
}

menu.addEventListener("change", () => {
  choose(Number(menu.value));
  ask();
});

// Loads the models where they are not known yet, and asks for an answer where there is an image.
async function proceed() {
  trouble.textContent = "";
  again.hidden = true;
  try {
    if (!models.length) await loadModels();
    else choose(models.indexOf(model));
  } catch (error) {
    about.textContent = "";
    report(error);
    return;
  }
  ask();
}

again.addEventListener("click", proceed);

// The image

function take(files) {
  const [first] = files;
  if (!first) return;
  file = first;
  URL.revokeObjectURL(picture.src);
  frame.classList.remove("blind");
  $("blind").hidden = true;
  picture.src = URL.createObjectURL(file);
  picture.alt = `The image to look at: ${file.name}`;
  frame.hidden = false;
  invitation.hidden = true;
  drop.classList.add("full");
  $("file").textContent = `${file.name} · ${bytes(file.size)}`;
  $("pick").textContent = "Choose another image";
  ask();
}

picture.addEventListener("load", () => {  // an image of few pixels is enlarged, so that one can see it
  const zoom = Math.floor(256 / Math.max(picture.naturalWidth, picture.naturalHeight));
  picture.style.width = zoom > 1 ? `${zoom * picture.naturalWidth}px` : "";
});

picture.addEventListener("error", () => {  // the server may know formats that the browser does not
  frame.classList.add("blind");
  $("blind").hidden = false;
});

for (const [button, input] of [[$("pick"), $("pick-file")], [$("photograph"), $("photograph-file")]]) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    take(input.files);
    input.value = "";  // so that the same file can be chosen again
  });
}

invitation.addEventListener("click", () => $("pick-file").click());

document.addEventListener("paste", (event) => {
  if (event.clipboardData.files.length) {
    event.preventDefault();
    take(event.clipboardData.files);
  }
});

let depth = 0;  // dragenter and dragleave are sent for each element under the pointer
document.addEventListener("dragenter", () => drop.classList.toggle("over", ++depth > 0));
document.addEventListener("dragleave", () => drop.classList.toggle("over", --depth > 0));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  drop.classList.remove("over");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files);
  else fail("This is not a file. Save the image first, then drop the file here.");
});

async function ask() {
  running?.abort();
  running = null;
  answerCard.classList.remove("busy");
  if (!file || !model) return;
  if (file.size > limit) {
    fail(tooLarge(file.size));
    return;
  }
  const request = running = new AbortController();
  trouble.textContent = "";
  again.hidden = true;
  marks.replaceChildren();
  status.textContent = "Waiting for the answer.";
  answerCard.classList.add("busy");
  answer = null;
  const start = performance.now();
  const path = `page/predict/${encodeURIComponent(model.name)}/${encodeURIComponent(model.version)}`;
  const headers = { "Content-Type": "application/octet-stream" };
  let found, error;
  try {
    found = await call(path, { method: "POST", body: file, headers, signal: request.signal });
  } catch (reason) {
    error = reason;
  }
  if (running !== request) return;  // another image was given meanwhile
  running = null;
  answerCard.classList.remove("busy");
  if (error) report(error);
  else show(found, performance.now() - start);
}

// The answer

function clear() {
  answer = null;
  marks.replaceChildren();
  list.replaceChildren();
  settings.hidden = true;
  status.textContent = trouble.textContent = $("time").textContent = "";
}

function show(found, milliseconds) {
  answer = found;
  trouble.textContent = "";
  if (frame.classList.contains("blind") && answer.size) {
    frame.style.aspectRatio = `${answer.size[1]} / ${answer.size[0]}`;
  }
  settings.hidden = answer.task === "classification";
  lowest.hidden = answer.task !== "detection";
  const scores = answer.entries.map((entry) => entry.value);
  threshold.min = Math.min(0.5, Math.floor(20 * Math.min(...scores)) / 20);  // lower ones would change nothing
  refresh();
  list.classList.add("fresh");  // its bars grow once
  $("time").textContent = `Answered in ${duration(milliseconds)}, ${duration(answer.milliseconds)} of it in the server.`;
}

function refresh() {
  if (!answer) return;
  const least = answer.task === "detection" ? Number(threshold.value) : 0;
  $("threshold-value").textContent = threshold.ariaValueText = least.toLocaleString("en", { style: "percent" });
  const entries = answer.entries.filter((entry) => entry.value >= least);
  status.textContent = summary(entries);
  const rows = entries.map((entry) => row(entry, answer.overlay && !entry.color ? "rest" : ""));
  if (answer.task === "classification") rows[0]?.firstChild.classList.add("best");
  if (answer.others) {
    const { count, value } = answer.others;
    rows.push(row({ label: plural(count, "other class", "other classes"), value }, "rest"));
  }
  list.replaceChildren(...rows);
  list.classList.remove("fresh");
  const shapes = entries.filter((entry) => entry.box).map(outline);
  if (answer.overlay) shapes.push(overlay(answer.overlay));
  marks.replaceChildren(...shapes);
  marks.hidden = !draw.checked;
  marks.classList.remove("one");
}

function summary(entries) {
  if (answer.task === "classification") {
    const [best] = entries;
    return best ? `Most likely ${best.label}, ${percent(best.value)}.` : "The model has no classes.";
  }
  if (answer.task === "segmentation") return `Found ${plural(entries.length, "class", "classes")}, by share of pixels.`;
  if (!entries.length) {
    return answer.entries.length ? "Nothing with this score. Try a lower one." : "The model has found nothing.";
  }
  const counts = new Map();
  for (const { label } of entries) counts.set(label, (counts.get(label) ?? 0) + 1);
  const kinds = [...counts].map(([label, count]) => (count > 1 ? `${label} (${count})` : label));
  return `Found ${plural(entries.length, "object")}: ${kinds.join(", ")}.`;
}

function element(tag, className, text = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function row(entry, kind = "") {
  const line = element(entry.box ? "button" : "div", `entry ${kind}`);
  line.classList.toggle("coloured", Boolean(entry.color));
  const track = element("span", "track"), fill = element("span", "fill");
  fill.style.setProperty("--share", `${100 * entry.value}%`);
  if (entry.color) line.style.setProperty("--color", entry.color);
  track.append(fill);
  line.append(
    element("span", "swatch"), element("span", "label", entry.label), " ",
    element("span", "value", percent(entry.value)), track,
  );
  if (entry.box) highlight(line);
  const item = document.createElement("li");
  item.append(line);
  return item;
}

// A button that makes its box stand out while the pointer is on it, and until it is pressed again.
function highlight(button) {
  const buttons = () => [...list.querySelectorAll("button")];
  const point = (chosen) => {
    marks.classList.toggle("one", chosen >= 0);
    marks.querySelectorAll(".box").forEach((box, index) => box.classList.toggle("chosen", index === chosen));
  };
  const pressed = () => buttons().findIndex((other) => other.ariaPressed === "true");
  button.type = "button";
  button.ariaPressed = "false";
  button.addEventListener("pointerenter", () => point(buttons().indexOf(button)));
  button.addEventListener("pointerleave", () => point(pressed()));
  button.addEventListener("click", () => {
    const on = button.ariaPressed === "true";
    for (const other of buttons()) other.ariaPressed = "false";
    button.ariaPressed = String(!on);
    point(pressed());
  });
}

function overlay(source) {
  const image = element("img", "overlay");
  image.src = source;
  image.alt = "";
  return image;
}

// A box over the picture. Its corners are fractions of the image, so it follows the size of the window.
function outline({ label, value, color, box, mask }) {
  const made = element("div", "box"), [left, top, right, bottom] = box;
  const sides = { left, top, width: right - left, height: bottom - top };
  for (const [side, fraction] of Object.entries(sides)) made.style.setProperty(`--${side}`, `${100 * fraction}%`);
  made.style.setProperty("--color", color);
  if (mask) made.append(overlay(mask));
  made.append(element("span", "", `${label} ${Math.round(100 * value)}%`));
  return made;
}

threshold.addEventListener("input", refresh);
draw.addEventListener("change", () => { marks.hidden = !draw.checked; });

proceed();
