/** Hostile token text as something to look at: only ever text nodes, and characters that would act are named instead. */

/** Control, zero-width, filling and joining characters, bidi marks and embeddings, tags, line and paragraph separators. */
const ACTING: readonly (readonly [number, number])[] = [
  [0x00, 0x08],
  [0x0b, 0x1f],
  [0x7f, 0x9f],
  [0xad, 0xad],
  [0x34f, 0x34f],
  [0x61c, 0x61c],
  [0x115f, 0x1160],
  [0x17b4, 0x17b5],
  [0x180b, 0x180f],
  [0x200b, 0x200f],
  [0x2028, 0x202e],
  [0x2060, 0x206f],
  [0x3164, 0x3164],
  [0xfeff, 0xfeff],
  [0xffa0, 0xffa0],
  [0xfff0, 0xfffb],
  [0xe0000, 0xe0fff],
];

/** Whether a character does something, or hides, instead of showing. */
export function acts(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  return ACTING.some(([from, to]) => code >= from && code <= to);
}

/** A variation selector with nothing before it to select from: invisible. (Combining marks stay: words are made of them.) */
const CLINGS = /^[\ufe00-\ufe0f]/;

export interface Piece {
  text: string;
  /** "text" as it is; "code" a named character; "line" a line end. */
  kind: "text" | "code" | "line";
}

/** The text cut into what can be shown and what must be named. */
export function pieces(text: string): Piece[] {
  const out: Piece[] = [];
  let plain = "";
  if (CLINGS.test(text)) {
    return [{ text: name(text), kind: "code" }, ...pieces(text.slice(1))];
  }
  const flush = () => {
    if (plain) out.push({ text: plain, kind: "text" });
    plain = "";
  };
  for (const character of text) {
    if (character === "\n") {
      flush();
      out.push({ text: "\u21b5\n", kind: "line" });
    } else if (acts(character)) {
      flush();
      out.push({ text: name(character), kind: "code" });
    } else plain += character;
  }
  flush();
  return out;
}

/** One line of plain text for labels: spaces, line ends and acting characters as signs. */
export function label(text: string): string {
  return pieces(text)
    .map((piece) => (piece.kind === "line" ? "\u21b5" : piece.text))
    .join("")
    .replaceAll("\t", "\u21e5");
}

/** The same for a token that stands alone: of one that is all blank (a no-break space), its characters are named. */
export function alone(text: string): string {
  const shown = label(text);
  return shown.trim() === "" ? [...shown].map((blank) => (blank === " " ? blank : name(blank))).join("") : shown;
}

function name(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}
