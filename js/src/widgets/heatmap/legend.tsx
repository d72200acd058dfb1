/** Which colour is which feature, from 0 to which number. */

import { num } from "../../controls/format";
import { Name, type Named } from "../../feature/said";

export interface LegendEntry {
  feature: number;
  hue: number;
  name: Named;
  scale: number;
  /** The largest activation in the text, where the scale is another. */
  here: number | null;
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
  /** Whether there is an index to take the scale from, and whether it is. */
  indexed: boolean;
  ofMax: boolean;
  onOfMax: (ofMax: boolean) => void;
  onCommon: (common: boolean) => void;
  onRemove: (feature: number) => void;
  onHover: (feature: number | null) => void;
}

export function Legend(props: LegendProps) {
  const { entries, preview, alone, common, unit, indexed, ofMax, onOfMax, onCommon, onRemove, onHover } = props;
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
      {indexed && (
        <label
          class="saew-small"
          title="Colour up to a feature's largest activation on the index's corpus, instead of that in the text"
        >
          <input type="checkbox" checked={ofMax} onChange={(event) => onOfMax(event.currentTarget.checked)} /> scale to
          max activation
        </label>
      )}
      {entries.length > 1 && !ofMax && (
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
      <Name of={entry.name} />
      {entry.silent ? (
        <span class="saew-small">silent on the counted tokens</span>
      ) : (
        <span class="saew-small saew-ramp-box">
          0 <i class="saew-ramp" style={{ background: ramp }} /> {num(entry.scale)}
          {entry.here !== null && ` max \u00b7 ${num(entry.here)} here`}
          {entry.negative && <span title="Negative activations are hatched">{" (\u2212 hatched)"}</span>}
        </span>
      )}
    </>
  );
}
