/** Hostile token text as something to look at: only ever text nodes, and characters that would act are named instead. */

/** Control characters but tab and line end, what Unicode says to be invisible (zero-width, filling, joining, bidi marks, tags), separators. */
const ACTING = /(?![\t\n]|[\ufe00-\ufe0f])[\p{Cc}\p{DI}\p{Zl}\p{Zp}\ufff9-\ufffb]/u;

/** Whether a character does something, or hides, instead of showing. */
export function acts(character: string): boolean {
  return ACTING.test(character);
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
