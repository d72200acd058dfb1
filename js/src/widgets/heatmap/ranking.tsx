/** The active features, ranked: the widget's list, and the accessible equivalent of its pictures. */

import { useState } from "preact/hooks";
import { SORTS as NAMES } from "../../../../src/saewidgets/widgets/constants.json";
import { count, density, num } from "../../controls/format";
import { Name } from "../../feature/said";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useFilter } from "../../kernel/typing";
import { Limit } from "../../table/limit";
import { rove } from "../../table/rove";
import type { RankJson, RankRow } from "./data";
import type { Order, Shown, Sort } from "./state";

const SORTS = NAMES as Sort[];

interface RankingProps {
  model: Model;
  shown: Shown;
  hovered: number | null;
  onHover: (feature: number | null, at?: HTMLElement) => void;
  onPick: (feature: number, add: boolean) => void;
}

export function Ranking({ model, shown, hovered, onHover, onPick }: RankingProps) {
  const { rank, data } = shown;
  const sort = useTrait<Order>(model, "sort");
  const indexed = useTrait<boolean>(model, "indexed");
  const features = useTrait<number[]>(model, "features");
  const query = useTrait<string>(model, "label_query");
  // The filter stays while it is in use, though it may have filtered all labels away.
  const labelled =
    query !== "" ||
    data.json.described ||
    Object.keys(data.json.labels).length > 0 ||
    (rank?.rows.some((row) => row.label !== null) ?? false);
  // One tab stop for all rows: the one last visited.
  const [visited, setVisited] = useState<number | null>(null);
  const stop = rank?.rows.find((row) => row.f === visited)?.f ?? rank?.rows[0]?.f;
  const largest = rank?.rows.reduce((most, row) => Math.max(most, Math.abs(row[sort] ?? 0)), 0) ?? 0;
  const columns: Order[] = indexed ? [...SORTS, "density"] : SORTS;
  return (
    <section class="saew-ranking" aria-label="Active features">
      <Filters model={model} labelled={labelled} indexed={indexed} />
      <p class="saew-small" role="status">
        {rank ? summary(rank) : "Ranking\u2026"}
        {rank?.basis === "selected" && (
          <button type="button" class="saew-link" onClick={() => save(model, { selected_tokens: [] })}>
            all tokens
          </button>
        )}
      </p>
      <div class="saew-tablebox">
        <table class={data.json.described ? "saew-ranked saew-described" : "saew-ranked"}>
          <thead>
            <tr>
              <th scope="col">feature</th>
              {columns.map((name) => (
                <th scope="col" key={name} aria-sort={name === sort ? DIRECTION[name] : "none"} class="saew-num">
                  <button
                    type="button"
                    class="saew-quiet saew-sort"
                    onClick={() => save(model, { sort: name })}
                    title={EXPLAINED[name]}
                  >
                    {name === "max" && data.json.signed ? "max |a|" : name}
                    {name === sort ? (name === "density" ? " \u25b4" : " \u25be") : ""}
                  </button>
                </th>
              ))}
              <th scope="col" class="saew-num" title="Number of counted tokens on which the feature is active">
                tokens
              </th>
              <td />
            </tr>
          </thead>
          <tbody onPointerLeave={() => onHover(null)} onKeyDown={(event) => rove(event, "button.saew-feature")}>
            {rank?.rows.map((row) => (
              <Row
                key={row.f}
                row={row}
                sort={sort}
                columns={columns}
                share={largest ? Math.abs(row[sort] ?? 0) / largest : 0}
                hue={features.indexOf(row.f)}
                hovered={hovered === row.f}
                tab={stop === row.f ? 0 : -1}
                onVisit={setVisited}
                onHover={onHover}
                onPick={onPick}
              />
            ))}
          </tbody>
        </table>
      </div>
      {rank && rank.rows.length === 0 && <p class="saew-empty">{emptiness(shown)}</p>}
    </section>
  );
}

const DIRECTION = { max: "descending", sum: "descending", mean: "descending", density: "ascending" } as const;

const EXPLAINED: Record<Order, string> = {
  density: "Share of the index's counted tokens on which the feature is active",
  max: "The activation largest in magnitude over the counted tokens, with its sign",
  sum: "Sum of the activations over the counted tokens",
  mean: "Sum divided by the number of counted tokens (silent tokens count as 0)",
};

interface RowProps {
  row: RankRow;
  sort: Order;
  columns: Order[];
  share: number;
  hue: number;
  hovered: boolean;
  tab: 0 | -1;
  onVisit: (feature: number) => void;
  onHover: (feature: number | null, at?: HTMLElement) => void;
  onPick: (feature: number, add: boolean) => void;
}

