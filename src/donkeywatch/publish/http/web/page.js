// The page's script: keeps the figures up to date and adds the charts.

import { drawSection, loadHistory } from "./sections.js";
import { follow } from "./live.js";
import { offerThemes } from "./theme.js";

const sections = [...document.querySelectorAll("section[data-topic]")].map(drawSection);

offerThemes(() => sections.forEach((section) => section.paint()));
follow(() => loadHistory(sections));
