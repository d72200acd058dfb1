/** The texts one under another, column by column: plain DOM that wraps like a text, made once and recoloured. */

import { TokenText } from "../../tokens/tokentext";
import type { TextsData } from "./data";

export class AlignedText extends TokenText {
  readonly #el: HTMLElement;
  #chosen: number[] = [];

  constructor(el: HTMLElement, prefix: string) {
    super(el, prefix);
    el.dir = "auto";
    this.#el = el;
  }

  /** Replace the texts. */
  show(data: TextsData): void {
    this.forget();
    this.#chosen = [];
    const numbers = this.#stack("saew-stack saew-stack-numbers");
    numbers.setAttribute("aria-hidden", "true");
    for (let text = 0; text < data.nTexts; text++) numbers.append(this.#cell("saew-cell", String(text + 1)));
    const stacks = [numbers];
    for (let column = 0; column < data.nColumns; column++) {
      const stack = this.#stack(data.alike(column) ? "saew-stack" : "saew-stack saew-unlike");
      const usual = data.usual(column);
      for (let text = 0; text < data.nTexts; text++) {
        const token = data.at(column, text);
        // A sign and not an empty place: here a text has nothing.
        if (token < 0) {
          const gap = this.#cell("saew-cell saew-gap", "\u2205");
          gap.setAttribute("aria-hidden", "true");
          stack.append(gap);
          continue;
        }
        const cell = this.#cell(data.ids[token] === usual ? "saew-cell" : "saew-cell saew-cell-unlike", "");
        const span = this.make(token, data.json.str[token] ?? "", data.flags[token] ?? 0, true);
        span.setAttribute("aria-selected", "false");
        cell.append(span);
        stack.append(cell);
      }
      stacks.push(stack);
    }
    this.#el.replaceChildren(...stacks);
  }

  #stack(name: string): HTMLElement {
    const el = this.doc.createElement("span");
    el.className = name;
    el.setAttribute("role", "presentation");
    return el;
  }

  #cell(name: string, says: string): HTMLElement {
    const el = this.#stack(name);
    el.textContent = says;
    return el;
  }

  /** Mark the tokens that are compared. */
  choose(tokens: number[]): void {
    for (const token of this.#chosen) this.#mark(token, false);
    for (const token of tokens) this.#mark(token, true);
    this.#chosen = tokens;
  }

  #mark(token: number, on: boolean): void {
    this.spans[token]?.classList.toggle("saew-at", on);
    this.spans[token]?.setAttribute("aria-selected", String(on));
  }
}
