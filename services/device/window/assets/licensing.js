// Enhances the window where scripts run; every page works without. It contains no texts and no licensing rule.
"use strict";

// --- live updates --------------------------------------------------------------------------------

const RETRY_MILLISECONDS = 5000;
const ANSWER_MILLISECONDS = 10000;
// the service sends something every 15 seconds
const SILENCE_MILLISECONDS = 40000;
const connection = document.getElementById("connection");
let refreshing = false;
let refreshAgain = false;
let sessionOver = false;

function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

async function refresh() {
  if (refreshing) { refreshAgain = true; return; }
  refreshing = true;
  try {
    const answer = await fetch(location.pathname, {
      credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
    });
    if (answer.status === 401 || answer.status === 403) {
      sessionOver = true;
      setText(connection, connection.dataset.over);
      return;
    }
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    setText(connection, connection.dataset.lost);
  } finally {
    refreshing = false;
    if (refreshAgain) { refreshAgain = false; refresh(); }
  }
}

function show(page) {
  const before = document.getElementById("live");
  const after = page.getElementById("live");
  if (!after || after.dataset.etag === before.dataset.etag) return;
  const focused = before.contains(document.activeElement) ? document.activeElement.id : null;
  const announced = before.dataset.announced;
  showLocalTimes(after);
  before.replaceWith(document.adoptNode(after));
  document.title = page.title;
  if (focused !== null) {
    const same = focused && document.getElementById(focused);
    (same && !same.disabled ? same : document.getElementById("main")).focus({ preventScroll: true });
  }
  if (after.dataset.announced !== announced) setText(document.getElementById("verdict"), after.dataset.announced);
}

function follow(url) {
  const stream = new EventSource(url);
  const ended = new AbortController();
  let watchdog = setTimeout(giveUp, SILENCE_MILLISECONDS);

  function onActivity() {
    setText(connection, "");
    clearTimeout(watchdog);
    watchdog = setTimeout(giveUp, SILENCE_MILLISECONDS);
  }

  // refused, or silently lost, as when a cable is pulled: refreshing the page tells whether the session is over
  function giveUp() {
    clearTimeout(watchdog);
    ended.abort();
    stream.close();
    setText(connection, connection.dataset.lost);
    refresh().then(() => { if (!sessionOver) setTimeout(() => follow(url), RETRY_MILLISECONDS); });
  }

  stream.addEventListener("open", onActivity);
  stream.addEventListener("here", onActivity);
  stream.addEventListener("shown", (event) => {
    onActivity();
    if (event.data !== document.getElementById("live").dataset.etag) refresh();
  });
  stream.addEventListener("error", () => {
    setText(connection, connection.dataset.lost);
    if (stream.readyState === EventSource.CLOSED) giveUp();
  });
  window.addEventListener("offline", giveUp, { signal: ended.signal });
}

// --- the code fields ------------------------------------------------------------------------------

const GROUP_LENGTH = 5;
const READ_DELAY_MILLISECONDS = 250;
const SEPARATORS = /[\s\-\u2010-\u2015\u2212]+/u;

function enableCodeEntry(form) {
  const fields = [...form.querySelectorAll("[data-groups] input")];
  const add = form.querySelector("#add");
  const why = form.querySelector("#add-why");
  const error = form.querySelector("#group-error");
  let requests = 0;
  let timer;

  function allowAdd(allowed) {
    add.disabled = !allowed;
    why.hidden = allowed;
  }

  function spread(index, text) {
    const groups = text.trim().split(SEPARATORS).filter(Boolean);
    const whole = groups.join("");
    const fits = groups.length === fields.length ? groups : whole.match(new RegExp(`.{1,${GROUP_LENGTH}}`, "gsu")) || [];
    // what does not fit stays in one field, for the service to parse
    if (fits.length > fields.length - index || fits.length < 2) return false;
    fits.forEach((group, offset) => { fields[index + offset].value = group; });
    fields[Math.min(index + fits.length, fields.length) - 1].focus();
    return true;
  }

  async function read() {
    const request = ++requests;
    const full = fields.reduce((count, field) => count + field.value.trim().length, 0) >= GROUP_LENGTH * fields.length;
    try {
      const answer = await fetch(form.dataset.reading, {
        method: "POST", credentials: "same-origin", body: new URLSearchParams(new FormData(form)),
      });
      if (request !== requests) return;
      if (!answer.ok) { allowAdd(true); return; }
      const reading = await answer.json();
      allowAdd(reading.complete);
      showReading(reading, full);
    } catch {
      allowAdd(true); // then the service says what is wrong
    }
  }

  function showReading(reading, full) {
    const wrong = !reading.complete && (full || reading.foreign);
    setText(error, wrong ? reading.message : "");
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
      // a typed hyphen moves on to the next field, unless the focus is already there
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
    allowAdd(false);
    timer = setTimeout(read, READ_DELAY_MILLISECONDS);
  });
  form.addEventListener("submit", () => {
    // after the browser has read the fields: a second click finds the button disabled
    setTimeout(() => { add.disabled = true; });
  });
  // a page restored from the browser's cache must not show the code
  window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  if (fields.some((field) => field.value)) read(); else allowAdd(false);
}

// --- start ---------------------------------------------------------------------------------------------

const live = document.getElementById("live");
if (live) follow(live.dataset.stream);
const codeForm = document.querySelector("form[data-reading]");
if (codeForm) enableCodeEntry(codeForm);
