/**
 * What Python writes (tests/unit/test_golden.py makes the files) is what the views are given: each draws its widget's page of
 * it, and the made-up answers of the other tests have the same fields.
 */

import { beforeEach, describe, expect, test } from "vitest";
import type { FromKernel, Json } from "../src/kernel/types";
import { type Bundle, RecordedModel } from "../src/page/host";
import attributionWidget from "../src/widgets/attribution";
import besideWidget from "../src/widgets/beside";
import blindtestWidget from "../src/widgets/blindtest";
import browserWidget from "../src/widgets/browser";
import catalogWidget from "../src/widgets/catalog";
import comparisonWidget from "../src/widgets/comparison";
import dashboardWidget from "../src/widgets/dashboard";
import graphWidget from "../src/widgets/graph";
import heatmapWidget from "../src/widgets/heatmap";
import layersWidget from "../src/widgets/layers";
import mapWidget from "../src/widgets/map";
import steeringWidget from "../src/widgets/steering";
import subspaceWidget from "../src/widgets/subspace";
import { answering as heatmapAnswer, type Sent, settle } from "./fake";
import { answering as attributionAnswer } from "./fake_attribution";
import { answering as besideAnswer } from "./fake_beside";
import { answering as blindtestAnswer } from "./fake_blindtest";
import { answering as browserAnswer } from "./fake_browser";
import { answering as catalogAnswer } from "./fake_catalog";
import { answering as comparisonAnswer } from "./fake_comparison";
import { answering as dashboardAnswer } from "./fake_dashboard";
import { answering as graphAnswer } from "./fake_graph";
import { answering as layersAnswer } from "./fake_layers";
import { answering as mapAnswer } from "./fake_map";
import { answering as steeringAnswer } from "./fake_steering";
import { answering as subspaceAnswer } from "./fake_subspace";
import attribution from "./golden/attribution.json";
import beside from "./golden/beside.json";
import blindtest from "./golden/blindtest.json";
import browser from "./golden/browser.json";
import catalog from "./golden/catalog.json";
import comparison from "./golden/comparison.json";
import dashboard from "./golden/dashboard.json";
import graph from "./golden/graph.json";
import heatmap from "./golden/heatmap.json";
import layers from "./golden/layers.json";
import map from "./golden/map.json";
import steering from "./golden/steering.json";
import subspace from "./golden/subspace.json";

/** What is by name: of SAEs, of facts. */
const NAMED = /\.(median_norm|provenance|labels|names)$/;

/** Where two values differ in their fields or types; null stands for anything, and lists are compared by their first items. */
function differences(a: unknown, b: unknown, path: string): string[] {
  if (a === null || b === null) return [];
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length && b.length ? differences(a[0], b[0], `${path}[]`) : [];
  }
  if (typeof a !== typeof b || Array.isArray(a) !== Array.isArray(b)) return [`${path}: ${typeof a}, not ${typeof b}`];
  if (typeof a !== "object" || NAMED.test(path)) return [];
  const [one, other] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.flatMap((name) => {
    if (!(name in one)) return [`${path}.${name} is not in the made-up answer`];
    if (!(name in other)) return [`${path}.${name} is not in Python's`];
    return differences(one[name], other[name], `${path}.${name}`);
  });
}

const WIDGETS = [
  { name: "heatmap", golden: heatmap, widget: heatmapWidget, answer: heatmapAnswer, shows: "God" },
  { name: "comparison", golden: comparison, widget: comparisonWidget, answer: comparisonAnswer, shows: "God" },
  { name: "beside", golden: beside, widget: besideWidget, answer: besideAnswer, shows: "explanation" },
  { name: "layers", golden: layers, widget: layersWidget, answer: layersAnswer, shows: "God" },
  { name: "dashboard", golden: dashboard, widget: dashboardWidget, answer: dashboardAnswer, shows: "a name" },
  { name: "steering", golden: steering, widget: steeringWidget, answer: steeringAnswer, shows: "feature 3" },
  { name: "blindtest", golden: blindtest, widget: blindtestWidget, answer: blindtestAnswer, shows: "a name" },
  { name: "browser", golden: browser, widget: browserWidget, answer: browserAnswer, shows: "three" },
  { name: "catalog", golden: catalog, widget: catalogWidget, answer: catalogAnswer, shows: "tiny-release" },
  {
    name: "attribution",
    golden: attribution,
    widget: attributionWidget,
    answer: attributionAnswer,
    shows: "explanation",
  },
  { name: "subspace", golden: subspace, widget: subspaceWidget, answer: subspaceAnswer, shows: "three" },
  { name: "graph", golden: graph, widget: graphWidget, answer: graphAnswer, shows: "capital-dallas" },
  { name: "map", golden: map, widget: mapWidget, answer: mapAnswer, shows: "nearest neighbours" },
] as const;

describe.each(WIDGETS)("$name", ({ golden, widget, answer, shows }) => {
  const bundle = golden as unknown as Bundle;
  let el: HTMLElement;

  beforeEach(() => {
    el = document.createElement("div");
    document.body.replaceChildren(el);
  });

  test("the page of Python's payload is drawn", async () => {
    const model = new RecordedModel(bundle, widget.offline);
    const stop = widget.render({ model, el });
    for (let i = 0; i < 20; i++) await settle();
    expect(el.querySelector(".saew-banner")?.textContent ?? "").toBe("");
    expect(el.textContent).toContain(shows);
    expect(el.textContent).not.toMatch(/NaN|undefined|\[object/);
    stop();
  });

  test("made-up answers have Python's fields", () => {
    const wrong: string[] = [];
    let compared = 0;
    for (const { ch, p, r, arrays } of bundle.recorded) {
      const made: FromKernel | null = answer({ t: "req", id: "v:1", ch, p: p as Json } as Sent);
      if (made?.t !== "res" || !made.ok) continue;
      compared += 1;
      wrong.push(...differences(made.r, r, ch));
      const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).sort();
      if (String(names(made.arrays)) !== String(names(arrays)))
        wrong.push(`${ch}: ${names(made.arrays)}, not ${names(arrays)}`);
    }
    expect([...new Set(wrong)]).toEqual([]);
    expect(compared).toBeGreaterThan(1);
  });
});
