/** What the view has of the kernel, and what is on screen of it. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { useFollow } from "../../kernel/follow";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { save, useRevision, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { type Places, placesOf, shownLinks, shownNodes } from "./picture";
import { type Graph, type GraphJson, graphOf, type Scores } from "./wire";

const SCORES_MS = 150;

export interface Shown {
  nodes: Uint8Array;
  count: number;
  links: { drawn: number[]; total: number };
  places: Places;
}

export interface State {
  kernel: Kernel;
  graph: Graph | null;
  shown: Shown | null;
  /** Of what is pinned; null while nothing is. */
  scores: Scores | null;
  selected: number;
  pinned: string[];
  groups: Record<string, string[]>;
  labels: Record<string, string>;
  threshold: number;
  editable: boolean;
  /** Walk from a node; from none, if it is that already, or -1. */
  select: (row: number) => void;
}

export function useGraph(model: Model, root: HTMLElement): State {
  const kernel = useKernel(model, root);
  const revision = useRevision(model);
  const [graph, setGraph] = useState<Graph | null>(null);
  const [scores, setScores] = useState<Scores | null>(null);
  const selected = useTrait<string | null>(model, "selected");
  const pinned = useTrait<string[]>(model, "pinned");
  const groups = useTrait<Record<string, string[]>>(model, "groups");
  const labels = useTrait<Record<string, string>>(model, "labels");
  const threshold = useTrait<number>(model, "threshold");
  const editable = useTrait<boolean>(model, "editable");
  useLayoutEffect(() => {
    kernel.ask<GraphJson>("graph", {}, { done: (reply) => setGraph(graphOf(reply)) });
  }, [revision]);
  useFollow<Scores>(kernel, "scores", { pinned }, { on: pinned.length > 0, wait: SCORES_MS, revision }, ({ r }) =>
    setScores(r),
  );
  // A node that was looked at below the threshold is shown as long as it is.
  const before = useRef<{ graph: Graph; shown: Shown } | null>(null);
  const shown = useMemo(() => {
    if (!graph) return null;
    const nodes = shownNodes(graph, threshold, selected === null ? pinned : [...pinned, selected]);
    // What is the same stays the same: links are not drawn anew for a pin.
    const last = before.current;
    if (last?.graph === graph && nodes.every((one, row) => one === last.shown.nodes[row])) return last.shown;
    const links = shownLinks(graph, nodes);
    const count = nodes.reduce((n, one) => n + one, 0);
    before.current = { graph, shown: { nodes, links, count, places: placesOf(graph, nodes) } };
    return before.current.shown;
  }, [graph, threshold, pinned, selected]);
  return {
    kernel,
    graph,
    shown,
    scores: pinned.length > 0 ? scores : null,
    selected: selected === null ? -1 : (graph?.rows.get(selected) ?? -1),
    pinned,
    groups,
    labels,
    threshold,
    editable,
    // Of now: hands are quicker than what is drawn.
    select: (row) => graph && select(model, graph, graph.json.ids[row] === model.get("selected") ? -1 : row),
  };
}

/** With the feature that others may open: it goes with its node. */
function select(model: Model, graph: Graph, row: number): void {
  const opens = graph.opens[row] ?? -1;
  save(model, {
    selected: graph.json.ids[row] ?? null,
    feature: opens < 0 ? null : opens,
    layer: opens < 0 ? null : (graph.layer[row] ?? null),
  });
}
