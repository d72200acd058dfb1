/**
 * The coloured text. Ten thousand tokens stand in blocks: only those on or near the screen are painted, the others when
 * they come near.
 */

import { background, type Layer } from "../../../tokens/paint";
import type { Palette } from "../../../tokens/palette";
import { TokenText } from "../../../tokens/tokentext";
import type { TextData } from "../data";

interface Block {
  el: HTMLElement;
  start: number;
  end: number;
  /** On screen, or near it. */
  near: boolean;
  /** Not yet painted with the present colours. */
  stale: boolean;
}

const BLOCK = 256;
// Short texts stay one block: blocks are display:block, which would break their lines.
const ONE_BLOCK = 2000;

export class LongText extends TokenText {
  readonly #el: HTMLElement;
  #marked = new Set<number>();
  #hovered = -1;
  #blocks: Block[] = [];
  #look: (token: number) => string = () => "";
  readonly #observer: IntersectionObserver | null;

  constructor(el: HTMLElement, prefix: string) {
    super(el, prefix);
    this.#el = el;
    this.#observer =
      typeof IntersectionObserver === "undefined"
        ? null
        : new IntersectionObserver((entries) => this.#seen(entries), { root: el, rootMargin: "120px" });
  }

  /** Stop watching what is on screen. */
  close(): void {
    this.#observer?.disconnect();
  }

  #seen(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const block = this.#blocks.find((candidate) => candidate.el === entry.target);
      if (!block) continue;
      block.near = entry.isIntersecting;
      if (block.near) this.#paintBlock(block);
    }
  }

  /** Replace the text. */
  show(data: TextData, describe: (token: number) => string): void {
    this.#observer?.disconnect();
    this.forget();
    this.#blocks = [];
    this.#marked.clear();
    this.#hovered = -1;
    const texts = data.json.texts.map(([start, end], i) => {
      const group = this.doc.createElement("div");
      group.className = "saew-textgroup";
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", data.json.texts.length > 1 ? `text ${i + 1}` : "tokens");
      for (const [from, to] of cut(data, start, end)) group.append(this.#block(data, from, to, end - start, describe));
      group.dir = "auto";
      return group;
    });
    this.#el.replaceChildren(...texts);
    for (const block of this.#blocks) if (!block.near) this.#observer?.observe(block.el);
  }

  #block(data: TextData, start: number, end: number, length: number, describe: (token: number) => string): HTMLElement {
    const el = this.doc.createElement("div");
    const long = length > ONE_BLOCK;
    el.className = long ? "saew-block saew-block-long" : "saew-block";
    el.setAttribute("role", "presentation");
    for (let token = start; token < end; token++) el.append(this.#span(data, token, describe));
    this.#blocks.push({ el, start, end, near: !long || this.#observer === null, stale: true });
    return el;
  }

  #span(data: TextData, token: number, describe: (token: number) => string): HTMLElement {
    const span = this.make(token, data.json.str[token] ?? "", data.flags[token] ?? 0);
    span.setAttribute("aria-selected", "false");
    if (data.json.n <= ONE_BLOCK) span.setAttribute("aria-label", describe(token));
    return span;
  }

  /** Colour every token by the layers; no layer: no colour. */
  paint(layers: Layer[], plain: (token: number) => boolean, palette: Palette): void {
    this.#look = (token) => (plain(token) ? "" : background(layers, token, palette));
    for (const block of this.#blocks) {
      block.stale = true;
      if (block.near) this.#paintBlock(block);
    }
  }

  /** Paint what is off screen too (for printing). */
  paintAll(): void {
    for (const block of this.#blocks) this.#paintBlock(block);
  }

  #paintBlock(block: Block): void {
    if (!block.stale) return;
    block.stale = false;
    this.dye(this.#look, block.start, block.end);
  }

  /** Mark the selected tokens. */
  select(tokens: Iterable<number>): void {
    const wanted = new Set(tokens);
    for (const token of this.#marked) if (!wanted.has(token)) this.#mark(token, false);
    for (const token of wanted) if (!this.#marked.has(token)) this.#mark(token, true);
    this.#marked = wanted;
  }

  #mark(token: number, on: boolean): void {
    this.spans[token]?.classList.toggle("saew-selected", on);
    this.spans[token]?.setAttribute("aria-selected", String(on));
  }

  /** Frame the token that is pointed at in another view (-1: none). */
  hover(token: number): void {
    if (token === this.#hovered) return;
    this.spans[this.#hovered]?.classList.remove("saew-hover");
    this.#hovered = token;
    this.spans[token]?.classList.add("saew-hover");
  }
}

/** Where a text is cut into blocks: whole if it is short, else near every 256th token, at line ends if there are any. */
function cut(data: TextData, start: number, end: number): [number, number][] {
  if (end - start <= ONE_BLOCK) return [[start, end]];
  const out: [number, number][] = [];
  let from = start;
  for (let token = start; token < end; token++) {
    const size = token + 1 - from;
    const line = (data.json.str[token] ?? "").includes("\n");
    if (token + 1 === end || size >= BLOCK * 1.5 || (size >= BLOCK * 0.75 && line)) {
      out.push([from, token + 1]);
      from = token + 1;
    }
  }
  return out;
}
