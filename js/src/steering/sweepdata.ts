/** The dose-response: what is asked, and its answer as curves over the strengths. */

import { useState } from "preact/hooks";
import { floats } from "../shared/arrays";
import type { Reply } from "../shared/types";
import type { Channels } from "./channels";
import { useFollow } from "./follow";
import type { State } from "./state";
import { type Asked, json, line, type SweepJson } from "./wire";

export const MEASURES = ["target", "kl", "perplexity", "repetition"] as const;
export type Measure = (typeof MEASURES)[number];

export interface Curve {
  values: Float32Array;
  /** The same for each control. */
  controls: Float32Array[];
  /** Of the unedited text. */
  base: number;
}

export interface Sweep {
  json: SweepJson;
  curves: Record<Measure, Curve>;
  /** What it was asked with. */
  asked: Asked;
}

export function curvesOf({ r, arrays }: Reply<SweepJson>): Record<Measure, Curve> {
  const n = r.strengths.length;
  const base = floats(arrays, "base");
  const curve = (name: Measure, i: number): Curve => ({
    values: floats(arrays, name),
    controls: r.controls.map((_, k) => line(arrays, `c_${name}`, k, n)),
    base: base[i] ?? Number.NaN,
  });
  const [target, kl, perplexity, repetition] = MEASURES.map(curve) as [Curve, Curve, Curve, Curve];
  return { target, kl, perplexity, repetition };
}

export interface SweepState {
  sweep: Sweep | null;
  row: number;
  strengths: number[] | null;
  controls: number;
  set: (change: { row?: number; strengths?: number[] | null; controls?: number }) => void;
  run: () => void;
}

export const CONTROLS = 3;

export function useSweep(state: State, channels: Channels, on: boolean): SweepState {
  const [sweep, setSweep] = useState<Sweep | null>(null);
  const [how, setHow] = useState<{ row: number; strengths: number[] | null; controls: number }>({
    row: 0,
    strengths: null,
    controls: CONTROLS,
  });
  const { asked, settings, revision, offline } = state;
  const params = json({ ...asked, settings, ...how });
  const done = (reply: Reply<SweepJson>) => setSweep({ json: reply.r, curves: curvesOf(reply), asked });
  // A page without a kernel has it recorded; a kernel would take a while, and waits for a click.
  useFollow<SweepJson>(channels, "sweep", params, { on: on && offline, wait: 0, revision }, done);
  return {
    sweep,
    ...how,
    set: (change) => setHow((before) => ({ ...before, ...change })),
    run: () => channels.ask<SweepJson>("sweep", params, { done }),
  };
}
