/** The features by how much they differ: the widget's list, and the accessible equivalent of its colours. */

import { useState } from "preact/hooks";
import { Notes } from "../../controls/footer";
import { count, density, num, signed } from "../../controls/format";
import { Button } from "../../controls/small";
import { Name } from "../../feature/said";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { Limit } from "../../table/limit";
import { rove } from "../../table/rove";
import type { DifferenceRow, DifferencesJson } from "./data";
import type { Shown } from "./state";

interface Props {
  model: Model;
  shown: Shown;
  hovered: number | null;
  onHover: (feature: number | null, at?: HTMLElement) => void;
  onPick: (feature: number, add: boolean) => void;
}

export function Ranking({ model, shown, hovered, onHover, onPick }: Props) {
  const { rank } = shown;
  const indexed = useTrait<boolean>(model, "indexed");
  const features = useTrait<number[]>(model, "features");
  const filtered = [useTrait<number[]>(model, "all_of"), useTrait<number[]>(model, "none_of")].some(
    (list) => list.length,
  );
  // One tab stop for all rows: the one last visited.
  const [visited, setVisited] = useState<number | null>(null);
  const rows = rank?.rows ?? [];
  const stop = rows.find((row) => row.f === visited)?.f ?? rows[0]?.f;
  const [a, b] = rank?.pair ?? [0, 1];
  const most = {
    value: Math.max(0, ...rows.flatMap(({ values }) => values.map(Math.abs))),
    difference: Math.max(0, ...rows.map(({ difference }) => Math.abs(difference))),
  };
  return (
    <section class="saew-ranking" aria-label="Differing features">
      <div class="saew-ranking-head">
        <span class="saew-small" role="status">
          {rank ? summary(rank, filtered) : "Comparing\u2026"}
        </span>
        {filtered && (
          <Button class="saew-link" onClick={() => save(model, { all_of: [], none_of: [] })}>
            all features
          </Button>
        )}
        <Limit model={model} />
      </div>
      {rank && <Notes notes={rank.notes} />}
      <div class="saew-tablebox">
        <table class="saew-ranked saew-described">
          <thead>
            <tr>
              <th scope="col">feature</th>
              <th scope="col">
                <span class="saew-offscreen">bars of all texts</span>
              </th>
              <th scope="col" class="saew-num">{`text ${a + 1}`}</th>
              <th scope="col" class="saew-num">{`text ${b + 1}`}</th>
              <th scope="col" class="saew-num" aria-sort="descending" title="Ranked by its magnitude">
                {`${a + 1} \u2212 ${b + 1}`}
              </th>
              {indexed && (
                <th
                  scope="col"
                  class="saew-num"
                  title="Share of the index's counted tokens on which the feature is active"
                >
                  density
                </th>
              )}
              <td />
            </tr>
          </thead>
          <tbody onPointerLeave={() => onHover(null)} onKeyDown={(event) => rove(event, "button.saew-feature")}>
            {rows.map((row) => (
              <Row
                key={row.f}
                {...{ row, most, indexed, onHover, onPick }}
                pair={[a, b]}
                hue={features.indexOf(row.f)}
                hovered={hovered === row.f}
                tab={stop === row.f ? 0 : -1}
                onVisit={setVisited}
              />
            ))}
          </tbody>
        </table>
      </div>
      {rank && rows.length === 0 && <p class="saew-empty">{emptiness(rank)}</p>}
    </section>
  );
}

interface RowProps {
  row: DifferenceRow;
  pair: [number, number];
  /** The largest numbers of the list, which are full bars. */
  most: { value: number; difference: number };
  indexed: boolean;
  hue: number;
  hovered: boolean;
  tab: 0 | -1;
  onVisit: (feature: number) => void;
  onHover: (feature: number | null, at?: HTMLElement) => void;
  onPick: (feature: number, add: boolean) => void;
}

function Row({ row, pair, most, indexed, hue, hovered, tab, onVisit, onHover, onPick }: RowProps) {
  const chosen = hue >= 0;
  const adds = (event: MouseEvent) => event.ctrlKey || event.metaKey || event.shiftKey;
  const [a, b] = pair;
  return (
    <tr
      class={`${chosen ? "saew-chosen" : ""} ${hovered ? "saew-hovered" : ""}`}
      onPointerEnter={(event) => onHover(row.f, event.currentTarget)}
      onClick={(event) => onPick(row.f, adds(event))}
    >
      <th scope="row">
        <div class="saew-rowhead">
          <span class="saew-dot" style={chosen ? { background: `var(--saew-h${hue})` } : {}} />
          <Button
            class="saew-quiet saew-feature"
            aria-pressed={chosen}
            tabIndex={tab}
            title="Click: colour by this feature alone. Ctrl-click or +: add it to the others."
            onFocus={(event) => {
              onVisit(row.f);
              onHover(row.f, event.currentTarget);
            }}
            onBlur={() => onHover(null)}
            onClick={(event) => {
              event.stopPropagation();
              onPick(row.f, adds(event));
            }}
          >
            {row.f}
          </Button>
        </div>
        <Name of={row} />
      </th>
      <td>
        <ValueBars row={row} pair={pair} most={most.value} />
      </td>
      <td class="saew-num">{num(row.values[a] ?? 0)}</td>
      <td class="saew-num">{num(row.values[b] ?? 0)}</td>
      <td class="saew-num saew-by">
        <span class="saew-bar" style={{ width: share(row.difference, most.difference) }} />
        <span>{signed(row.difference)}</span>
      </td>
      {indexed && <td class="saew-num">{density(row.density ?? Number.NaN)}</td>}
      <td>
        <Button
          class="saew-quiet saew-plus"
          tabIndex={tab}
          aria-label={chosen ? `Remove feature ${row.f} from the colours` : `Add feature ${row.f} to the colours`}
          title={chosen ? "Remove from the colours" : "Add to the colours"}
          onClick={(event) => {
            event.stopPropagation();
            onPick(row.f, true);
          }}
        >
          {chosen ? "\u2212" : "+"}
        </Button>
      </td>
    </tr>
  );
}

/** A bar a text, in their order; those of the pair are the strong ones. */
function ValueBars({ row, pair, most }: { row: DifferenceRow; pair: [number, number]; most: number }) {
  return (
    <div class="saew-values" title={row.values.map((value, i) => `text ${i + 1}: ${num(value)}`).join("\n")}>
      {row.values.map((value, i) => (
        <div
          key={i}
          class={`saew-value${pair.includes(i) ? " saew-value-pair" : ""}${value < 0 ? " saew-value-below" : ""}`}
          style={{ width: share(value, most) }}
        />
      ))}
    </div>
  );
}

function share(value: number, most: number): string {
  return `${(most > 0 ? (Math.abs(value) / most) * 100 : 0).toFixed(1)}%`;
}

function summary({ rows: { length: rows }, passing, total, where }: DifferencesJson, filtered: boolean): string {
  const of = count(total, "active feature");
  const n = passing.toLocaleString("en");
  if (rows < passing) return `${where}: the ${rows} that differ most of ${filtered ? `${n} that pass, of ${of}` : of}`;
  return `${where}: ${filtered ? `${n} of ${of} pass` : of}`;
}

function emptiness({ total }: DifferencesJson): string {
  return total === 0
    ? "No feature is active there in any of the texts."
    : "No active feature passes: change what the texts ask for.";
}
