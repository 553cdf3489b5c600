// Makes the window better where scripts run; every page works without. It holds no words and no rule of licensing.
"use strict";

// --- the page follows the log --------------------------------------------------------------------

const RETRY_MILLISECONDS = 5000;
const ANSWER_MILLISECONDS = 10000;
// the service speaks every 15 seconds
const SILENCE_MILLISECONDS = 40000;
const connection = document.getElementById("connection");
let looking = false;
let again = false;
let over = false;

function say(element, words) {
  if (element && element.textContent !== words) element.textContent = words;
}

async function look() {
  if (looking) { again = true; return; }
  looking = true;
  try {
    const answer = await fetch(location.pathname, {
      credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
    });
    if (answer.status === 401 || answer.status === 403) {
      over = true;
      say(connection, connection.dataset.over);
      return;
    }
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    say(connection, connection.dataset.lost);
  } finally {
    looking = false;
    if (again) { again = false; look(); }
  }
}

function show(page) {
  const before = document.getElementById("live");
  const after = page.getElementById("live");
  if (!after || after.dataset.etag === before.dataset.etag) return;
  const focused = before.contains(document.activeElement) ? document.activeElement.id : null;
  const told = before.dataset.announced;
  tellTimes(after);
  before.replaceWith(document.adoptNode(after));
  document.title = page.title;
  if (focused !== null) {
    const same = focused && document.getElementById(focused);
    (same && !same.disabled ? same : document.getElementById("main")).focus({ preventScroll: true });
  }
  if (after.dataset.announced !== told) say(document.getElementById("verdict"), after.dataset.announced);
}

function follow(url) {
  const stream = new EventSource(url);
  const ended = new AbortController();
  let watch = setTimeout(giveUp, SILENCE_MILLISECONDS);

  function hear() {
    say(connection, "");
    clearTimeout(watch);
    watch = setTimeout(giveUp, SILENCE_MILLISECONDS);
  }

  // refused, or lost without a word, as when a cable is pulled: the page itself tells whether the window is over
  function giveUp() {
    clearTimeout(watch);
    ended.abort();
    stream.close();
    say(connection, connection.dataset.lost);
    look().then(() => { if (!over) setTimeout(() => follow(url), RETRY_MILLISECONDS); });
  }

  stream.addEventListener("open", hear);
  stream.addEventListener("here", hear);
  stream.addEventListener("shown", (event) => {
    hear();
    if (event.data !== document.getElementById("live").dataset.etag) look();
  });
  stream.addEventListener("error", () => {
    say(connection, connection.dataset.lost);
    if (stream.readyState === EventSource.CLOSED) giveUp();
  });
  window.addEventListener("offline", giveUp, { signal: ended.signal });
}

// --- the code's fields -----------------------------------------------------------------------------

const GROUP_LENGTH = 5;
const ASK_MILLISECONDS = 250;
const SEPARATORS = /[\s\-\u2010-\u2015\u2212]+/u;

function takeCodes(form) {
  const fields = [...form.querySelectorAll("[data-groups] input")];
  const add = form.querySelector("#add");
  const why = form.querySelector("#add-why");
  const error = form.querySelector("#group-error");
  let asked = 0;
  let timer;

  function available(yes) {
    add.disabled = !yes;
    why.hidden = yes;
  }

  function spread(index, text) {
    const groups = text.trim().split(SEPARATORS).filter(Boolean);
    const whole = groups.join("");
    const fits = groups.length === fields.length ? groups : whole.match(new RegExp(`.{1,${GROUP_LENGTH}}`, "gsu")) || [];
    // what does not fit stays together in one field, for the service to read
    if (fits.length > fields.length - index || fits.length < 2) return false;
    fits.forEach((group, offset) => { fields[index + offset].value = group; });
    fields[Math.min(index + fits.length, fields.length) - 1].focus();
    return true;
  }

  async function read() {
    const question = ++asked;
    const full = fields.reduce((count, field) => count + field.value.trim().length, 0) >= GROUP_LENGTH * fields.length;
    try {
      const answer = await fetch(form.dataset.reading, {
        method: "POST", credentials: "same-origin", body: new URLSearchParams(new FormData(form)),
      });
      if (question !== asked) return;
      if (!answer.ok) { available(true); return; }
      const reading = await answer.json();
      available(reading.complete);
      tell(reading, full);
    } catch {
      available(true); // the service itself says what is wrong
    }
  }

  function tell(reading, full) {
    const wrong = !reading.complete && (full || reading.foreign);
    say(error, wrong ? reading.message : "");
    fields.forEach((field, index) => {
      if (wrong && reading.fields.includes(index + 1)) field.setAttribute("aria-invalid", "true");
      else field.removeAttribute("aria-invalid");
      field.setAttribute("aria-describedby", "group-error");
    });
  }

  fields.forEach((field, index) => {
    field.addEventListener("paste", (event) => {
      if (spread(index, event.clipboardData.getData("text"))) {
        event.preventDefault();
        form.dispatchEvent(new Event("input"));
      }
    });
    field.addEventListener("beforeinput", (event) => {
      // who types the hyphens too is in the next field already, or goes there now
      if (event.inputType !== "insertText" || event.data?.replace(SEPARATORS, "") !== "") return;
      event.preventDefault();
      if (field.value !== "" && index + 1 < fields.length) fields[index + 1].focus();
    });
    field.addEventListener("input", (event) => {
      const full = field.value.length >= GROUP_LENGTH && event.inputType === "insertText" && !event.isComposing;
      if (full && field.selectionStart === field.value.length && index + 1 < fields.length) fields[index + 1].focus();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Backspace" && field.value === "" && index > 0) {
        event.preventDefault();
        fields[index - 1].focus();
      }
    });
  });

  form.addEventListener("input", () => {
    clearTimeout(timer);
    available(false);
    timer = setTimeout(read, ASK_MILLISECONDS);
  });
  form.addEventListener("submit", () => {
    // after the fields are read: a second click has nothing to press
    setTimeout(() => { add.disabled = true; });
  });
  // a page that comes back from the browser's memory shows no code
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  if (fields.some((field) => field.value)) read(); else available(false);
}

// --- begin ---------------------------------------------------------------------------------------------

const live = document.getElementById("live");
if (live) follow(live.dataset.stream);
const codes = document.querySelector("form[data-reading]");
if (codes) takeCodes(codes);
