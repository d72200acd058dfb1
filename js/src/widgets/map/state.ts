/** What the map knows of the kernel: where the points are (asked once), their colours, and which are marked. */

import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { ints } from "../../kernel/arrays";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { useRevision, useTrait } from "../../kernel/traits";
import type { Model, Reply } from "../../kernel/types";
import { type Points, pointsOf } from "./points";
import { DIM, FAINT, FOUND, ordered, PLAIN, SELECTED } from "./raster";
import { type ColourJson, type FactsJson, type LayoutJson, type MarksJson, NO_LEVEL } from "./wire";

export interface Coloured {
  json: ColourJson | null;
  level: Uint8Array;
}

export interface Marks {
  json: MarksJson;
  found: Uint32Array;
  among: Uint32Array;
}

export interface State {
  kernel: Kernel;
  facts: FactsJson | null;
  layout: LayoutJson | null;
  points: Points | null;
  colour: Coloured;
  marks: Marks | null;
  /** How each point stands out, and the rows in that order. */
  state: Uint8Array;
  order: Uint32Array;
  askAgain: () => void;
  factsAgain: () => void;
}

const NOTHING = new Uint8Array(0);

export function useMap(model: Model, root: HTMLElement): State {
  const kernel = useKernel(model, root);
  const revision = useRevision(model);
  const [facts, setFacts] = useState<FactsJson | null>(null);
  const [layout, setLayout] = useState<Reply<LayoutJson> | null>(null);
  const [colour, setColour] = useState<Coloured>({ json: null, level: NOTHING });
  const [marks, setMarks] = useState<Marks | null>(null);
  const [times, setTimes] = useState({ facts: 0, layout: 0 });
  const chosen = useTrait<string>(model, "colour");
  const query = useTrait<string>(model, "query");
  const by = useTrait<string>(model, "by");
  const only = useTrait<string>(model, "only");
  const selected = useTrait<number[]>(model, "selected_features");
  useLayoutEffect(() => {
    kernel.ask<FactsJson>("facts", {}, { done: ({ r }) => setFacts(r) });
  }, [revision, times.facts]);
  useLayoutEffect(() => {
    kernel.ask<LayoutJson>("layout", {}, { done: setLayout });
  }, [times.layout]);
  const points = useMemo(() => layout && pointsOf(layout), [layout]);
  useLayoutEffect(() => {
    if (!points) return;
    const done = ({ r, arrays }: Reply<ColourJson>) => {
      const { level } = arrays;
      if (!(level instanceof Uint8Array) || level.length !== points.n)
        throw new RangeError("The kernel's colours are not one for each point.");
      setColour({ json: r, level });
    };
    kernel.ask<ColourJson>("colour", { colour: chosen }, { done });
  }, [points, chosen, revision, times.facts]);
  const asks = query.trim() !== "" || only !== "";
  useLayoutEffect(() => {
    if (!asks) {
      kernel.stop("marks");
      kernel.dismiss("marks");
      setMarks(null);
      return;
    }
    const done = ({ r, arrays }: Reply<MarksJson>) =>
      setMarks({ json: r, found: ints(arrays, "found"), among: ints(arrays, "among") });
    // What was marked by another question is no answer to this one.
    kernel.ask<MarksJson>("marks", { query, by, only }, { done, failed: () => setMarks(null) });
  }, [query, by, only, revision, times.facts]);
  const { state, order } = useMemo(() => {
    const state = points ? statesOf(points, asks ? marks : null, only !== "", selected) : NOTHING;
    return { state, order: points ? ordered(state, points.near.rows) : new Uint32Array(0) };
  }, [points, marks, asks, only !== "", selected]);
  const level = useMemo(
    () => (colour.level.length === points?.n ? colour.level : new Uint8Array(points?.n ?? 0).fill(NO_LEVEL)),
    [colour, points],
  );
  return {
    kernel,
    facts,
    layout: layout?.r ?? null,
    points,
    colour: { json: colour.json, level },
    marks: asks ? marks : null,
    state,
    order,
    askAgain: () => setTimes((n) => ({ ...n, layout: n.layout + 1 })),
    factsAgain: () => setTimes((n) => ({ ...n, facts: n.facts + 1 })),
  };
}

/** How each point stands out: what is found and selected before what is in the list, and that before the rest. */
export function statesOf(
  points: Points,
  marks: Marks | null,
  listed: boolean,
  selected: readonly number[],
): Uint8Array {
  const rows = (features: Iterable<number>) =>
    [...features].map((f) => points.rowOf[f] ?? -1).filter((row) => row >= 0);
  const chosen = rows(selected);
  const found = marks ? rows(marks.found) : [];
  const usual = chosen.length > 0 || found.length > 0 ? DIM : PLAIN;
  const state = new Uint8Array(points.n).fill(listed && marks ? FAINT : usual);
  if (listed && marks) for (const row of rows(marks.among)) state[row] = usual;
  for (const row of found) state[row] = FOUND;
  for (const row of chosen) state[row] = SELECTED;
  return state;
}
