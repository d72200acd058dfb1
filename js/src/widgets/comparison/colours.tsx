/** Which features colour the texts, on which scales, and the legend that says so. */

import { num } from "../../controls/format";
import { Button, Small } from "../../controls/small";
import { hueOf } from "../../feature/picked";
import { Name } from "../../feature/said";
import type { Layer } from "../../tokens/paint";
import type { DifferenceRow } from "./data";
import type { Shown } from "./state";

export interface Coloured {
  f: number;
  hue: number;
  /** What a ranking says of it; null while it is on its way. */
  row: DifferenceRow | null;
  values: Float32Array | null;
}

/** The selected features; or one that is pointed at, alone. */
export function coloured({ data, rank }: Shown, features: number[], alone: number | null): Coloured[] {
  return (alone === null ? features : [alone]).map((f) => {
    const of = (row: DifferenceRow) => row.f === f;
    const row = rank?.selected.find(of) ?? rank?.rows.find(of) ?? null;
    return { f, hue: hueOf(features, f), row, values: data.column(f) };
  });
}

export function layersOf(all: Coloured[]): Layer[] {
  return all.flatMap(({ hue, row, values }) => (values ? [{ hue, values, scale: row?.scale ?? 0 }] : []));
}

interface LegendProps {
  all: Coloured[];
  /** The feature that is pointed at without being selected. */
  preview: number | null;
  unit: string;
  onRemove: (feature: number) => void;
}

export function Legend({ all, preview, unit, onRemove }: LegendProps) {
  if (all.length === 0)
    return (
      <p class="saew-small saew-legend">Point at a feature in the list to see it on all texts; click it to keep it.</p>
    );
  return (
    <div class="saew-legend">
      {all.map(({ f, hue, row, values }) => (
        <span class={f === preview ? "saew-chip saew-preview" : "saew-chip"} key={f}>
          <b>{f}</b>
          {row && <Name of={row} />}
          {row?.scale === 0 ? (
            <Small>silent on the counted tokens</Small>
          ) : (
            <span class="saew-small saew-nowrap">
              0 <i class="saew-ramp" style={{ background: ramp(hue) }} /> {num(row?.scale ?? Number.NaN)}
              {values?.some((value) => value < 0) && (
                <span title="Negative activations are hatched">{" (\u2212 hatched)"}</span>
              )}
            </span>
          )}
          {f !== preview && (
            <Button class="saew-quiet" aria-label={`Remove feature ${f}`} onClick={() => onRemove(f)}>
              {"\u00d7"}
            </Button>
          )}
        </span>
      ))}
      <Small>{unit}</Small>
    </div>
  );
}

function ramp(hue: number): string {
  return `linear-gradient(to right, transparent, color-mix(in srgb, var(--saew-h${hue}) calc(100% * var(--saew-strength)), transparent))`;
}
