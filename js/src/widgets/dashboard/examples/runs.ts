/** Runs of coloured and underlined tokens. Colours are written as numbers, not as var(): see tokens/palette.ts. */

import { excluded, type TokenData } from "../../../feature/wire";
import { background } from "../../../tokens/paint";
import type { Palette } from "../../../tokens/palette";
import { TokenText } from "../../../tokens/tokentext";
import type { Effects } from "./effects";

/** Hues of the palette. */
const ACTIVATION = 0;
const HELPED = 1;
const HURT = 4;
/** Below this share of the strongest effect shown there is no line: it would be noise under every token. */
const FAINTEST = 0.02;

export interface Run {
  from: number;
  to: number;
  /** The token that the run is an example of, or -1. */
  bold: number;
  /** Line ends are signs only. */
  oneLine: boolean;
}

export class Runs extends TokenText {
  readonly #data: TokenData;

  constructor(host: HTMLElement, data: TokenData, prefix: string | null = null) {
    super(host, prefix);
    this.#data = data;
  }

  /** The spans of some of a run's tokens. */
  build(run: Run, from = run.from, to = run.to): DocumentFragment {
    const out = this.doc.createDocumentFragment();
    for (let token = from; token < to; token++) out.append(this.#span(token, run));
    return out;
  }

  #span(token: number, run: Run): HTMLElement {
    const span = this.make(token, this.#data.str[token] ?? "", this.#data.flags[token] ?? 0, run.oneLine);
    if (token === run.bold) span.classList.add("saew-bold");
    return span;
  }

  /** Colour tokens by activation. */
  paint(scale: number, palette: Palette, from = 0, to = this.length): void {
    const layers = [{ hue: ACTIVATION, values: this.#data.act, scale }];
    this.dye((token) => (excluded(this.#data, token) ? "" : background(layers, token, palette)), from, to);
  }

  /** No colours and no lines. */
  clear(palette: Palette): void {
    this.paint(0, palette);
    this.underline(0, this.length, null, 0, palette);
  }

  /** Underline the tokens from `from` on by their effects (null: no lines). `most` gets the full line. */
  underline(from: number, to: number, values: Float32Array | null, most: number, palette: Palette): void {
    for (let token = from; token < to; token++) {
      const span = this.spans[token];
      const look = values ? line(values[token - from] ?? Number.NaN, most, palette) : "";
      if (span && span.style.borderBottom !== look) span.style.borderBottom = look;
    }
  }
}

/** Solid blue: the feature helped this token; dashed red: it hurt. Thickness and opacity say how much. */
export function line(delta: number, most: number, palette: Palette): string {
  const share = Math.min(1, Math.abs(delta) / most);
  if (!Number.isFinite(share) || share < FAINTEST) return "";
  const hue = palette.hues[delta < 0 ? HELPED : HURT];
  const width = share < 0.25 ? 2 : share < 0.6 ? 3 : 4;
  return `${width}px ${delta < 0 ? "solid" : "dashed"} rgb(${hue} / ${(0.35 + 0.65 * share).toFixed(2)})`;
}

/** Which of the two effects is drawn. */
export type Kind = "full" | "direct";

export function drawn(effects: Effects | undefined | null, kind: Kind): Float32Array | null {
  if (!effects) return null;
  return kind === "full" ? effects.delta : effects.direct;
}

/** The largest effect among some. */
export function largest(all: Iterable<Effects>, kind: Kind): number {
  let most = 0;
  for (const effects of all)
    for (const value of drawn(effects, kind) ?? []) if (Math.abs(value) > most) most = Math.abs(value);
  return most;
}
