/** The dose-response: what is asked, and its answer as curves over the strengths. */

import { useState } from "preact/hooks";
import { CONTROLS, SWEEP_SAMPLES } from "../../../../../src/saewidgets/widgets/constants.json";
import { floats } from "../../../kernel/arrays";
import { useFollow } from "../../../kernel/follow";
import type { Kernel } from "../../../kernel/kernel";
import type { Reply } from "../../../kernel/types";
import type { State } from "../state";
import { type Asked, json, line, MEASURES, type Measure, type SweepJson } from "../wire";

export interface Curve {
  /** Means over the texts. */
  values: Float32Array;
  /** Ends of the interval of the mean difference to the unedited texts, around the mean; NaN without one. */
  low: Float32Array;
  high: Float32Array;
  /** The means for each control. */
  controls: Float32Array[];
  /** Of the unedited texts. */
  base: number;
}

export type Curves = Record<Measure, Curve>;

export interface Sweep {
  json: SweepJson;
  curves: Curves;
  /** What it was asked with. */
  asked: Asked;
}

export function curvesOf({ r, arrays }: Reply<SweepJson>): Curves {
  const n = r.strengths.length;
  const base = floats(arrays, "base");
  const curve = (name: Measure, i: number): Curve => ({
    values: floats(arrays, name),
    low: floats(arrays, `${name}_low`),
    high: floats(arrays, `${name}_high`),
    controls: r.controls.map((_, k) => line(arrays, `c_${name}`, k, n)),
    base: base[i] ?? Number.NaN,
  });
  return Object.fromEntries(MEASURES.map((name, i) => [name, curve(name, i)])) as Curves;
}

interface How {
  row: number;
  strengths: number[] | null;
  controls: number;
  samples: number;
}

export interface SweepState extends How {
  sweep: Sweep | null;
  set: (change: Partial<How>) => void;
  run: () => void;
}

export function useSweep(state: State, kernel: Kernel, on: boolean): SweepState {
  const { asked, settings, revision, offline } = state;
  const [sweep, setSweep] = useState<Sweep | null>(null);
  const [chosen, setChosen] = useState<Partial<How>>({});
  // One text says what the dice did: as many as are generated if those are several, and several in any case.
  const samples = settings.samples > 1 ? settings.samples : SWEEP_SAMPLES;
  const how: How = { row: 0, strengths: null, controls: CONTROLS, samples, ...chosen };
  const params = json({ ...asked, settings, ...how });
  const done = (reply: Reply<SweepJson>) => setSweep({ json: reply.r, curves: curvesOf(reply), asked });
  // A page without a kernel has it recorded; a kernel would take a while, and waits for a click.
  useFollow<SweepJson>(kernel, "sweep", params, { on: on && offline, wait: 0, revision }, done);
  return {
    sweep,
    ...how,
    set: (change) => setChosen((before) => ({ ...before, ...change })),
    run: () => kernel.ask<SweepJson>("sweep", params, { done }),
  };
}
