"use strict";
// A contact sheet: the rows of the page, filtered, ordered and cut into pages. What is chosen stands behind the # of the address.

const SIDE = 28, SAME = "=", NEGATIVE = "~", MARKS = { ok: "✓", review: "?", error: "✕" };
const about = JSON.parse(document.getElementById("about").textContent);
const rows = document.getElementById("rows").textContent.split("\n").filter(Boolean).map((line) => {
  const [file, page, label, confidence, secondLabel, secondConfidence, status, reason, field, picture, before, base] = JSON.parse(line);
  return { file, page, label, confidence, secondLabel, secondConfidence, status, reason, field, picture, before, base: base ?? 0 };
});
const form = document.getElementById("controls"), sheet = document.getElementById("sheet"), count = document.getElementById("count");
const previous = document.getElementById("previous"), next = document.getElementById("next");
const NUMBER = new Intl.NumberFormat("en");

const doubt = (row) => ["error", "review", "ok"].indexOf(row.status);
const sureness = (row) => (row.confidence === "" ? 2 : Number(row.confidence));
const byName = (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.page - b.page);
const ORDERS = {
  "": (a, b) => doubt(a) - doubt(b) || sureness(a) - sureness(b) || byName(a, b),
  sure: (a, b) => (b.confidence || -1) - (a.confidence || -1) || byName(a, b),
  name: byName,
  label: (a, b) => (a.label < b.label ? -1 : a.label > b.label ? 1 : sureness(a) - sureness(b) || byName(a, b)),
};

// As names are written in the CSV: a backslash is two, a byte that is no UTF-8 is \xNN, and ' keeps a spreadsheet from a formula.
const plain = (file) => (file.startsWith("'") ? file.slice(1) : file);
// A picture in an archive leads to the archive.
const addressOf = (row) => {
  const path = plain(row.file).replace(/(\.(?:tar|zip))\/.*/is, "$1").replace(/\\\\|\\x([0-9a-f]{2})|[^\\/]+/g, (piece, byte) =>
    byte ? `%${byte.toUpperCase()}` : piece === "\\\\" ? "%5C" : encodeURIComponent(piece));
  return path.startsWith("/") ? `file://${path}` : about.bases[row.base] + path;
};
// Whatever would break a line, or turn the direction of the text, is written out.
const visible = (text) => text.replace(/[\p{Cc}\p{Zl}\p{Zp}\u200b-\u200f\u202a-\u202e\u2066-\u2069]/gu, (one) =>
  one === "\n" ? "\\n" : `\\u{${one.codePointAt(0).toString(16)}}`);

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

