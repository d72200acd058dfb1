/** The selected node: what it is, what it is called, what it comes from and leads to. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { num, percent } from "../../controls/format";
import type { Model } from "../../kernel/types";
import { label } from "../../tokens/visible";
import { edit, labelOf, nameOf, pinToggled, relabelled } from "./edits";
import type { State } from "./state";
import { ERROR, FEATURE, type Graph, LOGIT } from "./wire";

const ROWS = 12;

interface Props {
  model: Model;
  graph: Graph;
  state: State;
  row: number;
  onHover: (row: number, at?: HTMLElement) => void;
}

export function Node(props: Props) {
  const { model, graph, state, row } = props;
  const id = graph.json.ids[row] ?? "";
  const pinned = state.pinned.includes(id);
  const section = useRef<HTMLElement>(null);
  const walked = useRef(false);
  // The button that was walked by is gone with its list: keys go on from the new node.
  useLayoutEffect(() => {
    if (walked.current) section.current?.focus();
    walked.current = false;
  }, [row]);
  const walking: State = {
    ...state,
    select: (to) => {
      walked.current = true;
      state.select(to);
    },
  };
  return (
    <section aria-label="Selected node" tabIndex={-1} ref={section}>
      <div class="saew-graph-title">
        <Renamable
          text={labelOf(graph, state.labels, row)}
          name={graph.kind[row] === FEATURE ? "Label of the feature, at every position" : "Label of the node"}
          editable={state.editable}
          onChange={(text) => edit(model, (now) => relabelled(now, graph, row, text))}
        />
        <Edit state={state} pressed={pinned} onClick={() => edit(model, (now) => pinToggled(now, id))}>
          {pinned ? "Unpin" : "Pin"}
        </Edit>
        <button type="button" class="saew-quiet" aria-label="Let go of the node" onClick={() => state.select(-1)}>
          {"\u00d7"}
        </button>
      </div>
      <p class="saew-small">
        <bdi>{label(id)}</bdi>
        {` \u00b7 ${facts(graph, row).join(" \u00b7 ")}`}
      </p>
      <div class="saew-graph-ends">
        <Ends {...props} state={walking} title="Inputs" links={graph.into[row] ?? []} other={graph.source} />
        <Ends {...props} state={walking} title="Outputs" links={graph.outOf[row] ?? []} other={graph.target} />
      </div>
    </section>
  );
}

/** What is known of a node, in words. */
export function facts(graph: Graph, row: number): string[] {
  const token = graph.json.tokens[graph.position[row] ?? -1];
  const numbers: [string, number | undefined][] = [
    ["activation", graph.activation[row]],
    ["p", graph.probability[row]],
    ["cumulative influence", graph.kind[row] === LOGIT ? Number.NaN : graph.cumulative[row]],
  ];
  const errors = graph.error_share[row] ?? 0;
  return [
    label(graph.json.types[row] ?? ""),
    graph.json.bands[graph.band[row] ?? 0] ?? "",
    ...(token === undefined ? [] : [`at ${quoted(token)} (${graph.position[row]})`]),
    ...numbers.filter(([, value]) => Number.isFinite(value)).map(([name, value]) => `${name} ${num(value ?? 0)}`),
    ...(errors > 0 ? [`${percent(errors)} of its inputs are errors`] : []),
  ];
}

function quoted(token: string): string {
  return `\u2018${label(token)}\u2019`;
}

