/** The attribution graph: the picture, beside it the node that is walked from, what is pinned, and all nodes as a list. */

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { Footer } from "../../controls/footer";
import { Tabs } from "../../controls/tabs";
import { HoverCard } from "../../feature/card";
import { useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { Canvas } from "./canvas";
import { type Edits, edit, labelOf, nameOf, pinToggled, undo } from "./edits";
import { Head, Prune } from "./head";
import { All, makeGroup, Pinned } from "./lists";
import { Edit, facts, Node } from "./node";
import { NEAR } from "./picture";
import { type State, useGraph } from "./state";
import { FEATURE, type Graph, LOGIT } from "./wire";

export function App(props: ViewProps) {
  const { model, root } = props;
  const state = useGraph(model, root);
  const { kernel, graph } = state;
  return (
    <>
      <ChannelStatus kernel={kernel} channel="graph" />
      {!graph && !kernel.of("graph").error && <p class="saew-empty">{"Reading the graph\u2026"}</p>}
      {graph && (
        <>
          <Head graph={graph} state={state} />
          {graph.n === 0 ? (
            <p class="saew-empty">The graph has no nodes.</p>
          ) : (
            <Drawn {...props} state={state} graph={graph} />
          )}
          <ChannelStatus kernel={kernel} channel="scores" />
          <Footer notes={graph.json.notes} provenance={graph.json.provenance} />
        </>
      )}
    </>
  );
}

function Drawn({ model, root, prefix, themeVersion, state, graph }: ViewProps & { state: State; graph: Graph }) {
  const { shown, selected, pinned, groups, labels } = state;
  const palette = usePalette(root, themeVersion);
  const history = useTrait<Edits[]>(model, "history");
  const [hovered, setHovered] = useState<{ row: number; at?: HTMLElement | undefined; canvas: boolean }>(NOWHERE);
  const [tab, setTab] = useState(selected >= 0 ? "node" : "all");
  const [collected, setCollected] = useState<number[]>([]);
  /** Of now: keys and clicks are quicker than what is drawn. */
  const hand = useRef({ grouping: false, inside: false, collected });
  hand.current.collected = collected;
  const collect = (rows: number[]) => {
    hand.current.collected = rows;
    setCollected(rows);
  };
  const toggle = (row: number) => {
    const held = hand.current.collected;
    collect(held.includes(row) ? held.filter((one) => one !== row) : [...held, row]);
  };
  const known = useRef(selected);
  useLayoutEffect(() => {
    if (selected >= 0 && selected !== known.current) setTab("node");
    known.current = selected;
  }, [selected]);
  // Rows of a graph that is gone.
  useLayoutEffect(() => {
    collect([]);
    setHovered(NOWHERE);
  }, [graph]);

  // G is held over the picture, wherever the keyboard is, unless somebody types.
  useLayoutEffect(() => {
    const { ownerDocument } = root;
    const mine = (event: KeyboardEvent) =>
      (hand.current.inside || root.contains(event.target as HTMLElement)) && !isTyped(event.target as HTMLElement);
    const down = (event: KeyboardEvent) => {
      const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
      if (event.key.toLowerCase() !== "g" || !plain || !mine(event) || !(model.get("editable") as boolean)) return;
      // It is no shortcut of the notebook's here.
      event.stopPropagation();
      hand.current.grouping = true;
    };
    const up = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "g" || !hand.current.grouping) return;
      hand.current.grouping = false;
      if (hand.current.collected.length === 0) return;
      makeGroup(model, graph, hand.current.collected);
      collect([]);
      setTab("pinned");
    };
    // A key that is let go of elsewhere is not heard here.
    const away = () => {
      hand.current.grouping = false;
    };
    const { defaultView } = ownerDocument;
    ownerDocument.addEventListener("keydown", down, true);
    ownerDocument.addEventListener("keyup", up, true);
    defaultView?.addEventListener("blur", away);
    return () => {
      defaultView?.removeEventListener("blur", away);
      ownerDocument.removeEventListener("keydown", down, true);
      ownerDocument.removeEventListener("keyup", up, true);
    };
  }, [model, root, graph]);

  const letGo = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    if (hand.current.collected.length > 0) collect([]);
    else state.select(-1);
  };
  useLayoutEffect(() => {
    root.addEventListener("keydown", letGo);
    return () => root.removeEventListener("keydown", letGo);
  });

  const rowsOf = (ids: string[]) => new Set(ids.flatMap((id) => graph.rows.get(id) ?? []));
  const scene = useMemo(() => {
    const style = getComputedStyle(root);
    const property = (name: string, or: string) => style.getPropertyValue(name).trim() || or;
    return {
      graph,
      shown: shown?.nodes ?? new Uint8Array(graph.n),
      links: shown?.links.drawn ?? [],
      places: shown?.places ?? { x: new Float32Array(graph.n), y: new Float32Array(graph.n), starts: [0], bands: 1 },
      palette,
      panel: property("--saew-panel", "#fff"),
      accent: property("--saew-accent", "#06c"),
      line: property("--saew-line", "#ddd"),
      selected,
      hovered: hovered.row,
      pinned: rowsOf(pinned),
      collected: new Set(collected),
      words: wordsOf(graph, state),
    };
  }, [graph, shown, palette, selected, hovered.row, pinned, groups, labels, collected]);

  const click = (row: number, event: MouseEvent) => {
    if (row < 0) return state.select(-1);
    if (hand.current.grouping) {
      toggle(row);
      setTab("pinned");
    } else if ((event.ctrlKey || event.metaKey) && state.editable) {
      edit(model, (now) => pinToggled(now, graph.json.ids[row] ?? ""));
    } else if (!event.ctrlKey && !event.metaKey) state.select(row);
  };
  const hover = (row: number, at?: HTMLElement, canvas = false) =>
    setHovered((before) => (before.row === row && before.at === at ? before : row < 0 ? NOWHERE : { row, at, canvas }));
  const carded = hovered.row >= 0 && graph.carded[hovered.row] === 1;
  const onHover = (row: number, at?: HTMLElement) => hover(row, at);
  const listed = { model, graph, state, collected, onToggle: toggle, onClear: () => collect([]), onHover };
  // Not drawn anew for every node that is pointed at.
  const side = useMemo(
    () =>
      shown && (
        <>
          {tab === "node" &&
            (selected >= 0 ? (
              <Node {...{ model, graph, state, onHover }} row={selected} />
            ) : (
              <p class="saew-empty">Click a node to see what it comes from and leads to.</p>
            ))}
          {tab === "pinned" && <Pinned {...listed} />}
          {tab === "all" && <All {...listed} shown={shown} />}
        </>
      ),
    [tab, graph, shown, selected, pinned, groups, labels, collected, state.editable],
  );
  if (!shown) return null;
  const features = countFeatures(graph, shown.nodes);
  return (
    <>
      <Prune {...{ model, graph, state, shown }} />
      {features === 0 && (
        <p class="saew-note" role="status">
          {`No feature is left at a cumulative influence of ${state.threshold}: raise the threshold to see some.`}
        </p>
      )}
      <div class="saew-graph-body">
        <div
          onPointerEnter={() => {
            hand.current.inside = true;
          }}
          onPointerLeave={() => {
            hand.current.inside = false;
          }}
        >
          <Canvas
            root={root}
            scene={scene}
            name={`Picture of the graph: ${shown.count} nodes by token and layer. The lists beside it have the same nodes.`}
            onHover={(row, at) => hover(row, at, true)}
            onClick={click}
            tip={hovered.canvas && hovered.row >= 0 && !carded && <Said {...{ graph, state }} row={hovered.row} />}
          />
          <p class="saew-small">
            {`Drag to pan, wheel to zoom (after a click, or with Ctrl); arrows, +, \u2212 and 0 do it by keys. Click selects the nearest node within ${NEAR} pixels, ${
              state.editable ? "Ctrl or \u2318 and click pins, G held and clicks group, " : ""
            }Escape lets go.`}
          </p>
        </div>
        <div class="saew-graph-side">
          <Tabs
            prefix={prefix}
            value={tab}
            onChange={setTab}
            tabs={[
              ["node", "Selected"],
              ["pinned", `Pinned (${pinned.length})`],
              ["all", `Nodes (${shown.count})`],
            ]}
          >
            {side}
          </Tabs>
          <div class="saew-graph-tools">
            <Edit state={state} onClick={() => undo(model)}>
              {history.length > 0 ? `Undo (${history.length})` : "Undo"}
            </Edit>
          </div>
        </div>
      </div>
      <HoverCard
        {...{ model, root, palette, prefix }}
        pointed={
          carded && hovered.at
            ? { f: graph.opens[hovered.row] ?? 0, at: hovered.at, beside: { layer: graph.layer[hovered.row] ?? 0 } }
            : null
        }
        otherwise={hovered.canvas && <Said {...{ graph, state }} row={hovered.row} />}
      />
    </>
  );
}

