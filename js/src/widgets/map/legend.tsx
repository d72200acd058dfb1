/** What the colours mean: a scale with its numbers, or groups, of which a click selects the features. */

import { tickLabel, ticks } from "../../charts/axis";
import { count, density, num } from "../../controls/format";
import { label } from "../../tokens/visible";
import { css, groupColours, type Look, restColour, stops } from "./colours";
import type { ColourJson } from "./wire";
import { NO_LEVEL } from "./wire";

interface Props {
  colour: ColourJson;
  look: Look;
  /** Select the points of a level; with `add` beside those that are selected. */
  onPick: (level: number, add: boolean) => void;
}

export function Legend({ colour, look, onPick }: Props) {
  const { groups, rest } = colour;
  const rests = rest.n > 0 && (
    <Entry {...{ onPick }} level={NO_LEVEL} colour={css(restColour(look))} name={rest.name} n={rest.n} />
  );
  if (groups.length > 0) {
    const colours = groupColours(look);
    return (
      <fieldset class="saew-map-legend" aria-label={`Colours: ${colour.title}`} title={colour.says}>
        {groups.map(({ name, n }, i) => (
          <Entry key={name} {...{ onPick, name, n }} level={i} colour={css(colours[i] ?? [0, 0, 0])} />
        ))}
        {rests}
      </fieldset>
    );
  }
  return (
    <fieldset class="saew-map-legend" aria-label={`Colours: ${colour.title}`}>
      {colour.low !== null && colour.high !== null && (
        <span class="saew-map-scale" title={colour.says}>
          <span class="saew-small">{`${colour.title}${colour.log ? " (log scale)" : ""}`}</span>
          <Scale {...{ colour, look }} low={colour.low} high={colour.high} />
        </span>
      )}
      {rests}
    </fieldset>
  );
}

interface EntryProps {
  level: number;
  colour: string;
  name: string;
  n: number;
  onPick: Props["onPick"];
}

function Entry({ level, colour, name, n, onPick }: EntryProps) {
  return (
    <button
      type="button"
      class="saew-quiet"
      title={`Select ${count(n, "feature")}; with Shift or Ctrl beside those that are selected`}
      onClick={(event) => onPick(level, event.shiftKey || event.ctrlKey || event.metaKey)}
    >
      <span class="saew-dot" style={{ background: colour }} />
      <bdi>{label(name)}</bdi> <span class="saew-small">{n.toLocaleString("en")}</span>
    </button>
  );
}

function Scale({ colour, look, low, high }: { colour: ColourJson; look: Look; low: number; high: number }) {
  const at = (value: number) => {
    if (high <= low) return 0.5;
    return colour.log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
  };
  const marks = scaleTicks(low, high, colour.log);
  return (
    <span class="saew-map-bar">
      <i style={{ background: `linear-gradient(to right, ${stops(look).map(css).join(", ")})` }} />
      <b data-end="low">{`${colour.below ? "\u2264 " : ""}${written(low, colour.form, [low])}`}</b>
      {marks.map((tick) => (
        <span key={tick} style={{ left: `${at(tick) * 100}%` }}>
          {written(tick, colour.form, marks)}
        </span>
      ))}
      <b data-end="high">{`${colour.above ? "\u2265 " : ""}${written(high, colour.form, [high])}`}</b>
    </span>
  );
}

/** Round numbers well inside [low, high], few enough to be read. */
export function scaleTicks(low: number, high: number, log: boolean): number[] {
  if (!(high > low)) return [];
  // The ends have numbers of their own, which take room.
  const [from, to] = [0.28, 0.78];
  if (!log)
    return ticks(low, high, 3)
      .filter((tick) => between((tick - low) / (high - low), from, to))
      .slice(0, 3);
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power++) {
    const tick = Number(`1e${power}`);
    if (between(Math.log(tick / low) / Math.log(high / low), from, to)) found.push(tick);
  }
  const skip = Math.ceil(found.length / 3);
  return found.filter((_, i) => i % skip === 0);
}

function between(value: number, from: number, to: number): boolean {
  return value >= from && value <= to;
}

function written(value: number, form: string, all: number[]): string {
  if (form === "share") return density(value);
  if (form === "count") return Math.round(value).toLocaleString("en");
  return all.length > 1 ? tickLabel(value, all) : num(value);
}
