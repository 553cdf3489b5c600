// Enhances the window where scripts run; every page works without. It contains no texts and no licensing rule.
"use strict";

// --- live updates --------------------------------------------------------------------------------

const RETRY_MILLISECONDS = 5000;
const POLL_MILLISECONDS = 3000;
const ANSWER_MILLISECONDS = 10000;
// the service sends something every 15 seconds
const SILENCE_MILLISECONDS = 40000;
// a browser opens six connections to a service for all its windows together: pages and buttons need some of them
const STREAMS_MAX = 3;
const connection = document.getElementById("connection");
let refreshing = false;
let refreshAgain = false;
let sessionOver = false;

function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

// Returns whether the service answered.
async function refresh() {
  if (refreshing) { refreshAgain = true; return false; }
  refreshing = true;
  try {
    const answer = await fetch(location.pathname, {
      credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
    });
    if (answer.status === 401 || answer.status === 403) {
      sessionOver = true;
      setText(connection, connection.dataset.over);
      return true;
    }
    if (answer.ok) show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    return answer.ok;
  } catch {
    setText(connection, connection.dataset.lost);
    return false;
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

function isOutdated(etag) {
  return etag !== document.getElementById("live").dataset.etag;
}

// A hidden window follows nothing. When it is shown again, the first event of its stream says whether it is outdated.
function followWhileShown(url) {
  const news = new BroadcastChannel("licensing");
  let hidden = new AbortController();

  function onVisibility() {
    hidden.abort();
    if (document.visibilityState === "hidden") return;
    hidden = new AbortController();
    follow(url, news, hidden.signal);
  }

  // what one window hears, all windows of the device know
  news.addEventListener("message", ({ data }) => { if (data.url === url && isOutdated(data.etag)) refresh(); });
  document.addEventListener("visibilitychange", onVisibility);
  onVisibility();
}

async function follow(url, news, hidden) {
  while (!hidden.aborted && !sessionOver) {
    const followed = await asOneOfFew(() => stream(url, news, hidden));
    if (hidden.aborted) return;
    // a stream was refused, or silently lost, as when a cable is pulled: this tells whether the session is over
    const answered = await refresh();
    if (answered && !followed && !sessionOver) setText(connection, "");
    await new Promise((resolve) => { setTimeout(resolve, followed ? RETRY_MILLISECONDS : POLL_MILLISECONDS); });
  }
}

// Returns whether it acted: not if as many windows as may do it are doing it.
async function asOneOfFew(act) {
  if (!navigator.locks) { await act(); return true; } // they need HTTPS
  for (let number = 1; number <= STREAMS_MAX; number += 1) {
    const acted = await navigator.locks.request(`licensing-stream-${number}`, { ifAvailable: true }, async (lock) => {
      if (lock) await act();
      return lock !== null;
    });
    if (acted) return true;
  }
  return false;
}

// Resolves when the stream is given up, or its window is hidden.
function stream(url, news, hidden) {
  if (hidden.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const source = new EventSource(url);
    const ended = new AbortController();
    let watchdog = setTimeout(giveUp, SILENCE_MILLISECONDS);

    function onActivity() {
      setText(connection, "");
      clearTimeout(watchdog);
      watchdog = setTimeout(giveUp, SILENCE_MILLISECONDS);
    }

    function end() {
      clearTimeout(watchdog);
      ended.abort();
      source.close();
      resolve();
    }

    function giveUp() {
      setText(connection, connection.dataset.lost);
      end();
    }

    source.addEventListener("open", onActivity);
    source.addEventListener("here", onActivity);
    source.addEventListener("shown", (event) => {
      onActivity();
      news.postMessage({ url, etag: event.data });
      if (isOutdated(event.data)) refresh();
    });
    source.addEventListener("error", () => {
      setText(connection, connection.dataset.lost);
      if (source.readyState === EventSource.CLOSED) giveUp();
    });
    window.addEventListener("offline", giveUp, { signal: ended.signal });
    hidden.addEventListener("abort", end, { signal: ended.signal });
  });
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
if (live) followWhileShown(live.dataset.stream);
const codeForm = document.querySelector("form[data-reading]");
if (codeForm) enableCodeEntry(codeForm);