const drawn = (field, words, isNegative) => {
  const canvas = element("canvas", { width: SIDE, height: SIDE });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", words);
  const image = new ImageData(SIDE, SIDE), bytes = atob(field);
  for (let at = 0; at < SIDE * SIDE; at++) {
    const grey = isNegative ? 255 - bytes.charCodeAt(at) : bytes.charCodeAt(at);
    image.data.set([grey, grey, grey, 255], 4 * at);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
};

const original = (row, words) => {
  if (!row.picture) return "no picture";
  if (row.picture === SAME || row.picture === NEGATIVE) return drawn(row.field, words, row.picture === NEGATIVE);
  const kind = row.picture.startsWith("/9j") ? "jpeg" : "png";
  return element("img", { alt: words, src: `data:image/${kind};base64,${row.picture}` });
};

const percent = (confidence) => (confidence === "" ? "" : `${(100 * confidence).toFixed(1)} %`);

const answer = ([label, confidence, status, reason], more) => {
  const line = element("p", { className: "answer" });
  line.append(element("strong", { textContent: label || "–" }), element("span", { textContent: percent(confidence) }));
  if (more) line.append(element("span", { className: "muted", textContent: more }));
  line.append(element("span", { className: "status", textContent: `${MARKS[status]} ${status}` }));
  return reason ? [line, element("p", { textContent: visible(reason) })] : [line];
};

const card = (row) => {
  const name = visible(plain(row.file)), now = [row.label, row.confidence, row.status, row.reason];
  const seen = row.field ? drawn(row.field, `what the network saw of ${name}`) : "not read";
  const made = element("li", { className: `card ${row.status}` });
  made.append(element("div", { className: "pictures" },
    element("div", { className: "picture" }, original(row, name)), element("div", { className: "picture" }, seen)));
  if (row.before) {
    made.append(element("p", { className: "muted", textContent: about.models[0] }), ...answer(row.before),
      element("p", { className: "muted", textContent: about.models[1] }), ...answer(now));
  } else {
    made.append(...answer(now, row.secondLabel && `or ${row.secondLabel} ${percent(row.secondConfidence)}`));
  }
  const reviewed = (about.reviewed ?? {})[`${row.page}/${row.file}`];
  if (reviewed) made.append(element("p", { className: "reviewed", textContent: `keyed: ${reviewed[0]}, by ${visible(reviewed[1])}` }));
  const link = element("a", { href: addressOf(row) + (row.page > 1 ? `#page=${row.page}` : ""), target: "_blank", rel: "noopener", textContent: name });
  made.append(element("p", {}, link, row.page > 1 ? ` page ${row.page}` : ""));
  return made;
};

const ALL = "all"; // without a word behind the #, a browser would go to the top of the page
const chosen = () => new URLSearchParams(location.hash.slice(1) === ALL ? "" : location.hash.slice(1));
const go = (state) => {
  location.replace(`#${state || ALL}`);
  show();
};
const choose = (changes) => {
  const state = chosen();
  for (const [key, value] of Object.entries(changes)) value === "" ? state.delete(key) : state.set(key, value);
  go(String(state));
};

let pages = 1, page = 1, address;
const show = () => {
  if (address === location.hash) return;
  address = location.hash;
  const state = chosen(), search = (state.get("search") ?? "").toLowerCase();
  for (const control of form.elements) {
    if (control.name && control !== document.activeElement) control.value = state.get(control.name) ?? "";
  }
  const wanted = ["label", "status", "reason"].filter((key) => state.has(key));
  const found = rows.filter((row) => wanted.every((key) => row[key] === state.get(key))
    && (!search || row.file.toLowerCase().includes(search)));
  found.sort(ORDERS[state.get("order") ?? ""] ?? ORDERS[""]);
  const size = Number(state.get("size")) || 60;
  pages = Math.max(1, Math.ceil(found.length / size));
  page = Math.min(pages, Math.max(1, Math.floor(Number(state.get("page"))) || 1));
  const first = (page - 1) * size, last = Math.min(found.length, first + size);
  sheet.replaceChildren(...found.slice(first, last).map(card));
  previous.setAttribute("aria-disabled", page === 1);
  next.setAttribute("aria-disabled", page === pages);
  const range = found.length ? `${NUMBER.format(first + 1)} to ${NUMBER.format(last)} of ${NUMBER.format(found.length)}` : "No row";
  count.textContent = `${range}${found.length < rows.length ? " that fit" : ""}. ${held()}`;
};

const held = () => {
  if (rows.length === about.rows) return `All ${NUMBER.format(about.rows)} rows are here.`;
  if (about.models) return `Here are ${NUMBER.format(rows.length)} of the ${NUMBER.format(about.rows)} that change; the CSV has all.`;
  const doubtful = rows.filter((row) => row.status !== "ok").length;
  return `Here are ${NUMBER.format(doubtful)} of the ${NUMBER.format(about.doubtful)} doubtful rows, the least confident, and `
    + `${NUMBER.format(rows.length - doubtful)} of the other ${NUMBER.format(about.rows - about.doubtful)}, drawn at random; the CSV has all.`;
};

const turn = (by) => { if (page + by >= 1 && page + by <= pages) choose({ page: page + by }); };
for (const key of ["label", "status", "reason"]) {
  const values = [...new Set(rows.map((row) => row[key]))].sort();
  for (const value of values.filter(Boolean)) {
    form.elements[key].append(element("option", { value, textContent: visible(value) }));
  }
}
form.addEventListener("input", ({ target }) => choose({ [target.name]: target.value, page: "" }));
form.addEventListener("submit", (event) => event.preventDefault());
previous.addEventListener("click", () => turn(-1));
next.addEventListener("click", () => turn(1));
const clear = () => { document.activeElement.blur(); go(""); };
document.getElementById("clear").addEventListener("click", clear);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") { clear(); return; }
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select")) return;
  if (event.key === "/") { event.preventDefault(); form.elements.search.focus(); }
  if (event.key === "ArrowLeft") turn(-1);
  if (event.key === "ArrowRight") turn(1);
});
addEventListener("hashchange", show);
show();
