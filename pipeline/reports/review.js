"use strict";
// One picture at a time, and a key for it. A picture gives way to the next, which is here already, when its answer is on disk.

const AHEAD = 8, FEW = 5, RETRY = 1000;
const part = (id) => document.getElementById(id);
const NUMBER = new Intl.NumberFormat("en");
const KEYS = { n: "none" };
const WORDS = { none: "no digit" };
const worded = (value) => WORDS[value] ?? value;

let waiting = [], current = null, begun = 0, away = 0, isBusy = false, isAsking = false, isWanted = false, isWhole = true;

const say = (words) => { part("says").textContent = words; };
const warn = (words) => { part("alarm").textContent = words; };
const paragraph = (text) => Object.assign(document.createElement("p"), { textContent: text });
const write = (id, lines) => part(id).replaceChildren(...lines.map(paragraph));
const pause = (time) => new Promise((done) => { setTimeout(done, time); });

// Asks the server, again and again while it does not answer to the end. What it refuses is said, and nothing is given.
const ask = async (path, body, lost) => {
  const sent = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  for (;;) {
    let reply, found;
    try {
      reply = await fetch(`api/${path}`, sent);
      found = reply.status === 204 ? {} : await (reply.ok ? reply.json() : reply.json().catch(() => ({ detail: reply.statusText })));
    } catch {
      warn(lost);
      await pause(RETRY);
      continue;
    }
    if (reply.ok) return found;
    const { detail } = found;
    warn(typeof detail === "string" ? detail : "The page and the program do not fit: load the page again.");
    return { refused: reply.status };
  }
};
const LOST = "The program does not answer. Start the command again, and open the address that it prints.";

const fill = async () => {
  if (isAsking) isWanted = true;
  if (isAsking || waiting.length >= FEW) return;
  isAsking = true;
  const wasWhole = isWhole;
  const here = () => [...waiting, ...(current ? [current] : [])].map((item) => item.picture);
  const found = await ask(`items?count=${AHEAD}${here().map((one) => `&without=${one}`).join("")}`, undefined, LOST);
  isAsking = false;
  if (found.refused) return;
  const known = here();
  waiting.push(...found.filter((item) => !known.includes(item.picture)));
  const again = isWanted;
  isWanted = false;
  if (!current && waiting.length) { show(); far(); }
  else if (again) fill();
  else end(wasWhole);
};

const far = async () => {
  const { done, total, seconds_left: seconds, is_scored: isScored, words } = await ask("progress", undefined, LOST);
  if (words === undefined) return;
  isWhole = isScored;
  part("bar").max = Math.max(1, total);
  part("bar").value = done;
  const left = seconds < 120 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
  part("far").textContent = `${NUMBER.format(done)} of ${NUMBER.format(total)} keyed${done < total ? `, about ${left} left` : ""}`;
  write("words", words);
};

// There is nothing to show: all is keyed, or the rows of a batch that is being scored are not there yet.
const end = async (wasWhole) => {
  if (current) return;
  await far();
  if (!wasWhole || !isWhole) { setTimeout(fill, RETRY); return; }
  part("end").hidden = Boolean(current);
  const lines = await ask("summary", undefined, LOST);
  if (!lines.refused) write("outcome", lines);
};

// The reason of a row of an audit, whose label was given.
const AUDITED = "label likely wrong";

const guess = (item) => {
  const line = (text, strong = "") => {
    const made = paragraph("");
    made.append(...(strong && [Object.assign(document.createElement("strong"), { textContent: strong })]), text);
    return made;
  };
  const lines = item.guesses.map(([label, chance], place) =>
    place ? line(`or ${label}, ${(100 * chance).toFixed(1)} %`)
      : item.reason === AUDITED ? line(` given, ${(100 * chance).toFixed(1)} % likely`, label)
      : line(` read, ${(100 * chance).toFixed(1)} % sure`, label));
  if (item.reason) lines.push(line(item.reason));
  for (const { reader, value } of item.others) lines.push(line(`${reader} keyed ${worded(value)}`));
  if (item.others.length) lines.push(line("These differ. Look once more: what do you see?"));
  return lines;
};

const show = () => {
  current = waiting.shift() ?? null;
  part("picture").hidden = !current;
  part("end").hidden = true;
  if (current) {
    part("name").textContent = current.name + (current.page > 1 ? `, page ${current.page}` : "")
      + (current.fault ? `: ${current.fault}. This is the small copy that scoring kept` : "");
    part("original").src = current.original;
    part("field").src = current.field;
    part("field").hidden = !current.field;
    part("guess").replaceChildren(...guess(current));
    begun = performance.now();
    away = 0;
  }
  fill();
};

const enter = async (value) => {
  const { picture, look } = current, seconds = (performance.now() - begun - away) / 1000;
  const body = { picture, look, value, seconds, token: crypto.randomUUID() };
  const kept = await ask("answers", body, `${LOST} Your ${worded(value)} for this picture is not kept yet.`);
  if (kept.refused && kept.refused !== 404 && kept.refused !== 409) return;
  if (!kept.refused) {
    warn("");
    say({ agrees: `${worded(value)}: as it was read`, differs: `${worded(value)}: not as it was read. It comes again.` }[kept.outcome] ?? `${worded(value)} is kept`);
  }
  show();
  far();
};

const later = async () => {
  const skipped = await ask("skips", { picture: current.picture }, LOST);
  if (skipped.refused) return;
  say("later");
  show();
};

const undo = async () => {
  const found = await ask("undo", null, LOST);
  if (found.refused) return;
  warn("");
  if (!found.item) { say("There is nothing to undo."); return; }
  say(`${worded(found.value)} is taken back`);
  waiting = [found.item, ...(current ? [current] : []), ...waiting.filter((item) => item.picture !== found.item.picture)];
  current = null;
  show();
  far();
};

const press = async (key) => {
  if (isBusy) return;
  isBusy = true;
  if (key === "u") await undo();
  else if (current && key === "s") await later();
  else if (current && (/^[0-9]$/.test(key) || key in KEYS)) await enter(KEYS[key] ?? key);
  isBusy = false;
};

for (const digit of "1234567890") {
  part("digits").append(Object.assign(document.createElement("button"), { type: "button", textContent: digit }));
  part("digits").lastChild.dataset.key = digit;
}
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-key]");
  if (button) press(button.dataset.key);
});
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  const key = event.key === "Backspace" ? "u" : event.key.toLowerCase();
  if (/^[0-9nsu]$/.test(key)) { event.preventDefault(); press(key); }
});
let left;
document.addEventListener("visibilitychange", () => {
  if (document.hidden) left = performance.now();
  else if (left) away += performance.now() - left;
});
fill();
