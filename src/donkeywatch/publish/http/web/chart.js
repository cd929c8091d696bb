// One figure: a chart to look at, a slider to go through it by keyboard, and the same as a table.

import uPlot from "./uPlot.esm.js";

const HEIGHT = 230;
const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: 24, PageDown: -24 };

/** A figure with a title, a line that tells what is pointed at, the chart and its table. */
export class Chart {
  /**
   * `says` has a title, a topic, a note, words for when there is no figure yet, the style classes of its
   * keys, and functions of the figures: `options` (what is drawn), `text` (the name of a place and
   * a text for each key) and `table`.
   */
  constructor(figure, says) {
    this.says = says;
    const id = `chart-${document.querySelectorAll(".plot").length}`;
    const title = make("h3", says.title);
    title.id = id;
    this.name = make("span", "", "place");
    this.keys = says.keys.map((key) => make("span", "", `key ${key}`));
    const caption = make("figcaption");
    const texts = make("p", "", "keys");
    texts.append(...this.keys);
    this.note = make("p", says.note, "note");
    caption.append(title, this.name, this.note, texts);
    this.element = make("div", "Loading\u2026", "plot waiting");
    this.details = make("details");
    this.details.append(make("summary", "As a table"));
    this.details.addEventListener("toggle", () => this.fillTable());
    this.details.hidden = true;
    this.id = id;
    figure.append(caption, this.element, this.details);
    figure.setAttribute("aria-labelledby", id);
    this.element.addEventListener("keydown", (event) => this.move(event));
    this.element.addEventListener("blur", () => this.rest());
    new ResizeObserver(() => this.fit()).observe(this.element);
  }

  /** Show other figures, with a note of their own if they have one; null where there are none yet. */
  show(data) {
    this.data = data;
    this.note.textContent = data?.note ?? this.says.note;
    this.plot?.destroy();
    this.plot = null;
    this.element.textContent = data ? "" : this.says.empty;
    this.element.classList.toggle("waiting", !data);
    this.details.hidden = !data;
    if (!data) {
      this.keys.forEach((key) => { key.hidden = true; }); // a line that stands for nothing
      return;
    }
    this.paint();
    this.fillTable();
  }

  /** Draw anew, in the colours of now. */
  paint() {
    if (!this.data) return;
    const colours = coloursOf(this.element);
    this.options = this.says.options(this.data, colours);
    this.plot?.destroy();
    this.plot = new uPlot(this.frame(colours), this.options.columns, this.element);
    this.makeSlider();
    this.rest();
  }

  frame(colours) {
    const { series, bands, scales, splits, name, values, under, over } = this.options;
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: colours.soft, font, ticks: { show: false } };
    return {
      width: this.element.clientWidth, height: HEIGHT, series, bands, scales,
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
      padding: [8, 4, 0, 0],
      axes: [
        { ...axis, size: 28, grid: { show: false }, splits, values: (_, times) => times.map(name) },
        { ...axis, size: 58, grid: { stroke: colours.line, width: 1 }, space: 44, values: (_, all) => values(all) },
      ],
      hooks: {
        drawClear: [under],
        draw: [over],
        setCursor: [(plot) => this.tell(plot.cursor.idx)],
      },
    };
  }

  makeSlider() {
    const bounds = { valuemin: 0, valuemax: this.options.places - 1 };
    this.element.tabIndex = 0;
    this.element.setAttribute("role", "slider");
    this.element.setAttribute("aria-labelledby", this.id);
    for (const [name, value] of Object.entries(bounds)) {
      this.element.setAttribute(`aria-${name}`, value);
    }
  }

  /** Go to another place by keyboard. */
  move(event) {
    if (!this.plot || event.altKey || event.ctrlKey || event.metaKey) return;
    const last = this.options.places - 1;
    const to = { Home: 0, End: last }[event.key] ?? this.place + KEYS[event.key];
    if (Number.isNaN(to)) return;
    event.preventDefault();
    const index = this.options.indexOf(Math.max(0, Math.min(last, to)));
    this.plot.setCursor({ left: this.plot.valToPos(this.options.columns[0][index], "x"), top: 0 });
  }

  /** Nothing is pointed at: tell of the newest place that has a figure. */
  rest() {
    if (!this.plot) return;
    this.plot.setCursor({ left: -10, top: -10 });
    this.tell(null);
  }

  tell(index) {
    this.place = index == null ? this.options.newest : this.options.placeOf(index);
    const [name, ...texts] = this.says.text(this.data, this.place, this.says.of);
    this.name.textContent = name;
    this.keys.forEach((key, i) => {
      key.textContent = texts[i];
      key.hidden = !texts[i];
    });
    this.element.setAttribute("aria-valuenow", this.place);
    this.element.setAttribute("aria-valuetext", `${name}: ${texts.filter(Boolean).join(", ")}`);
  }

  fit() {
    if (this.plot && this.plot.width !== this.element.clientWidth) {
      this.plot.setSize({ width: this.element.clientWidth, height: HEIGHT });
    }
  }

  /** The table is made when someone opens it, and anew with new figures. */
  fillTable() {
    this.details.querySelector(".scroll")?.remove();
    if (!this.details.open || !this.data) return;
    const { head, rows } = this.says.table(this.data, this.says.of);
    const table = make("table");
    table.append(make("caption", this.says.title), make("thead"), make("tbody"));
    table.tHead.append(row(head, "col"));
    table.tBodies[0].append(...rows.map((cells) => row(cells, "row")));
    const box = make("div", "", "scroll");
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    box.setAttribute("aria-label", `${this.says.title}, ${this.says.topic}, as a table`);
    box.append(table);
    this.details.append(box);
  }
}

function row(cells, scope) {
  const made = make("tr");
  cells.forEach((text, i) => {
    const cell = make(scope === "col" || i === 0 ? "th" : "td", text);
    if (cell.tagName === "TH") cell.scope = scope;
    made.append(cell);
  });
  return made;
}

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (className) element.className = className;
  return element;
}

/** The colours of the style sheet as the canvas needs them. */
function coloursOf(element) {
  const probe = element.appendChild(make("i"));
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const names = ["ink", "soft", "line", "one", "two", "gap"];
  const found = Object.fromEntries(names.map((name) => [name, colour(name)]));
  probe.remove();
  return found;
}
