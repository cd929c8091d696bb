// Follows the daemon: new figures as they come, and what the viewer is told when none can come.

import { address, getText } from "./api.js";

const PATIENCE = 25_000; // ms without a sign of life; the daemon gives one every 10 s
const SLOWEST = 15_000; // ms between attempts to connect again

const health = document.getElementById("health");
let source = null;
let watchdog = 0;
let attempts = 0;
let retry = 0;
let history = "";
let busy = false;
let wanted = null;

/** Follow the news; `drawHistory` returns a promise, and is called when a window has closed. */
export function follow(drawHistory) {
  const connect = () => {
    hangUp();
    source = new EventSource(address("api/v1/events"));
    alive();
    source.addEventListener("update", (event) => {
      alive();
      update(JSON.parse(event.data), drawHistory).catch(lost);
    });
    source.addEventListener("heartbeat", alive);
    source.addEventListener("end", connect); // its time is over, and nothing is wrong
    source.addEventListener("error", lost);
  };
  const alive = () => {
    clearTimeout(watchdog);
    watchdog = setTimeout(lost, PATIENCE);
  };
  const lost = () => {
    hangUp();
    tellLost();
    retry = setTimeout(connect, Math.min(SLOWEST, 500 * 2 ** attempts++));
  };
  // A browser has few connections to one server: a page that nobody sees needs none.
  document.addEventListener("visibilitychange", () => (document.hidden ? hangUp() : connect()));
  addEventListener("pagehide", hangUp);
  connect();
}

function hangUp() {
  clearTimeout(watchdog);
  clearTimeout(retry);
  source?.close();
  source = null;
}

function tellLost() {
  if (health.dataset.state === "lost") return;
  const time = new Date().toISOString().slice(0, 19).replace("T", " ");
  health.dataset.state = "lost";
  health.textContent =
    `No connection to the daemon since ${time} UTC; trying again. The figures are those of then.`;
}

/** Show what the newest news is about; news that comes meanwhile is seen to afterwards. */
async function update(news, drawHistory) {
  wanted = news;
  if (busy) return;
  busy = true;
  try {
    while (wanted) {
      const version = JSON.stringify(wanted.history);
      wanted = null;
      await replaceFigures();
      if (version !== history) await drawHistory();
      history = version;
    }
    attempts = 0;
  } finally {
    busy = false;
  }
}

/** Put the figures of the page as the daemon has it now in the place of those shown. */
async function replaceFigures() {
  const fresh = new DOMParser().parseFromString(await getText(""), "text/html");
  if (topics(fresh) !== topics(document)) {
    location.reload(); // another lexicon: the page has other sections
    return;
  }
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(old.id);
    if (now.dataset.state) old.dataset.state = now.dataset.state;
    if (now.innerHTML !== old.innerHTML) old.replaceChildren(...now.childNodes);
  }
}

function topics(page) {
  return [...page.querySelectorAll("section[data-topic]")].map((s) => s.dataset.topic).join("\n");
}
