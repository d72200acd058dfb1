/**
 * Tokens in a row that only grows: a text that is being written gets its new tokens at the end, and what stands there
 * already is left alone. From a given token on they can stand in a part of their own ("differs from here").
 */

import { sign } from "./tokendom";
import { type TokenStrings, TokenText } from "./tokentext";

export class GrowingText extends TokenText {
  readonly #host: HTMLElement;
  #shown: string[] = [];
  #part: HTMLElement | null = null;
  #from: number | null = null;

  constructor(host: HTMLElement, prefix: string) {
    super(host, prefix);
    this.#host = host;
    host.dir = "auto";
    host.replaceChildren();
  }

  /** Draw what is new, or looks different now, from a token on. */
  grow(tokens: TokenStrings, dress: (span: HTMLElement, token: number) => void, start: number): void {
    const n = tokens.str.length;
    for (let token = start; token < n; token++) {
      const text = tokens.str[token] ?? "";
      const flags = tokens.flags[token] ?? 0;
      const key = `${flags} ${text}`;
      const old = this.spans[token];
      if (old && this.#shown[token] === key) continue;
      const span = this.make(token, text, flags);
      dress(span, token);
      if (old) old.replaceWith(span);
      else if (this.#part && token >= (this.#from ?? 0)) this.#part.append(span);
      else this.#host.insertBefore(span, this.#part);
      this.#shown[token] = key;
    }
    for (const span of this.spans.splice(n)) span.remove();
    this.#shown.length = n;
  }

  /** Put the tokens from `from` on in a part that is marked (null: none are). */
  mark(from: number | null, says: string): void {
    if (from === this.#from) return;
    this.#from = from;
    this.#part?.replaceWith(...this.spans.filter((span) => span.parentNode === this.#part));
    this.#part = null;
    if (from === null) return;
    this.#part = this.doc.createElement("span");
    this.#part.className = "saew-differs";
    this.#part.append(sign(this.doc, says, "saew-from"), ...this.spans.slice(from));
    this.#host.append(this.#part);
  }

  /** Colours, from a token on. */
  paint(look: (token: number) => string, start: number): void {
    this.dye(look, start);
  }
}
