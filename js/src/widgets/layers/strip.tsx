/** A feature's activation on every token, in the grid's columns. */

import { num } from "../../controls/format";
import { Button, Small } from "../../controls/small";
import { uncounted } from "../../tokens/flags";
import { background, type Layer } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { FEATURE } from "./shade";
import type { Column, Lens } from "./wire";

/** The feature that is shown. */
export interface OnTokens {
  sae: string;
  f: number;
  /** Null while it is on its way. */
  column: Column | null;
  /** Whether it is the chosen one, and not only pointed at. */
  chosen: boolean;
}

interface Props {
  lens: Lens;
  palette: Palette;
  feature: OnTokens | null;
  /** The chosen column. */
  position: number;
  /** Those in sight, and where each is. */
  columns: number[];
  place: (position: number) => { width: string; marginLeft: string };
  onRemove: () => void;
}

export function Strip({ lens, palette, feature, columns, place, position, onRemove }: Props) {
  const { saes, hooks } = lens.json;
  const sae = feature ? saes.findIndex(({ name }) => name === feature.sae) : -1;
  const column = feature?.column ?? null;
  const layers: Layer[] = column ? [{ hue: FEATURE, values: column.values, scale: column.row.scale }] : [];
  return (
    // biome-ignore lint/a11y/useSemanticElements: as the grid
    // biome-ignore lint/a11y/useFocusableInteractive: as the grid
    <div role="row" class="saew-lens-row saew-lens-strip" aria-rowindex={hooks.length + 2}>
      {/* biome-ignore lint/a11y/useSemanticElements: as the grid */}
      {/* biome-ignore lint/a11y/useFocusableInteractive: as the grid */}
      <div role="rowheader" class="saew-lens-name">
        {feature ? (
          <>
            <span class="saew-dot" style={{ background: `var(--saew-h${FEATURE})` }} />
            <b>{feature.f}</b>
            {feature.chosen && (
              <Button class="saew-quiet saew-lens-remove" aria-label={`Remove feature ${feature.f}`} onClick={onRemove}>
                {"\u00d7"}
              </Button>
            )}
          </>
        ) : (
          <Small>a feature</Small>
        )}
      </div>
      {columns.map((at) => {
        const value = column?.values[at] ?? 0;
        const left = sae >= 0 && uncounted(lens.saeFlags(sae, at));
        return (
          // biome-ignore lint/a11y/useSemanticElements: as the grid
          // biome-ignore lint/a11y/useFocusableInteractive: as the grid
          <div
            key={at}
            role="gridcell"
            class={`saew-lens-cell saew-lens-act${at === position ? " saew-lens-on" : ""}${left ? " saew-lens-left" : ""}`}
            style={{ ...place(at), background: left ? "" : background(layers, at, palette) }}
            title={left ? "Left out of scales and statistics" : undefined}
            aria-colindex={at + 2}
          >
            {value === 0 ? "" : num(value)}
          </div>
        );
      })}
    </div>
  );
}
