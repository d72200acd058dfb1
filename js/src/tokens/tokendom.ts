/** One token as a span of plain DOM: its hostile text as text nodes, its flags as classes, its number to find it by. */

import { BEYOND, LATER_PIECE, OUTLIER, SPECIAL } from "./flags";
import { pieces } from "./visible";

const CLASSES: readonly (readonly [number, string])[] = [
  [SPECIAL, " saew-special"],
  [OUTLIER, " saew-outlier"],
  [BEYOND, " saew-beyond"],
  [LATER_PIECE, " saew-later"],
];
/** Nearly every token: no need to look for characters that act. */
const PLAIN = /^[ -~]+$/;

/** The span of a token. With `oneLine`, line ends and tabs are signs only. */
export function tokenSpan(doc: Document, token: number, text: string, flags: number, oneLine = false): HTMLElement {
  const span = doc.createElement("span");
  let name = "saew-t";
  for (const [bit, more] of CLASSES) if (flags & bit) name += more;
  span.className = name;
  span.dataset.i = String(token);
  // Not by its letters a text is read from right to left, or is not.
  if (flags & SPECIAL) span.dir = "ltr";
  if (PLAIN.test(text)) {
    span.textContent = text;
    return span;
  }
  if (text === "") span.append(sign(doc, "\u2025", "saew-piece"));
  for (const piece of pieces(text)) {
    if (piece.kind === "code") span.append(sign(doc, piece.text, "saew-code"));
    else if (oneLine) span.append(piece.kind === "line" ? "\u21b5" : piece.text.replaceAll("\t", "\u21e5"));
    else span.append(piece.text);
  }
  return span;
}

/** A sign that is no part of the text. */
export function sign(doc: Document, text: string, name: string): HTMLElement {
  const el = doc.createElement("i");
  el.className = name;
  el.dir = "ltr";
  el.append(text);
  return el;
}

/** The token that an event happened on, or -1. */
export function tokenAt(event: Event): number {
  const at = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-i]") : null;
  return at?.dataset.i === undefined ? -1 : Number(at.dataset.i);
}
