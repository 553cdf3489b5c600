// Shows the times of a page in the reader's zone and language, with the zone; the exact instant stays in the tooltip.
"use strict";

const local = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "long",
  day: "numeric",
  hour: "numeric",
  minute: "2-digit",
  timeZoneName: "short",
});

function showLocalTimes(where) {
  for (const time of where.querySelectorAll("time[datetime]")) {
    time.textContent = local.format(new Date(time.dateTime));
    time.removeAttribute("lang");
  }
}

showLocalTimes(document);
