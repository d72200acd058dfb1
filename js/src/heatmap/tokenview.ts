/**
 * The coloured text. Plain DOM, outside Preact: ten thousand tokens are recoloured on a hover, so tokens are spans in
 * blocks, only blocks on or near the screen are painted (the others when they come near), and a colour is written only
 * where it changed.
 */

import type { Palette } from "../shared/palette";
import { pieces } from "../shared/visible";
import { BEYOND, LATER_PIECE, OUTLIER, SPECIAL, type TextData } from "./data";

/** One colour: a feature's activations, its scale, and the number of its hue. */
export interface Layer {
  hue: number;
  values: Float32Array;
  scale: number;
}

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
const LEVELS = 40;
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
    const doc = this.#el.ownerDocument;
    const span = doc.createElement("span");
    const flags = data.flags[token] ?? 0;
    const text = data.json.str[token] ?? "";
    let name = "saew-t";
    if (flags & SPECIAL) name += " saew-special";
    if (flags & OUTLIER) name += " saew-outlier";
    if (flags & BEYOND) name += " saew-beyond";
    if (flags & LATER_PIECE) name += " saew-later";
    span.className = name;
    span.id = `${this.#prefix}-${token}`;
    span.dataset.i = String(token);
    span.setAttribute("role", "option");
    span.setAttribute("aria-selected", "false");
    if (data.json.n <= ONE_BLOCK) span.setAttribute("aria-label", describe(token));
    if (text === "") span.append(code(doc, "\u2025", "saew-piece"));
    for (const piece of pieces(text)) {
      if (piece.kind === "code") span.append(code(doc, piece.text, "saew-code"));
      else span.append(piece.text);
    }
    this.#spans[token] = span;
    return span;
  }

  /** Colour every token by the layers; no layer: no colour. Bands from top to bottom if there are several. */
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

  /** The token that an event happened on, or -1. */
  tokenAt(event: Event): number {
    const at = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-i]") : null;
    return at?.dataset.i === undefined ? -1 : Number(at.dataset.i);
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

function code(doc: Document, text: string, name: string): HTMLElement {
  const el = doc.createElement("i");
  el.className = name;
  el.append(text);
  return el;
}

/** A colour by level; hatched if the activation is negative, so that the sign is not a matter of hue. */
function band(layer: Layer, token: number, palette: Palette): string | null {
  const value = layer.values[token] ?? 0;
  if (value === 0 || layer.scale <= 0) return null;
  // Any activation is visible, however weak.
  const level = Math.max(1, Math.round(Math.min(1, Math.abs(value) / layer.scale) * LEVELS));
  const color = `rgb(${palette.hues[layer.hue]} / ${((level / LEVELS) * palette.strength).toFixed(3)})`;
  return value > 0 ? color : `repeating-linear-gradient(135deg, ${color} 0 3px, transparent 3px 5px)`;
}

/** The CSS background of a token. */
export function background(layers: Layer[], token: number, palette: Palette): string {
  const bands = layers.map((layer) => band(layer, token, palette));
  const drawn = bands.filter((look) => look !== null);
  if (drawn.length === 0) return "";
  if (layers.length === 1) return drawn[0] ?? "";
  const height = (100 / layers.length).toFixed(2);
  return bands
    .flatMap((look, k) => {
      if (look === null) return [];
      const image = look.startsWith("repeating") ? look : `linear-gradient(${look}, ${look})`;
      return [`${image} 0 ${((k / (layers.length - 1)) * 100).toFixed(1)}% / 100% ${height}% no-repeat`];
    })
    .join(", ");
}
