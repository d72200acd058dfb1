/**
 * The coloured text. Plain DOM, outside Preact: ten thousand tokens are recoloured on a hover, so tokens are spans in
 * blocks, only blocks on or near the screen are painted (the others when they come near), and a colour is written only
 * where it changed.
 */

import { background, type Layer } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { tokenSpan } from "../../tokens/tokendom";
import type { TextData } from "./data";

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

export class TokenView {
  readonly #el: HTMLElement;
  #spans: HTMLElement[] = [];
  #painted: string[] = [];
  #marked = new Set<number>();
  #cursor = -1;
  #hovered = -1;
  #prefix: string;
  #blocks: Block[] = [];
  #look: (token: number) => string = () => "";
  readonly #observer: IntersectionObserver | null;

  constructor(el: HTMLElement, prefix: string) {
    this.#el = el;
    this.#prefix = prefix;
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
    const doc = this.#el.ownerDocument;
    this.#observer?.disconnect();
    this.#spans = [];
    this.#painted = [];
    this.#blocks = [];
    this.#marked.clear();
    this.#cursor = -1;
    this.#hovered = -1;
    const texts = data.json.texts.map(([start, end], i) => {
      const group = doc.createElement("div");
      group.className = "saew-textgroup";
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", data.json.texts.length > 1 ? `text ${i + 1}` : "tokens");
      for (const [from, to] of cut(data, start, end)) group.append(this.#block(data, from, to, end - start, describe));
      return group;
    });
    this.#el.replaceChildren(...texts);
    for (const block of this.#blocks) if (!block.near) this.#observer?.observe(block.el);
  }

  #block(data: TextData, start: number, end: number, length: number, describe: (token: number) => string): HTMLElement {
    const el = this.#el.ownerDocument.createElement("div");
    const long = length > ONE_BLOCK;
    el.className = long ? "saew-block saew-block-long" : "saew-block";
    el.setAttribute("role", "presentation");
    for (let token = start; token < end; token++) el.append(this.#span(data, token, describe));
    this.#blocks.push({ el, start, end, near: !long || this.#observer === null, stale: true });
    return el;
  }

  #span(data: TextData, token: number, describe: (token: number) => string): HTMLElement {
    const span = tokenSpan(this.#el.ownerDocument, token, data.json.str[token] ?? "", data.flags[token] ?? 0);
    span.id = `${this.#prefix}-${token}`;
    span.setAttribute("role", "option");
    span.setAttribute("aria-selected", "false");
    if (data.json.n <= ONE_BLOCK) span.setAttribute("aria-label", describe(token));
    this.#spans[token] = span;
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
    for (let token = block.start; token < block.end; token++) {
      const look = this.#look(token);
      if (look === (this.#painted[token] ?? "")) continue;
      this.#painted[token] = look;
      const span = this.#spans[token];
      if (span) span.style.background = look;
    }
  }

  /** Mark the selected tokens. */
  select(tokens: Iterable<number>): void {
    const wanted = new Set(tokens);
    for (const token of this.#marked) if (!wanted.has(token)) this.#mark(token, false);
    for (const token of wanted) if (!this.#marked.has(token)) this.#mark(token, true);
    this.#marked = wanted;
  }

  #mark(token: number, on: boolean): void {
    this.#spans[token]?.classList.toggle("saew-selected", on);
    this.#spans[token]?.setAttribute("aria-selected", String(on));
  }

  /** Frame the token that is pointed at in another view (-1: none). */
  hover(token: number): void {
    if (token === this.#hovered) return;
    this.#spans[this.#hovered]?.classList.remove("saew-hover");
    this.#hovered = token;
    this.#spans[token]?.classList.add("saew-hover");
  }

  /** Put the keyboard's cursor on a token (-1: nowhere). */
  point(token: number, scroll: boolean): void {
    if (token !== this.#cursor) {
      this.#spans[this.#cursor]?.classList.remove("saew-cursor");
      this.#cursor = token;
      this.#spans[token]?.classList.add("saew-cursor");
    }
    const id = this.#spans[token]?.id;
    if (id) this.#el.setAttribute("aria-activedescendant", id);
    else this.#el.removeAttribute("aria-activedescendant");
    if (scroll) this.#spans[token]?.scrollIntoView?.({ block: "nearest" });
  }

  /** The element of a token. */
  element(token: number): HTMLElement | undefined {
    return this.#spans[token];
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
