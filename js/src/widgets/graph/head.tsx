/** What the graph is, what it explains, and how much of it is shown. */

import { useRef } from "preact/hooks";
import { count, num } from "../../controls/format";
import { save } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { label } from "../../tokens/visible";
import { FULL } from "./paint";
import { MOST_LINKS } from "./picture";
import type { Shown, State } from "./state";
import type { Graph, Scores } from "./wire";

const SAVE_MS = 200;

export function Head({ graph, state }: { graph: Graph; state: State }) {
  const { json } = graph;
  return (
    <div class="saew-graph-head">
      <h3>
        <bdi>{label(json.slug || "Attribution graph")}</bdi>
      </h3>
      <Score name="replacement" value={json.scores.replacement} says={REPLACEMENT} />
      <Score name="completeness" value={json.scores.completeness} says={COMPLETENESS} />
      {state.scores && (
        <span class="saew-small">
          {state.scores.why
            ? `pinned: ${label(state.scores.why)}`
            : `pinned: replacement ${num(state.scores.replacement ?? Number.NaN)}, completeness ${num(state.scores.completeness ?? Number.NaN)}`}
        </span>
      )}
      {json.scores.why && <p class="saew-note">{label(json.scores.why)}</p>}
    </div>
  );
}

const REPLACEMENT = "Replacement: share of tokens in the influence that tokens and errors have on the logits";
const COMPLETENESS = "Completeness: share of what comes into nodes that is no error, weighted by influence";

function Score({ name, value, says }: { name: keyof Scores; value: number | null; says: string }) {
  return (
    <span title={says}>
      {`${name} `}
      <b>{num(value ?? Number.NaN)}</b>
    </span>
  );
}

/** The slider, what is left by it, and what the picture's strokes say. */
export function Prune({ model, graph, state, shown }: { model: Model; graph: Graph; state: State; shown: Shown }) {
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const why = graph.json.no_influence;
  const { threshold } = state;
  const { links } = shown;
  return (
    <div class="saew-graph-tools">
      <label title={why ?? "Nodes with a cumulative influence up to it are shown: less shows only what matters most"}>
        {"prune to "}
        <input
          type="range"
          min={0}
          max={1}
          step={0.01}
          value={threshold}
          disabled={why !== null}
          aria-label="Pruning threshold: cumulative influence"
          aria-valuetext={`${Math.round(threshold * 100)}% of all influence`}
          onInput={(event) => {
            // Seen at once, told when the hand rests.
            model.set("threshold", Number(event.currentTarget.value));
            clearTimeout(timer.current);
            timer.current = setTimeout(() => model.save_changes(), SAVE_MS);
          }}
          onChange={(event) => {
            clearTimeout(timer.current);
            save(model, { threshold: Number(event.currentTarget.value) });
          }}
        />
        <output>{` ${Math.round(threshold * 100)}%`}</output>
        {" of influence"}
      </label>
      <span class="saew-small" role="status">
        {`${of(shown.count, graph.n, "node")}, ${of(links.total, graph.source.length, "link")}`}
        {links.total > MOST_LINKS &&
          `: the strongest ${MOST_LINKS.toLocaleString("en")} drawn, ${count(links.total - links.drawn.length, "weaker one")} not; those of a selected node always are`}
      </span>
      <span class="saew-small saew-graph-legend">
        <svg width="30" height="10" aria-hidden="true">
          <line class="saew-graph-up" x1="1" x2="29" y1="5" y2="5" />
        </svg>
        {" raises "}
        <svg width="30" height="10" aria-hidden="true">
          <line class="saew-graph-down" x1="1" x2="29" y1="5" y2="5" />
        </svg>
        {` lowers its target; colour and width: share of the target\u2019s inputs, full from ${FULL * 100}%`}
      </span>
    </div>
  );
}

function of(n: number, all: number, one: string): string {
  return n === all ? count(n, one) : `${n.toLocaleString("en")} of ${count(all, one)}`;
}
