/** How much: a slider and a number in one unit, and beside them the same amount in the others, with where they come from. */

import words from "../../../../../src/saewidgets/interventions/recipe/kinds.json";
import { NumberBox } from "../../../controls/numberbox";
import { minus, Small } from "../../../controls/small";
import type { RowScale, Scaled } from "../wire";
import { type Intervention, kindOf, sayUnit, type Unit } from "./recipe";

interface Props {
  row: Intervention;
  scale: RowScale | null;
  onChange: (change: Partial<Intervention>) => void;
}

const SOURCES: Record<string, string> = { index: "from the index", prompt: "in the prompt", given: "as given" };
export function Amount({ row, scale, onChange }: Props) {
  const { units, start, factor } = kindOf(row);
  if (start === null) return null;
  const { title } = words.units[row.unit];
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
        title={units.length === 0 ? "A factor" : title}
        onChange={put}
      />
      {units.length > 0 ? (
        <select
          aria-label={`Unit of the value for ${who}`}
          title={title}
          aria-invalid={scale?.error_field === "unit"}
          value={row.unit}
          onChange={(event) => inUnit(event.currentTarget.value as Unit)}
        >
          {units
            .filter((unit) => !words.units[unit].of_features || !row.direction)
            .map((unit) => (
              <option key={unit} value={unit}>
                {sayUnit(unit, scale?.norm_name)}
              </option>
            ))}
        </select>
      ) : (
        <Small>{factor}</Small>
      )}
      {units.length > 0 && scale?.ok && <OtherUnits row={row} scale={scale} />}
    </div>
  );
}

/** The same amount in the other units, of the row's first feature. */
function OtherUnits({ row, scale }: { row: Intervention; scale: RowScale }) {
  const [first] = scale.features;
  if (!first) return null;
  const { median_norm: median, norm_name: norm, max_name: most } = scale;
  const several = row.features.length > 1 ? ` for feature ${first.f}` : "";
  const same = [
    row.unit !== "raw" && first.raw !== null ? `${minus(first.raw)} raw` : "",
    row.unit !== "max" && first.in_max !== null ? `${minus(first.in_max)} \u00d7 ${most}` : "",
    row.unit !== "resid" && first.in_resid !== null ? `${minus(first.in_resid)} ${sayUnit("resid", norm)}` : "",
  ].filter(Boolean);
  const facts = [
    first.max !== null && !row.direction ? `${most} ${minus(first.max)} (${SOURCES[first.max_from] ?? "?"})` : "",
    typeof median === "number" ? `${norm} ${minus(median)} (median over the prompt)` : "",
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
