/** What somebody chooses in a graph, as traits: pins, groups and labels. Every edit gives others, so that the old ones undo it. */

import { EDITS } from "../../../../src/saewidgets/widgets/constants.json";
import { save } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { label } from "../../tokens/visible";
import { type Graph, TOKEN } from "./wire";

export interface Edits {
  /** Nodes, in the order of pinning. */
  pinned: string[];
  /** Members by label; all of them pinned. */
  groups: Record<string, string[]>;
  /** What features are called, by their first node. */
  labels: Record<string, string>;
}

/** As they are now: hands are quicker than what is drawn. */
export function editsOf(model: Model): Edits {
  const get = <T>(name: string) => model.get(name) as T;
  return { pinned: get("pinned"), groups: get("groups"), labels: get("labels") };
}

/** Change them, and remember what was before. */
export function edit(model: Model, change: (now: Edits) => Edits): void {
  const before = editsOf(model);
  const after = change(before);
  if (JSON.stringify(after) === JSON.stringify(before)) return;
  const history = model.get("history") as Edits[];
  save(model, { ...after, history: [...history, before].slice(-EDITS) });
}

export function undo(model: Model): void {
  const history = model.get("history") as Edits[];
  const last = history.at(-1);
  if (last) save(model, { ...last, history: history.slice(0, -1) });
}

/** Pinned or no more; what is pinned no more is in no group. */
export function pinToggled(now: Edits, id: string): Edits {
  if (!now.pinned.includes(id)) return { ...now, pinned: [...now.pinned, id] };
  return { ...now, pinned: now.pinned.filter((one) => one !== id), groups: without(now.groups, [id]) };
}

/** Nodes in one group, which may be there already, and in no other; pinned, for groups are of what is pinned. */
export function grouped(now: Edits, label: string, ids: string[]): Edits {
  const before = now.groups[label] ?? [];
  const members = [...before, ...ids.filter((id) => !before.includes(id))];
  return {
    ...now,
    groups: { ...without(now.groups, ids, label), [label]: members },
    pinned: [...now.pinned, ...ids.filter((id) => !now.pinned.includes(id))],
  };
}

/** Without the group; its nodes stay pinned. */
export function ungrouped(now: Edits, label: string): Edits {
  return { ...now, groups: Object.fromEntries(Object.entries(now.groups).filter(([name]) => name !== label)) };
}

/** The group called otherwise, unless another is called so. */
export function groupRenamed(now: Edits, label: string, to: string): Edits {
  if (to === "" || Object.hasOwn(now.groups, to)) return now;
  return {
    ...now,
    groups: Object.fromEntries(Object.entries(now.groups).map(([name, ids]) => [name === label ? to : name, ids])),
  };
}

/** The feature of a node called otherwise, at every position; as the graph has it: no word of it. */
export function relabelled(now: Edits, graph: Graph, row: number, text: string): Edits {
  const first = graph.same[row] ?? row;
  const key = graph.json.ids[first] ?? "";
  const labels = Object.fromEntries(Object.entries(now.labels).filter(([id]) => id !== key));
  return { ...now, labels: text === graph.json.labels[first] ? labels : { ...labels, [key]: text } };
}

/** A label for a group that no other has. */
export function freshLabel(groups: Record<string, string[]>, wanted: string): string {
  const base = wanted || "group";
  let label = base;
  for (let n = 2; Object.hasOwn(groups, label); n++) label = `${base} ${n}`;
  return label;
}

/** What a node is called. */
export function labelOf(graph: Graph, labels: Record<string, string>, row: number): string {
  const first = graph.same[row] ?? row;
  const own = labels[graph.json.ids[first] ?? ""] ?? graph.json.labels[first];
  return own || (graph.json.says[row] ?? "");
}

/** The same on screen: what acts is named, and a token's leading spaces are signs. */
export function nameOf(graph: Graph, labels: Record<string, string>, row: number): string {
  const text = label(labelOf(graph, labels, row));
  return (graph.kind[row] === TOKEN ? spaced(text) : text) || "\u2025";
}

export function spaced(token: string): string {
  return token.replace(/^ +/, (all) => "\u2423".repeat(all.length));
}

function without(groups: Record<string, string[]>, ids: string[], but?: string): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(groups)
      .map(([label, members]): [string, string[]] => [
        label,
        label === but ? members : members.filter((id) => !ids.includes(id)),
      ])
      .filter(([label, members]) => members.length > 0 || groups[label]?.length === 0),
  );
}
