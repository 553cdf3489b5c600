// Live updates for the operations pages: reloads the page every two seconds and replaces what has changed.
"use strict";

const INTERVAL_MS = 2000;
const connection = document.getElementById("connection");

function replace(now, then) {
  if (now && then && now.innerHTML !== then.innerHTML) {
    now.innerHTML = then.innerHTML;
    showLocalTimes(now);
  }
}

async function follow() {
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(answer.status);
      if (!show(new DOMParser().parseFromString(await answer.text(), "text/html"))) return;
      connection.textContent = "";
    } catch {
      connection.textContent = "The connection is lost, so this page may be out of date. It keeps trying to reconnect.";
    }
  }
  setTimeout(follow, INTERVAL_MS);
}

// Returns whether to go on: when a rebuild ends, its page gets a form, so it is reloaded as a whole.
function show(page) {
  for (const part of document.querySelectorAll("[data-live]")) {
    replace(part, page.querySelector(`[data-live="${CSS.escape(part.dataset.live)}"]`));
  }
  const [now, then] = [document, page].map((where) => where.getElementById("live"));
  if (now && then && now.dataset.state !== then.dataset.state) {
    location.reload();
    return false;
  }
  replace(now, then);
  return true;
}

setTimeout(follow, INTERVAL_MS);
