/** Which colour is which feature, from 0 to which number. */

import { num } from "../../controls/format";
import { label } from "../../tokens/visible";

export interface LegendEntry {
  feature: number;
  hue: number;
  name: string | null;
  scale: number;
  negative: boolean;
  silent: boolean;
}

interface LegendProps {
  entries: LegendEntry[];
  preview: LegendEntry | null;
  /** The feature that is shown alone, being pointed at. */
  alone: number | null;
  common: boolean;
  unit: string;
  onCommon: (common: boolean) => void;
  onRemove: (feature: number) => void;
  onHover: (feature: number | null) => void;
}

export function Legend({ entries, preview, alone, common, unit, onCommon, onRemove, onHover }: LegendProps) {
  if (entries.length === 0 && !preview)
    return <p class="saew-small saew-legend">No feature selected: click one in the list to colour the text by it.</p>;
  return (
    <div class="saew-legend">
      {entries.map((entry) => (
        <span
          class={alone !== null && alone !== entry.feature ? "saew-chip saew-chip-off" : "saew-chip"}
          key={entry.feature}
          onPointerEnter={() => onHover(entry.feature)}
          onPointerLeave={() => onHover(null)}
        >
          <Entry entry={entry} />
          <button
            type="button"
            class="saew-quiet"
            aria-label={`Remove feature ${entry.feature}`}
            onClick={() => onRemove(entry.feature)}
          >
            {"\u00d7"}
          </button>
        </span>
      ))}
      {preview && (
        <span class="saew-chip saew-preview" title="Preview: click the feature to keep it">
          <Entry entry={preview} />
        </span>
      )}
      <span class="saew-small">{unit}</span>
      {entries.length > 1 && (
        <label class="saew-small" title="Colour all features on the scale of the strongest, instead of each on its own">
          <input type="checkbox" checked={common} onChange={(event) => onCommon(event.currentTarget.checked)} /> common
          scale
        </label>
      )}
    </div>
  );
}

function Entry({ entry }: { entry: LegendEntry }) {
  const ramp = `linear-gradient(to right, transparent, color-mix(in srgb, var(--saew-h${entry.hue}) calc(100% * var(--saew-strength)), transparent))`;
  return (
    <>
      <b>{entry.feature}</b>
      {entry.name !== null && <span class="saew-label">{label(entry.name)}</span>}
      {entry.silent ? (
        <span class="saew-small">silent on the counted tokens</span>
      ) : (
        <span class="saew-small saew-ramp-box">
          0 <i class="saew-ramp" style={{ background: ramp }} /> {num(entry.scale)}
          {entry.negative && <span title="Negative activations are hatched">{" (\u2212 hatched)"}</span>}
        </span>
      )}
    </>
  );
}
