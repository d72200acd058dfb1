/**
 * A text of tokens, as plain DOM: thousands of spans, made once and recoloured on a hover, which Preact need not compare
 * each time. Every view of tokens is one of these, and says how its spans are laid out: growing at the end (growingtext),
 * in blocks that are painted when they come near (the heatmap's longtext), cut into examples (the dashboard's runs).
 */

import { tokenSpan } from "./tokendom";

/** Tokens as they come from the kernel. */
export interface TokenStrings {
  str: string[];
  flags: ArrayLike<number>;
}

export class TokenText {
  protected readonly doc: Document;
  protected readonly spans: HTMLElement[] = [];
  #looks: string[] = [];
  #cursor: HTMLElement | undefined;
  readonly #host: HTMLElement;
  readonly #prefix: string | null;

  /** With a prefix the tokens are options of the list that `host` is: a keyboard's cursor can stand on one. */
  constructor(host: HTMLElement, prefix: string | null = null) {
    this.doc = host.ownerDocument;
    this.#host = host;
    this.#prefix = prefix;
  }

  get length(): number {
    return this.spans.length;
  }

  element(token: number): HTMLElement | undefined {
    return this.spans[token];
  }

  /** Forget the spans. */
  protected forget(): void {
    this.spans.length = 0;
    this.#looks = [];
    this.#cursor = undefined;
  }

  /** Make the span of a token; where it goes is the caller's. With `oneLine`, line ends are signs only. */
  protected make(token: number, text: string, flags: number, oneLine = false): HTMLElement {
    const span = tokenSpan(this.doc, token, text, flags, oneLine);
    if (this.#prefix !== null) {
      span.id = `${this.#prefix}-${token}`;
      span.setAttribute("role", "option");
      if (text.trim() === "") span.setAttribute("aria-label", "blank");
    }
    this.spans[token] = span;
    this.#looks[token] = "";
    return span;
  }

  /** Colour tokens; a colour is written only where it changed. */
  dye(look: (token: number) => string, from: number, to = this.length): void {
    for (let token = from; token < to; token++) {
      const span = this.spans[token];
      const wanted = look(token);
      if (!span || this.#looks[token] === wanted) continue;
      this.#looks[token] = wanted;
      span.style.background = wanted;
    }
  }

  /** How far an arrow goes from a token: 1 is on, -1 back, 0 no arrow. On is left where a text runs from right to left. */
  along(key: string, token: number): number {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[key] ?? 0;
    const line = this.spans[Math.max(0, token)]?.parentElement;
    return line && getComputedStyle(line).direction === "rtl" ? -by : by;
  }

  /** Put the keyboard's cursor on a token (-1: nowhere), with what a screen reader says of it if that is not said yet. */
  point(token: number, says: string | null, scroll = true): void {
    const span = this.spans[token];
    if (span !== this.#cursor) this.#cursor?.classList.remove("saew-cursor");
    this.#cursor = span;
    if (!span) {
      this.#host.removeAttribute("aria-activedescendant");
      return;
    }
    span.classList.add("saew-cursor");
    if (says !== null) span.setAttribute("aria-label", says);
    this.#host.setAttribute("aria-activedescendant", span.id);
    if (scroll) span.scrollIntoView?.({ block: "nearest" });
  }
}