const NOWHERE = { row: -1, at: undefined, canvas: false };

/** What a node is, beside it. */
function Said({ graph, state, row }: { graph: Graph; state: State; row: number }) {
  return (
    <>
      <b>
        <bdi>{nameOf(graph, state.labels, row)}</bdi>
      </b>
      <div class="saew-small">{facts(graph, row).join(" \u00b7 ")}</div>
    </>
  );
}

/** What is written in the picture: the selected node, logits, groups, pinned nodes. */
function wordsOf(graph: Graph, { selected, pinned, groups, labels }: State): Map<number, string> {
  const words = new Map<number, string>();
  if (selected >= 0) words.set(selected, labelOf(graph, labels, selected));
  const add = (row: number | undefined, text?: string) => {
    if (row !== undefined && !words.has(row)) words.set(row, text ?? labelOf(graph, labels, row));
  };
  for (const [name, ids] of Object.entries(groups)) for (const id of ids) add(graph.rows.get(id), name);
  for (const id of pinned) add(graph.rows.get(id));
  for (let row = 0; row < graph.n; row++) if (graph.kind[row] === LOGIT) add(row);
  return words;
}

function countFeatures(graph: Graph, shown: Uint8Array): number {
  let n = 0;
  for (let row = 0; row < graph.n; row++) if (shown[row] && graph.kind[row] === FEATURE) n += 1;
  return n;
}

function isTyped(el: HTMLElement): boolean {
  const box = el.tagName === "INPUT" && !["checkbox", "range"].includes((el as HTMLInputElement).type);
  return box || el.tagName === "TEXTAREA" || el.isContentEditable;
}
