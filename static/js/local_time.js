// Turns the UTC times that the server wrote into the reader's own.

const two = (number) => String(number).padStart(2, "0");

function clock(date) {
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function withMillis(date) {
  return `${clock(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

function day(date) {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

const FORMS = {
  clock: withMillis,
  moment: (date) => `${day(date)} ${clock(date)}`,
  "moment-ms": (date) => `${day(date)} ${withMillis(date)}`,
};

export function localTimes(root) {
  for (const element of root.querySelectorAll("time[data-local]")) {
    // Nanoseconds are more than Date reads everywhere.
    const date = new Date(element.dateTime.replace(/(\.\d{3})\d+/, "$1"));
    if (Number.isNaN(date.getTime())) continue;
    element.textContent = FORMS[element.dataset.local](date);
    element.title = element.dateTime;
  }
}
