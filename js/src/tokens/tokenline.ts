/**
 * Tokens in a row, as plain DOM that only grows: a text that is being written gets its new tokens at the end, and what
 * stands there already is left alone. From a given token on they can stand in a part of their own ("differs from here").
 */

import { tokenSpan } from "./tokendom";

/** What a line shows; it may grow in place. */
export interface Tokens {
  strings: string[];
  flags: number[];
}

export class TokenLine {
  readonly #host: HTMLElement;
  readonly #prefix: string;
  #spans: HTMLElement[] = [];
  #shown: string[] = [];
  #part: HTMLElement | null = null;
  #from: number | null = null;
  #cursor = -1;

  constructor(host: HTMLElement, prefix: string) {
    this.#host = host;
    this.#prefix = prefix;
  }

  get length(): number {
    return this.#spans.length;
  }

  element(token: number): HTMLElement | undefined {
    return this.#spans[token];
  }

  clear(): void {
    this.#host.replaceChildren();
    this.#spans = [];
    this.#shown = [];
    this.#part = null;
    this.#from = null;
    this.#cursor = -1;
  }

  /** Draw what is new, or looks different now, from a token on. */
  grow(tokens: Tokens, dress: (span: HTMLElement, token: number) => void, start: number): void {
    const n = tokens.strings.length;
    for (let token = start; token < n; token++) {
      const text = tokens.strings[token] ?? "";
      const flags = tokens.flags[token] ?? 0;
      const key = `${flags} ${text}`;
      const old = this.#spans[token];
      if (old && this.#shown[token] === key) continue;
      const span = tokenSpan(this.#host.ownerDocument, token, text, flags);
      span.id = `${this.#prefix}-${token}`;
      span.setAttribute("role", "option");
      dress(span, token);
      if (old) old.replaceWith(span);
      else if (this.#part && token >= (this.#from ?? 0)) this.#part.append(span);
      else this.#host.insertBefore(span, this.#part);
      this.#spans[token] = span;
      this.#shown[token] = key;
    }
    for (const span of this.#spans.splice(n)) span.remove();
    this.#shown.length = n;
  }

  /** Put the tokens from `from` on in a part that is marked (null: none are). */
  mark(from: number | null, says: string): void {
    if (from === this.#from) return;
    this.#from = from;
    this.#part?.replaceWith(...this.#spans.filter((span) => span.parentNode === this.#part));
    this.#part = null;
    if (from === null) return;
    const doc = this.#host.ownerDocument;
    this.#part = doc.createElement("span");
    this.#part.className = "saew-differs";
    const sign = doc.createElement("i");
    sign.className = "saew-from";
    sign.append(says);
    this.#part.append(sign, ...this.#spans.slice(from));
    this.#host.append(this.#part);
  }

  /** Colours, from a token on. */
  paint(look: (token: number) => string, start: number): void {
    for (let token = start; token < this.#spans.length; token++) {
      const wanted = look(token);
      const span = this.#spans[token];
      if (!span || span.dataset.look === wanted) continue;
      span.dataset.look = wanted;
      span.style.background = wanted;
    }
  }

  /** Put the keyboard's cursor on a token (-1: nowhere), with what a screen reader says of it. */
  point(token: number, says: string): void {
    this.#spans[this.#cursor]?.classList.remove("saew-cursor");
    this.#cursor = token;
    const span = this.#spans[token];
    if (!span) {
      this.#host.removeAttribute("aria-activedescendant");
      return;
    }
    span.classList.add("saew-cursor");
    span.setAttribute("aria-label", says);
    this.#host.setAttribute("aria-activedescendant", span.id);
    span.scrollIntoView?.({ block: "nearest" });
  }
}
