// Asking the daemon that this page came from.

/** The address of a path beside the page; a password in the page's own address is left out. */
export function address(path) {
  return new URL(path, new URL(location.pathname, location.origin));
}

/** The text of an answer; an Error if it is not a good one. */
export async function getText(path) {
  const answer = await fetch(address(path), { cache: "no-store" });
  if (!answer.ok) throw new Error(`${answer.status} for ${path}`);
  return answer.text();
}

/** A JSON answer. */
export async function get(path) {
  return JSON.parse(await getText(path));
}
