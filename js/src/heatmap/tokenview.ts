/**
 * The coloured text. Plain DOM, outside Preact: ten thousand tokens are recoloured on a hover, so tokens are spans in
 * blocks that the browser may skip while off screen, and a colour is written only where it changed.
 */

import { pieces } from "../shared/visible";
import { BEYOND, LATER_PIECE, OUTLIER, SPECIAL, type TextData } from "./data";

/** One colour: a feature's activations, its scale, and the number of its hue. */
export interface Layer {
  hue: number;
  values: Float32Array;
  scale: number;
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
  #prefix: string;

  constructor(el: HTMLElement, prefix: string) {
    this.#el = el;
    this.#prefix = prefix;
  }

  /** Replace the text. */
  show(data: TextData, describe: (token: number) => string): void {
    const doc = this.#el.ownerDocument;
    this.#spans = [];
    this.#painted = [];
    this.#marked.clear();
    this.#cursor = -1;
    const texts = data.json.texts.map(([start, end], i) => {
      const group = doc.createElement("div");
      group.className = "saew-textgroup";
      group.setAttribute("role", "group");
      group.setAttribute("aria-label", data.json.texts.length > 1 ? `text ${i + 1}` : "tokens");
      const long = end - start > ONE_BLOCK;
      let block = this.#block(group, long);
      let inBlock = 0;
      for (let token = start; token < end; token++) {
        const line = (data.json.str[token] ?? "").includes("\n");
        block.append(this.#span(data, token, describe));
        inBlock++;
        if (long && token + 1 < end && (inBlock >= BLOCK * 1.5 || (inBlock >= BLOCK * 0.75 && line))) {
          block = this.#block(group, long);
          inBlock = 0;
        }
      }
      return group;
    });
    this.#el.replaceChildren(...texts);
  }

  #block(group: HTMLElement, long: boolean): HTMLElement {
    const block = group.ownerDocument.createElement("div");
    block.className = long ? "saew-block saew-block-long" : "saew-block";
    block.setAttribute("role", "presentation");
    group.append(block);
    return block;
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
  paint(layers: Layer[], plain: (token: number) => boolean): void {
    for (let token = 0; token < this.#spans.length; token++) {
      const look = plain(token) ? "" : background(layers, token);
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

function code(doc: Document, text: string, name: string): HTMLElement {
  const el = doc.createElement("i");
  el.className = name;
  el.append(text);
  return el;
}

/** A colour mixed by level; hatched if the activation is negative, so that the sign is not a matter of hue. */
function band(layer: Layer, token: number): string | null {
  const value = layer.values[token] ?? 0;
  if (value === 0 || layer.scale <= 0) return null;
  // Any activation is visible, however weak.
  const level = Math.max(1, Math.round(Math.min(1, Math.abs(value) / layer.scale) * LEVELS));
  const share = `calc(${((level / LEVELS) * 100).toFixed(1)}% * var(--saew-strength))`;
  const color = `color-mix(in srgb, var(--saew-h${layer.hue}) ${share}, transparent)`;
  return value > 0 ? color : `repeating-linear-gradient(135deg, ${color} 0 3px, transparent 3px 5px)`;
}

/** The CSS background of a token. */
export function background(layers: Layer[], token: number): string {
  const bands = layers.map((layer) => band(layer, token));
  const drawn = bands.filter((look) => look !== null);
  if (drawn.length === 0) return "";
  if (layers.length === 1) return drawn[0] ?? "";
  const height = 100 / layers.length;
  return bands
    .map((look, k) => {
      if (look === null) return null;
      const image = look.startsWith("repeating") ? look : `linear-gradient(${look}, ${look})`;
      return `${image} 0 ${layers.length > 1 ? ((k / (layers.length - 1)) * 100).toFixed(1) : 0}% / 100% ${height.toFixed(2)}% no-repeat`;
    })
    .filter((look) => look !== null)
    .join(", ");
}
