/** How much: a slider and a number in one unit, and beside them the same amount in the others, with where they come from. */

import { minus } from "./bits";
import { NumberBox } from "./numberbox";
import { type Intervention, KINDS, UNITS, type Unit } from "./recipe";
import type { RowScale, Scaled } from "./wire";

interface Props {
  row: Intervention;
  scale: RowScale | null;
  /** Median norm of the residual stream at the row's hook; undefined while it is not known. */
  median: number | undefined;
  onChange: (change: Partial<Intervention>) => void;
}

const SOURCES: Record<string, string> = { index: "from the index", prompt: "in the prompt", given: "as given" };
const TITLES: Record<Unit, string> = {
  raw: "In activations: times the decoder vector as it is stored",
  max: "Times the feature\u2019s largest activation",
  resid: "What is added is this many times as long as the median residual vector of the prompt",
  own: "Times the activation that the feature has at that token",
};

export function Amount({ row, scale, median, onChange }: Props) {
  const { units } = KINDS[row.kind];
  if (row.kind === "ablate") return null;
  const who = row.direction ? "the direction" : `feature ${row.features.join(", ")}`;
  const value = row.value ?? 0;
  const range = scale?.range ?? { min: Math.min(-5, value), max: Math.max(10, value), step: 0.1 };
  const put = (next: number) => onChange({ value: next });
  const inUnit = (unit: Unit) => onChange({ unit, value: converted(scale?.features[0], unit) ?? row.value });
  return (
    <div class="saew-amount">
      <input
        type="range"
        aria-label={`Strength for ${who}`}
        min={range.min}
        max={range.max}
        step={range.step}
        value={value}
        onInput={(event) => put(Number(event.currentTarget.value))}
      />
      <NumberBox
        name={`Value for ${who}`}
        value={row.value}
        step={range.step}
        invalid={scale?.error_field === "value"}
        title={units.length === 0 ? "A factor" : TITLES[row.unit]}
        onChange={put}
      />
      {units.length > 0 ? (
        <select
          aria-label={`Unit of the value for ${who}`}
          title={TITLES[row.unit]}
          aria-invalid={scale?.error_field === "unit"}
          value={row.unit}
          onChange={(event) => inUnit(event.currentTarget.value as Unit)}
        >
          {units
            .filter((unit) => unit !== "max" || !row.direction)
            .map((unit) => (
              <option key={unit} value={unit}>
                {UNITS[unit]}
              </option>
            ))}
        </select>
      ) : (
        <span class="saew-small">{row.kind === "replace" ? "\u00d7 its activation" : "(a factor)"}</span>
      )}
      {units.length > 0 && scale?.ok && <Others row={row} first={scale.features[0]} median={median} />}
    </div>
  );
}

/** The same amount in the other units, of the row's first feature. */
function Others({ row, first, median }: { row: Intervention; first: Scaled | undefined; median: number | undefined }) {
  if (!first) return null;
  const several = row.features.length > 1 ? ` for feature ${first.f}` : "";
  const same = [
    row.unit !== "raw" && first.raw !== null ? `${minus(first.raw)} raw` : "",
    row.unit !== "max" && first.in_max !== null ? `${minus(first.in_max)} \u00d7 max activation` : "",
    row.unit !== "resid" && first.in_resid !== null ? `${minus(first.in_resid)} \u00d7 residual norm` : "",
  ].filter(Boolean);
  const facts = [
    first.max !== null && !row.direction
      ? `max activation ${minus(first.max)} (${SOURCES[first.max_from] ?? "?"})`
      : "",
    median !== undefined ? `residual norm ${minus(median)} (median over the prompt)` : "",
  ].filter(Boolean);
  return (
    <p class="saew-small saew-others">
      {same.length > 0 && <span>{`= ${same.join(" = ")}${several}`}</span>}
      <span>{facts.join("; ")}</span>
    </p>
  );
}

/** The present amount in another unit, rounded as one would type it; null if it is not known. */
function converted(first: Scaled | undefined, unit: Unit): number | null {
  const found = { raw: first?.raw, max: first?.in_max, resid: first?.in_resid, own: null }[unit] ?? null;
  return found === null || !Number.isFinite(found) ? null : Number(found.toPrecision(3));
}
