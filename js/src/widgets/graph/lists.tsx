/** The nodes as lists: what is pinned and grouped, and all that are shown. What the picture does can be done here by keys. */

import { useMemo, useState } from "preact/hooks";
import { count, num } from "../../controls/format";
import type { Model } from "../../kernel/types";
import { label } from "../../tokens/visible";
import { edit, freshLabel, grouped, groupRenamed, labelOf, nameOf, pinToggled, ungrouped } from "./edits";
import { Edit, NodeButton, place, RECORDED, Renamable, walk } from "./node";
import type { Shown, State } from "./state";
import type { Graph } from "./wire";

const LISTED = 100;

interface Props {
  model: Model;
  graph: Graph;
  state: State;
  collected: number[];
  /** Chosen, or no more. */
  onToggle: (row: number) => void;
  onClear: () => void;
  onHover: (row: number, at?: HTMLElement) => void;
}

export function Pinned(props: Props) {
  const { model, graph, state, collected, onClear } = props;
  const groups = Object.entries(state.groups);
  const inGroup = new Set(groups.flatMap(([, ids]) => ids));
  const rows = (ids: string[]) => ids.flatMap((id) => graph.rows.get(id) ?? []);
  const alone = rows(state.pinned.filter((id) => !inGroup.has(id)));
  if (state.pinned.length === 0 && collected.length === 0)
    return (
      <p class="saew-empty">
        {"Nothing is pinned. Ctrl-click (\u2318-click) a node to pin it; hold G and click several to group them."}
      </p>
    );
  return (
    <>
      {collected.length > 0 && (
        <div class="saew-graph-tools">
          <span role="status">{`${count(collected.length, "node")} chosen`}</span>
          <Edit
            state={state}
            onClick={() => {
              makeGroup(model, graph, collected);
              onClear();
            }}
          >
            Group
          </Edit>
          {groups.map(([name]) => (
            <Edit
              key={name}
              state={state}
              onClick={() => {
                const ids = collected.map((row) => graph.json.ids[row] ?? "");
                edit(model, (now) => grouped(now, name, ids));
                onClear();
              }}
            >
              {`Into \u2018${label(name)}\u2019`}
            </Edit>
          ))}
          <button type="button" class="saew-link" onClick={() => onClear()}>
            Clear
          </button>
        </div>
      )}
      {groups.map(([name, ids]) => (
        <section key={name} class="saew-graph-group" aria-label={`Group ${label(name)}`}>
          <div class="saew-graph-title">
            <Renamable
              text={name}
              name="Label of the group"
              editable={state.editable}
              onChange={(text) => edit(model, (now) => groupRenamed(now, name, text))}
            />
            <span class="saew-small">{count(ids.length, "node")}</span>
            <Edit
              state={state}
              name={`Ungroup ${label(name)}`}
              onClick={() => edit(model, (now) => ungrouped(now, name))}
            >
              Ungroup
            </Edit>
          </div>
          <List {...props} rows={rows(ids)} name={`Nodes of ${label(name)}`} />
        </section>
      ))}
      {alone.length > 0 && <List {...props} rows={alone} name="Pinned nodes" />}
    </>
  );
}

/** Chosen nodes in a group of their own, called as the first of them. */
export function makeGroup(model: Model, graph: Graph, rows: number[]): void {
  const ids = rows.map((row) => graph.json.ids[row] ?? "");
  if (ids.length > 0)
    edit(model, (now) => grouped(now, freshLabel(now.groups, labelOf(graph, now.labels, rows[0] ?? 0)), ids));
}

/** All nodes that are shown, those with the most influence first; or those that something is said of. */
export function All({ shown, ...props }: Props & { shown: Shown }) {
  const { graph, state } = props;
  const [query, setQuery] = useState("");
  const ranked = useMemo(() => {
    const rank = (row: number) => graph.cumulative[row] ?? Number.NaN;
    const key = (row: number) => (Number.isFinite(rank(row)) ? rank(row) : 2);
    return Array.from({ length: graph.n }, (_, row) => row).sort((a, b) => key(a) - key(b));
  }, [graph]);
  const wanted = query.trim().toLowerCase();
  const found = ranked.filter((row) =>
    wanted
      ? `${labelOf(graph, state.labels, row)} ${graph.json.ids[row]} ${place(graph, row)}`
          .toLowerCase()
          .includes(wanted)
      : shown.nodes[row],
  );
  return (
    <>
      <div class="saew-graph-tools">
        <input
          type="search"
          aria-label="Find a node"
          placeholder="label, id, layer or token"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
        <span class="saew-small" role="status">
          {`${count(found.length, "node")}${found.length > LISTED ? `, the first ${LISTED} listed` : ""}`}
        </span>
      </div>
      <List {...props} rows={found.slice(0, LISTED)} name="Nodes" />
    </>
  );
}

function List({
  model,
  graph,
  state,
  collected,
  onToggle,
  onHover,
  rows,
  name,
}: Props & { rows: number[]; name: string }) {
  const pinned = new Set(state.pinned);
  return (
    <table aria-label={name}>
      <thead>
        <tr class="saew-small">
          <td />
          <th scope="col">node</th>
          <th scope="col">at</th>
          <th scope="col" class="saew-num" title="Share of all influence that it and all with more hold together">
            influence
          </th>
          <td />
        </tr>
      </thead>
      <tbody onPointerLeave={() => onHover(-1)} onKeyDown={walk}>
        {rows.map((row) => {
          const id = graph.json.ids[row] ?? "";
          const called = nameOf(graph, state.labels, row);
          return (
            <tr
              key={row}
              class={state.selected === row ? "saew-chosen" : undefined}
              onPointerEnter={(event) => onHover(row, event.currentTarget)}
            >
              <td>
                <input
                  type="checkbox"
                  aria-label={`Choose ${called} for a group`}
                  disabled={!state.editable}
                  title={state.editable ? "Choose several, then group them" : RECORDED}
                  checked={collected.includes(row)}
                  onChange={() => onToggle(row)}
                />
              </td>
              <th scope="row">
                <NodeButton {...{ graph, state, row, onHover }} />
              </th>
              <td class="saew-small saew-nowrap">{place(graph, row)}</td>
              <td class="saew-num">{num(graph.cumulative[row] ?? Number.NaN)}</td>
              <td class="saew-num">
                <Edit
                  state={state}
                  pressed={pinned.has(id)}
                  name={`Pin ${called}`}
                  onClick={() => edit(model, (now) => pinToggled(now, id))}
                >
                  pin
                </Edit>
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
