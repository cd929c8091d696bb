// Light, dark, or as the system has it; the choice is kept in this browser.

const CHOICES = ["as the system", "light", "dark"];
const KEY = "donkeywatch-theme";

function kept() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null; // storage is forbidden here: the choice lasts as long as the page
  }
}

function keep(choice) {
  try {
    localStorage.setItem(KEY, choice);
  } catch {
    // see above
  }
}

/** Show the button; `repaint` is called when colours have changed. */
export function offerThemes(repaint) {
  const button = document.getElementById("theme");
  let choice = CHOICES.includes(kept()) ? kept() : CHOICES[0];
  const apply = () => {
    document.documentElement.dataset.theme = choice;
    button.textContent = `Theme: ${choice}`;
  };
  button.addEventListener("click", () => {
    choice = CHOICES[(CHOICES.indexOf(choice) + 1) % CHOICES.length];
    keep(choice);
    apply();
    repaint();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
  apply();
  button.hidden = false;
}