function Row({ row, sort, columns, share, hue, hovered, tab, onVisit, onHover, onPick }: RowProps) {
  const chosen = hue >= 0;
  return (
    <tr
      class={`${chosen ? "saew-chosen" : ""} ${hovered ? "saew-hovered" : ""}`}
      onPointerEnter={(event) => onHover(row.f, event.currentTarget)}
      onClick={(event) => onPick(row.f, event.ctrlKey || event.metaKey || event.shiftKey)}
    >
      <th scope="row">
        <div class="saew-rowhead">
          <span class="saew-dot" style={chosen ? { background: `var(--saew-h${hue})` } : {}} />
          <button
            type="button"
            class="saew-quiet saew-feature"
            aria-pressed={chosen}
            data-feature={row.f}
            tabIndex={tab}
            title="Click: colour by this feature alone. Ctrl-click or +: add it to the others."
            onFocus={(event) => {
              onVisit(row.f);
              onHover(row.f, event.currentTarget);
            }}
            onBlur={() => onHover(null)}
            onClick={(event) => {
              event.stopPropagation();
              onPick(row.f, event.ctrlKey || event.metaKey || event.shiftKey);
            }}
          >
            {row.f}
          </button>
          <Name of={row} />
        </div>
      </th>
      {columns.map((name) => (
        <td key={name} class={name === sort ? "saew-num saew-by" : "saew-num"}>
          {name === sort && <span class="saew-bar" style={{ width: `${(share * 100).toFixed(1)}%` }} />}
          <span>{name === "density" ? density(row.density ?? Number.NaN) : num(row[name])}</span>
        </td>
      ))}
      <td class="saew-num">{row.n}</td>
      <td>
        <button
          type="button"
          class="saew-quiet saew-add"
          tabIndex={tab}
          aria-label={chosen ? `Remove feature ${row.f} from the colours` : `Add feature ${row.f} to the colours`}
          title={chosen ? "Remove from the colours" : "Add to the colours"}
          onClick={(event) => {
            event.stopPropagation();
            onPick(row.f, true);
          }}
        >
          {chosen ? "\u2212" : "+"}
        </button>
      </td>
    </tr>
  );
}

function Filters({ model, labelled, indexed }: { model: Model; labelled: boolean; indexed: boolean }) {
  const densest = useTrait<number>(model, "max_density");
  const minimum = useTrait<number>(model, "min_activation");
  const special = useTrait<boolean>(model, "include_special");
  const [query, setQuery] = useFilter(model, "label_query");
  return (
    <div class="saew-filters">
      <label title="Hide features whose largest activation is below this, in magnitude">
        {"max \u2265 "}
        <input
          type="number"
          min="0"
          step="any"
          value={minimum}
          onChange={(event) => {
            const value = Number(event.currentTarget.value);
            if (Number.isFinite(value) && value >= 0) save(model, { min_activation: value });
            else event.currentTarget.value = String(minimum);
          }}
        />
      </label>
      {indexed && (
        <label title="Hide features that are active on a larger share of the index's tokens, such as those that mark how early a token stands">
          {"density \u2264 "}
          <input
            type="number"
            min="0"
            max="100"
            step="any"
            value={Number((densest * 100).toPrecision(6))}
            onChange={(event) => {
              const value = Number(event.currentTarget.value) / 100;
              if (value >= 0 && value <= 1) save(model, { max_density: value });
              else event.currentTarget.value = String(densest * 100);
            }}
          />
          {" %"}
        </label>
      )}
      {labelled && (
        <label title="Show features of which this is said">
          {"label "}
          <input type="search" value={query} onInput={(event) => setQuery(event.currentTarget.value)} />
        </label>
      )}
      <Limit model={model} />
      <label title="Count and colour special tokens (BOS, EOS ...) and norm outliers (attention sinks) too">
        <input
          type="checkbox"
          checked={special}
          onChange={(event) => save(model, { include_special: event.currentTarget.checked })}
        />
        {" special tokens"}
      </label>
    </div>
  );
}

function summary({ rows: { length: rows }, total, n_tokens: tokens, basis, hidden }: RankJson): string {
  const of = rows < total ? `${rows} of ${count(total, "active feature")}` : count(total, "active feature");
  const over = basis === "selected" ? `${count(tokens, "selected token")} \u00b7 ` : count(tokens, "token");
  return `${of} over ${over}${hidden ? `${basis === "all" ? " \u00b7 " : ""}${hidden.toLocaleString("en")} denser hidden ` : ""}`;
}

function emptiness({ data, rank }: Shown): string {
  if (data.json.n === 0) return "The text has no tokens.";
  if (rank?.n_tokens === 0)
    return "No token is counted: special tokens and norm outliers are left out. Tick \u201cspecial tokens\u201d to count them.";
  return "No feature passes the filters.";
}
