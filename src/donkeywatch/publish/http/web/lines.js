// Both fractions over time with their intervals; what was not followed is a gap, never a line.

import { axisPercent, day, hour, range } from "./figures.js";

export const HOUR = 3600;
export const WEEK = 7 * 24 * HOUR;

const ENOUGH = 0.95; // a window covered less is a gap: its fractions are those of other hours
const HEADROOM = 1.16; // for the names of breaks
const ROOM = 84; // pixels that a label of the axis needs

/**
 * Columns for the chart from a page of windows. Every step of time has a place, filled or not;
 * beside a break stands a place without figures, so that no line crosses it.
 */
export function toLines(page, topic, step, first = null, last = null) {
  const found = page.windows
    .filter((window) => window.closed && window.addresses !== null)
    .map((window) => ({ start: Date.parse(window.start) / 1000, window }));
  if (!found.length) return null;
  const start = first ?? found[0].start;
  const end = last ?? found.at(-1).start + step;
  const breaks = page.breaks
    .map(({ time, kind }) => ({ time: Date.parse(time) / 1000, kind }))
    .filter(({ time }) => start < time && time < end);
  const byStart = new Map(found.map((item) => [item.start, item.window]));
  const places = [];
  for (let time = start; time < end; time += step) {
    places.push(place(time, step, byStart.get(time), topic));
  }
  return { step, start, end, breaks, places, columns: toColumns(places, breaks, step) };
}

function place(start, step, window, topic) {
  const figures = window?.topics.find((found) => found.topic === topic);
  const followed = window && window.coverage >= ENOUGH && figures;
  return {
    start,
    name: step === WEEK ? window?.week ?? `week of ${day(start)}` : hour(start),
    coverage: window?.coverage ?? 0,
    queries: followed ? figures.query_fraction : null,
    addresses: followed ? figures.address_fraction["1"] : null,
    corrected: followed ? figures.corrected_query_fraction ?? null : null,
  };
}

function toColumns(places, breaks, step) {
  const rows = [];
  const empty = (x, index) => rows.push([x, index, null, null, null, null, null, null, null]);
  places.forEach(({ start, queries: q, addresses: a, corrected: c }, index) => {
    const broken = breaks.some(({ time }) => start <= time && time < start + step);
    if (broken) empty(start, index);
    rows.push([
      start + step / 2, index,
      q?.value ?? null, q?.lower ?? null, q?.upper ?? null,
      a?.value ?? null, a?.lower ?? null, a?.upper ?? null,
      c?.value ?? null,
    ]);
    if (broken) empty(start + step - 1, index);
  });
  return rows[0].map((_, column) => rows.map((row) => row[column]));
}

/** What uPlot is to draw. */
export function lineOptions(data, colours) {
  const { one, two } = colours;
  return {
    series: [
      {},
      { show: false },
      ...curve(one),
      ...curve(two, [6, 4]),
      { stroke: one, width: 1, dash: [2, 3], points: { show: false } }, // corrected
    ],
    bands: [
      { series: [4, 3], fill: `color-mix(in srgb, ${one} 16%, transparent)` },
      { series: [7, 6], fill: `color-mix(in srgb, ${two} 16%, transparent)` },
    ],
    scales: {
      x: { time: false, range: () => [data.start, data.end] },
      y: { range: () => [0, top(data.columns)] },
    },
    splits: (plot) => splits(data, plot.bbox.width / devicePixelRatio),
    name: (time) => (data.step === WEEK ? weekAt(data, time) : day(time)),
    values: axisPercent,
    under: (plot) => shadeGaps(plot, data, colours),
    over: (plot) => markBreaks(plot, data.breaks, colours),
    columns: data.columns,
    places: data.places.length,
    newest: Math.max(data.places.findLastIndex(({ queries }) => queries), 0),
    placeOf: (index) => data.columns[1][index],
    indexOf: (place) => data.columns[1].findIndex(
      (owner, i) => owner === place && data.columns[0][i] === data.places[place].start + data.step / 2,
    ),
  };
}

function curve(stroke, dash) {
  const edge = { stroke: "transparent", width: 0, points: { show: false } };
  return [{ stroke, width: 2, dash, points: { show: true, size: 5, fill: stroke, filter: alone } }, edge, edge];
}

/** Points without a neighbour: no line leads to them, so they are drawn as dots. */
function alone(plot, series) {
  const values = plot.data[series];
  return values.flatMap((value, i) =>
    value !== null && values[i - 1] == null && values[i + 1] == null ? [i] : [],
  );
}

