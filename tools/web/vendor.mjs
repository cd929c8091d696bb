// Copies the chart library from node_modules into the package, with its licence beside it.
// `node vendor.mjs [directory]`; a test repeats it and compares.

import { copyFileSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
const target = process.argv[2] ?? join(here, "../../src/donkeywatch/publish/http/web");
const library = join(here, "node_modules/uplot");

for (const [from, to] of [
  ["dist/uPlot.esm.js", "uPlot.esm.js"],
  ["dist/uPlot.min.css", "uPlot.min.css"],
  ["LICENSE", "uPlot.LICENSE"],
]) {
  copyFileSync(join(library, from), join(target, to));
}
