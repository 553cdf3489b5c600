// Follows a page of operations: asks for it again every two seconds, and puts in place what has changed.
"use strict";

const EVERY_MS = 2000;
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
      connection.textContent = "The connection is lost. What stands here was true a moment ago; it is tried again.";
    }
  }
  setTimeout(follow, EVERY_MS);
}

// Returns whether there is more to follow: a rebuild that has ended is a page with a form, and is loaded as one.
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

setTimeout(follow, EVERY_MS);