/** The top of the axis: the highest interval, unless a quiet hour's would flatten all others. */
function top(columns) {
  const most = (column) => columns[column].reduce((high, value) => Math.max(high, value ?? 0), 0);
  const value = Math.max(most(2), most(5), most(8));
  const upper = Math.max(most(4), most(7));
  return value ? Math.min(upper, value * 1.5) * HEADROOM : Math.min(1, upper || 0.01);
}

function splits({ places, step, start: first, end }, width) {
  const named = step === WEEK ? places : places.filter(({ start }) => start % (24 * HOUR) === 0);
  const stride = Math.ceil(named.length / Math.max(1, Math.floor(width / ROOM)));
  const latest = end - ((end - first) * ROOM) / 2 / width; // a later label would be cut off
  return named
    .filter((_, i) => i % stride === 0)
    .map(({ start }) => start + (step === WEEK ? step / 2 : 0))
    .filter((time) => time <= latest);
}

function weekAt({ places, step }, time) {
  return places[Math.round((time - places[0].start) / step - 0.5)]?.name ?? "";
}

/** Stretches of time without figures. */
function gaps(places, step) {
  const found = [];
  for (const { start, queries } of places) {
    if (queries) continue;
    if (found.at(-1)?.[1] === start) found.at(-1)[1] = start + step;
    else found.push([start, start + step]);
  }
  return found;
}

function shadeGaps(plot, { places, step }, colours) {
  const { ctx, bbox } = plot;
  ctx.save();
  for (const [begin, end] of gaps(places, step)) {
    const left = plot.valToPos(begin, "x", true);
    const right = plot.valToPos(end, "x", true);
    ctx.fillStyle = colours.gap;
    ctx.fillRect(left, bbox.top, right - left, bbox.height);
    write(plot, "not followed", left, right, bbox.top + bbox.height - 8 * devicePixelRatio, colours);
  }
  ctx.restore();
}

function markBreaks(plot, breaks, colours) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = colours.ink;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
  let free = -Infinity;
  for (const { time, kind } of breaks) {
    const x = plot.valToPos(time, "x", true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    free = label(plot, `new ${kind}`, x, free, colours);
  }
  ctx.restore();
}

/** Write beside a break on a side where there is room, if any; returns what is taken so far. */
function label(plot, text, x, free, colours) {
  const { ctx, bbox } = plot;
  const pad = 5 * devicePixelRatio;
  ctx.font = plot.axes[0].font[0];
  ctx.fillStyle = colours.ink;
  ctx.textBaseline = "top";
  const width = ctx.measureText(text).width + 2 * pad;
  const fits = x + width < bbox.left + bbox.width;
  const left = fits ? x : x - width;
  if (left < free) return free;
  ctx.textAlign = "left";
  ctx.fillText(text, left + pad, bbox.top + pad / 2);
  return left + width;
}

function write(plot, text, left, right, y, colours) {
  const { ctx } = plot;
  ctx.font = plot.axes[0].font[0];
  if (ctx.measureText(text).width + 8 * devicePixelRatio > right - left) return;
  ctx.fillStyle = colours.soft;
  ctx.textAlign = "center";
  ctx.textBaseline = "bottom";
  ctx.fillText(text, (left + right) / 2, y);
}

/** The name of one place, and a text for each key of the chart. */
export function lineText({ places }, index) {
  const { name, queries, addresses, corrected, coverage } = places[index];
  const also = corrected ? `, corrected ${range(corrected)} (fine dots)` : "";
  if (queries) return [name, `of queries ${range(queries)}${also}`, `of addresses ${range(addresses)}`, ""];
  const part = Math.floor(coverage * 100);
  return [name, "", "", part ? `followed for ${part}% of the time only` : "not followed"];
}

/** Heading and rows of the chart as a table, newest first, breaks among them. */
export function lineTable({ places, breaks, step }) {
  const isCorrected = places.some(({ corrected }) => corrected);
  const rows = places.map(({ start, name, queries, addresses, corrected, coverage }) => ({
    start,
    cells: [
      name, range(queries), ...(isCorrected ? [range(corrected)] : []), range(addresses),
      `${Math.floor(coverage * 100)}%`,
    ],
  }));
  const marks = breaks.map(({ time, kind }) => ({
    start: time,
    cells: [hour(time), `break: new ${kind}`, ...(isCorrected ? [""] : []), "", ""],
  }));
  const all = [...rows, ...marks].sort((a, b) => b.start - a.start);
  const unit = step === WEEK ? "week" : "hour";
  const head = [unit, "of queries", ...(isCorrected ? ["corrected"] : []), "of addresses", "followed"];
  return { head, rows: all.map(({ cells }) => cells) };
}
