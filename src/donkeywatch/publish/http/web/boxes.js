// The hours of the day as box-plots: each point is one day of the last weeks.

import { axisCount, axisPercent } from "./figures.js";

const NARROW = 380; // pixels below which fewer hours are named
const UTC_NOTE = "UTC, as no week of the last 8 has closed. A box holds half of the days.";

/** Columns for the chart: per hour the box, or nothing; `newest` is the hour told of at first. */
export function toBoxes(profile, name, newest) {
  const places = profile.hours.map((found) => ({ hour: found.hour, days: found.days, box: found[name] }));
  const note = profile.clock === "utc" ? UTC_NOTE : null;
  return places.some(({ box }) => box) ? { places, percent: name === "ratio_box", note, newest } : null;
}

/** What uPlot is to draw: the boxes are drawn over an empty chart. */
export function boxOptions(data, colours) {
  const boxes = data.places.map(({ box }) => box);
  const top = Math.max(...boxes.map((box) => box?.high ?? 0)) || 1;
  const colour = data.percent ? colours.one : colours.ink;
  return {
    series: [{}, { stroke: "transparent", width: 0, points: { show: false } }],
    scales: {
      x: { time: false, range: () => [-0.5, 23.5] },
      y: { range: () => [0, top * 1.05] },
    },
    splits: (plot) => (plot.bbox.width / devicePixelRatio < NARROW ? [0, 6, 12, 18] : [0, 3, 6, 9, 12, 15, 18, 21]),
    name: (value) => clock(value),
    values: data.percent ? axisPercent : axisCount,
    under: () => {},
    over: (plot) => boxes.forEach((box, index) => box && drawBox(plot, index, box, colour)),
    columns: [boxes.map((_, index) => index), boxes.map((box) => box?.median ?? null)],
    places: boxes.length,
    newest: data.newest,
    placeOf: (index) => index,
    indexOf: (place) => place,
  };
}

function drawBox(plot, index, box, colour) {
  const { ctx } = plot;
  const x = (value) => Math.round(plot.valToPos(value, "x", true));
  const y = (value) => Math.round(plot.valToPos(value, "y", true));
  const middle = x(index);
  const half = Math.max(2, Math.round((x(index + 0.31) - x(index - 0.31)) / 2));
  const stroke = (...points) => {
    ctx.beginPath();
    points.forEach(([left, top], i) => (i % 2 ? ctx.lineTo(left, top) : ctx.moveTo(left, top)));
    ctx.stroke();
  };
  ctx.save();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  stroke([middle, y(box.low)], [middle, y(box.q1)], [middle, y(box.q3)], [middle, y(box.high)]);
  ctx.globalAlpha = 0.22;
  ctx.fillRect(middle - half, y(box.q3), 2 * half, y(box.q1) - y(box.q3));
  ctx.globalAlpha = 1;
  ctx.strokeRect(middle - half, y(box.q3), 2 * half, y(box.q1) - y(box.q3));
  ctx.lineWidth = 3 * devicePixelRatio;
  stroke([middle - half, y(box.median)], [middle + half, y(box.median)]);
  ctx.restore();
}

function clock(hour) {
  return `${String(hour).padStart(2, "0")}:00`;
}

/** The name of one hour, and what its box says. */
export function boxText({ places }, index, { write }) {
  const { hour, days, box } = places[index];
  if (!box) return [clock(hour), "no closed hour"];
  if (days === 1) return [clock(hour), `${write(box.median)} on one day`];
  return [clock(hour), `median ${write(box.median)}, half of ${days} days within ${write(box.q1)}\u2013${write(box.q3)}`];
}

/** Heading and rows of the chart as a table. */
export function boxTable({ places }, { write }) {
  const names = ["low", "q1", "median", "q3", "high"];
  return {
    head: ["hour", "days", "lower end", "quartile", "median", "quartile", "upper end"],
    rows: places.map(({ hour, days, box }) => [
      clock(hour), String(days), ...names.map((name) => (box ? write(box[name]) : "\u2013")),
    ]),
  };
}
