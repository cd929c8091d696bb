// The four charts of a topic: what they ask for and what they say.

import { get } from "./api.js";
import { boxOptions, boxTable, boxText, toBoxes } from "./boxes.js";
import { Chart } from "./chart.js";
import { count, percent } from "./figures.js";
import { HOUR, WEEK, lineOptions, lineTable, lineText, toLines } from "./lines.js";

const DAYS = 7;
const PROFILE_WEEKS = 8;
const MONDAY = 4 * 24 * HOUR; // seconds from 1970 to the first Monday
const DAY_NOTE = "Last 8 closed weeks, in each country's time. A box holds half of the days.";
const LIMIT = 5000; // windows; all weeks of a century

/** Make the charts of a section; they wait until `load` has asked for their figures. */
export function drawSection(section) {
  const topic = section.dataset.topic;
  const chart = (name, says) =>
    new Chart(section.querySelector(`[data-chart="${name}"]`), { topic, ...says });
  const lines = { options: lineOptions, text: lineText, table: lineTable, keys: ["one", "two", "gap"] };
  const hours = chart("hours", {
    ...lines, title: "The last 7 days, by hour", note: "UTC. The band is the 95% interval; one that leaves the frame is cut off. Grey: not followed.", empty: "The first hour appears here once it has closed.",
  });
  const weeks = chart("weeks", {
    ...lines, title: "All weeks", note: "ISO weeks, with 95% intervals. Dotted: the measurement changed.", empty: "The first week appears here once it has closed.",
  });
  const boxes = { options: boxOptions, text: boxText, table: boxTable, keys: [""] };
  const nothing = "The hours of the day appear here once an hour has closed.";
  const ratio = chart("ratio", {
    ...boxes, title: "Fraction of queries by hour of the day", note: DAY_NOTE, empty: nothing,
    of: { box: "ratio_box", write: percent, colour: "one" },
  });
  const load = section.querySelector('[data-chart="load"]') && chart("load", {
    ...boxes, title: "Queries by hour of the day", note: DAY_NOTE, empty: nothing,
    of: { box: "query_box", write: count, colour: "two" },
  });
  const all = [hours, weeks, ratio, load].filter(Boolean);
  section.querySelector(".charts").hidden = false;
  return {
    paint: () => all.forEach((drawn) => drawn.paint()),
    wait: () => all.forEach((drawn) => drawn.show(null)),
    showHours: (page, end) => hours.show(toLines(page, topic, HOUR, end - DAYS * 24 * HOUR, end)),
    showWeeks: (page) => weeks.show(toLines(page, topic, WEEK)),
    showProfile: async (end) => {
      const monday = end - ((end - MONDAY) % WEEK);
      const from = iso(monday - PROFILE_WEEKS * WEEK);
      const profile = await get(`api/v1/profile?topic=${encodeURIComponent(topic)}&from=${from}`);
      const newest = new Date((end - HOUR) * 1000).getUTCHours();
      ratio.show(toBoxes(profile, "ratio_box", newest));
      load?.show(toBoxes(profile, "query_box", newest));
    },
  };
}

/** Ask for what has closed, and draw each chart as soon as its figures are there. */
export async function loadHistory(sections) {
  const { windows } = await get("api/v1/fractions");
  if (!windows.some((w) => w.window === "hour")) return sections.forEach((section) => section.wait());
  // The rolling windows go on when no hour closes: what has not been followed since is a gap, too.
  const newest = Math.max(...windows.map((w) => Date.parse(w.end))) / 1000;
  const end = newest - (newest % HOUR);
  const hours = await get(`api/v1/hours?from=${iso(end - DAYS * 24 * HOUR)}&limit=${DAYS * 24}`);
  sections.forEach((section) => section.showHours(hours, end));
  const weeks = await get(`api/v1/weeks?limit=${LIMIT}`);
  sections.forEach((section) => section.showWeeks(weeks));
  for (const section of sections) await section.showProfile(end);
}

function iso(seconds) {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`;
}