/** Nodes at the other ends of links, the strongest first. */
function Ends({
  graph,
  state,
  row,
  links,
  other,
  title,
  onHover,
}: Props & { title: string; links: number[]; other: Uint32Array }) {
  const [all, setAll] = useState(false);
  const before = useRef(row);
  useLayoutEffect(() => {
    if (before.current !== row) setAll(false);
    before.current = row;
  }, [row]);
  const shown = all ? links : links.slice(0, ROWS);
  return (
    <div>
      <h3>{`${title} (${links.length.toLocaleString("en")})`}</h3>
      {links.length === 0 && (
        <p class="saew-small">{title === "Inputs" ? NO_INPUTS : "Leads to nothing in this graph."}</p>
      )}
      {links.length > 0 && (
        <table>
          <thead>
            <tr class="saew-small">
              <th scope="col">node</th>
              <th scope="col">at</th>
              <th scope="col" class="saew-num" title="Weight by the sum of |weight| of all links into the target">
                share
              </th>
              <th scope="col" class="saew-num">
                weight
              </th>
            </tr>
          </thead>
          <tbody onPointerLeave={() => onHover(-1)} onKeyDown={walk}>
            {shown.map((link) => {
              const end = other[link] ?? 0;
              const share = graph.share[link] ?? 0;
              return (
                <tr
                  key={link}
                  class={state.shown?.nodes[end] ? undefined : "saew-graph-hidden"}
                  onPointerEnter={(event) => onHover(end, event.currentTarget)}
                >
                  <th scope="row">
                    <NodeButton {...{ graph, state, onHover }} row={end} />
                  </th>
                  <td class="saew-small saew-nowrap">
                    {place(graph, end)}
                    {!state.shown?.nodes[end] && " (pruned)"}
                  </td>
                  <td class="saew-num saew-by">
                    <span
                      class={`saew-bar ${share < 0 ? "saew-graph-against" : "saew-graph-for"}`}
                      style={{ width: `${Math.min(100, Math.abs(share) * 100).toFixed(1)}%` }}
                    />
                    <span>{`${share < 0 ? "\u2212" : "+"}${percent(Math.abs(share))}`}</span>
                  </td>
                  <td class="saew-num">{num(graph.weight[link] ?? 0)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {links.length > ROWS && (
        <button type="button" class="saew-link" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? `the first ${ROWS}` : `all ${links.length.toLocaleString("en")}`}
        </button>
      )}
    </div>
  );
}

const NO_INPUTS = "Comes from nothing in this graph.";

/** Band and token of a node, in short. */
export function place(graph: Graph, row: number): string {
  const token = graph.json.tokens[graph.position[row] ?? -1];
  return `${graph.json.bands[graph.band[row] ?? 0] ?? ""}${token === undefined ? "" : ` ${quoted(token)}`}`;
}

/** A node in a list: a click walks to it. */
export function NodeButton({ graph, state, row, onHover }: Omit<Props, "model">) {
  const kind = graph.kind[row];
  return (
    <button
      type="button"
      class="saew-quiet saew-graph-node"
      aria-pressed={state.selected === row}
      title={state.shown?.nodes[row] ? undefined : "Pruned away; shown while it is selected"}
      onFocus={(event) => onHover(row, event.currentTarget)}
      onBlur={() => onHover(-1)}
      onClick={() => state.select(row)}
    >
      {/* The same forms as in the picture. */}
      <span aria-hidden="true">{kind === FEATURE ? "\u25cb" : kind === ERROR ? "\u25c7" : "\u25a1"}</span>{" "}
      <bdi
        class={
          graph.automatic[row] && !state.labels[graph.json.ids[graph.same[row] ?? row] ?? ""]
            ? "saew-automatic"
            : undefined
        }
      >
        {nameOf(graph, state.labels, row)}
      </bdi>
    </button>
  );
}

/** Up and down, from one node of a list to the next. */
export function walk(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (by === 0) return;
  const all = [...event.currentTarget.querySelectorAll<HTMLElement>(".saew-graph-node")];
  const at = all.indexOf(event.target as HTMLElement);
  const next = all[at + by];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
}

/** A button that edits: in a page it says why it cannot. */
export function Edit({
  state,
  pressed,
  onClick,
  children,
  name,
}: {
  state: State;
  pressed?: boolean;
  onClick: () => void;
  children: string;
  name?: string;
}) {
  return (
    <button
      type="button"
      aria-pressed={pressed}
      aria-label={name}
      disabled={!state.editable}
      title={state.editable ? undefined : RECORDED}
      onClick={onClick}
    >
      {children}
    </button>
  );
}

export const RECORDED = "This page shows a recorded graph. Run it live to edit it.";

/** A name that a click turns into a box; Enter keeps what was typed, Escape what was there. */
export function Renamable({
  text,
  name,
  editable,
  onChange,
}: {
  text: string;
  name: string;
  editable: boolean;
  onChange: (text: string) => void;
}) {
  const [draft, setDraft] = useState<string | null>(null);
  const box = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const left = useRef(false);
  const open = draft !== null;
  useLayoutEffect(() => {
    if (open) box.current?.select();
    else if (left.current) button.current?.focus();
    left.current = false;
  }, [open]);
  // Another node's name is not what was begun to be changed.
  useLayoutEffect(() => setDraft(null), [text]);
  const leave = (value: string | null, byKey: boolean) => {
    left.current = byKey;
    setDraft(null);
    if (value !== null && value !== text) onChange(value);
  };
  if (draft !== null)
    return (
      <input
        type="text"
        ref={box}
        aria-label={name}
        value={draft}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onBlur={(event) => leave(event.currentTarget.value, false)}
        onKeyDown={(event) => {
          if (event.key === "Enter") leave(event.currentTarget.value, true);
          if (event.key === "Escape") {
            event.stopPropagation();
            leave(null, true);
          }
        }}
      />
    );
  return (
    <button
      type="button"
      class="saew-quiet saew-graph-label"
      ref={button}
      disabled={!editable}
      title={editable ? "Click to rename" : RECORDED}
      onClick={() => setDraft(text)}
    >
      <bdi>{label(text) || "no label"}</bdi>
    </button>
  );
}
