/** Tokens under two features at once: A above, B below, in the order in which the sides stand. */

import { num } from "../../controls/format";
import { remarks, uncounted } from "../../tokens/flags";
import { background } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import { Badge } from "./side";
import { HUE, type PairedTokens, type RowJson, type Which } from "./wire";

/** The background of a token: one band a side. */
export function lookOf(tokens: PairedTokens, order: [Which, Which], palette: Palette): (token: number) => string {
  const layers = order.map((which) => ({
    hue: HUE[which],
    values: tokens.values[which],
    scale: tokens.scale[which === "A" ? 0 : 1],
  }));
  return (token) => {
    if (uncounted(tokens.flags[token])) return "";
    // A token that one side does not have, or does not count, has no number there.
    const known = layers.map((layer) =>
      Number.isFinite(layer.values[token]) ? layer : { ...layer, values: new Float32Array(0) },
    );
    return background(known, token, palette);
  };
}

interface LineProps {
  row: RowJson;
  tokens: PairedTokens;
  order: [Which, Which];
  palette: Palette;
}

/** Tokens before the one that is meant, on a line that is cut at its end. */
const BEFORE = 5;

/** One window on one line; whole, it wraps. */
export function WindowLine({ row, tokens, order, palette, whole }: LineProps & { whole?: boolean }) {
  const look = lookOf(tokens, order, palette);
  const from = whole ? 0 : Math.max(0, row.focus - BEFORE);
  return (
    <div class={whole ? "saew-window" : "saew-side-line"} dir="auto">
      {(row.cut[0] || from > 0) && <span class="saew-small">{"\u2026"}</span>}
      {Array.from({ length: row.n - from }, (_, k) => {
        const i = from + k;
        return (
          <span key={i} class={i === row.focus ? "saew-focus" : undefined} style={{ background: look(row.start + i) }}>
            {label(tokens.str[row.start + i] ?? "")}
          </span>
        );
      })}
      {row.cut[1] && <span class="saew-small">{"\u2026"}</span>}
    </div>
  );
}

/** Both numbers, each with its badge. */
export function Values({ a, b, order }: { a: number | null; b: number | null; order: [Which, Which] }) {
  return (
    <span class="saew-both">
      {order.map((which) => (
        <span key={which} class="saew-nowrap">
          <Badge which={which} />
          {` ${num((which === "A" ? a : b) ?? Number.NaN)}`}
        </span>
      ))}
    </span>
  );
}

/** What is to be said of a token besides. */
export function Remarks({ flags }: { flags: number }) {
  return (
    <>
      {remarks(flags).map((remark) => (
        <div class="saew-small" key={remark}>
          {remark}
        </div>
      ))}
    </>
  );
}
