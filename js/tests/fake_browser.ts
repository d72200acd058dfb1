/** A kernel with the features of a made-up index: feature f has density f / n and a maximum of f. */

import type { FromKernel, Json } from "../src/kernel/types";
import type { BrowserJson, FeatureRow, RowsJson } from "../src/widgets/browser/wire";
import { cardAnswer, SAID, type Sent, spec } from "./fake";

export const STATE = {
  feature: null,
  selected_features: [],
  query: "",
  by: "words",
  sort: "",
  descending: true,
  filters: {},
  only: "",
  card: true,
  theme: "light",
  error: null,
  revision: 0,
};

const OTHERS = "max min mean std logit_std logit_skew logit_kurtosis neuron_r neighbour_cosine".split(" ");

interface Chosen {
  query: string;
  descending: boolean;
}

/** The windows of `n` features, from the largest down (or up). */
export const kernelOf =
  (n: number) =>
  (message: Sent): FromKernel | null => {
    if (message.t !== "req") return null;
    const { id, p } = message;
    const answer = (r: object, arrays: ReturnType<typeof spec>[] = []): FromKernel => ({
      t: "res",
      id,
      ok: true,
      r: r as Json,
      arrays,
    });
    if (message.ch === "card") return cardAnswer(id, Number(p?.f));
    if (message.ch === "list") return answer({ name: String(p?.name), n: 2 });
    if (message.ch === "summary") {
      const r: BrowserJson = {
        columns: ["density", "count", ...OTHERS].map((name) => ({
          name,
          title: name === "count" ? "tokens" : name,
          says: `what ${name} is`,
          form: name === "density" ? "share" : name === "count" ? "count" : "num",
          edges: name === "min" ? [] : [0, 1, 2, 4],
        })),
        lists: [{ name: "mine", n: 2 }],
        shown: ["density", "max", "mean"],
        provenance: [["model", "tiny"]],
        notes: [],
      };
      return answer(
        r,
        r.columns.map(({ name, edges }) =>
          spec(`counts_${name}`, "u32", edges.length ? Uint32Array.from([5, 0, 2]) : new Uint32Array(0)),
        ),
      );
    }
    const { query, descending } = (p?.chosen ?? {}) as Chosen;
    const total = query ? 3 : n;
    const first = Number(p?.first);
    const features = Array.from({ length: Math.min(Number(p?.count), Math.max(0, total - first)) }, (_, i) =>
      descending ? n - 1 - first - i : first + i,
    );
    const rows: FeatureRow[] = features.map((f) => ({
      label: f === 7 ? "<b>seven</b>" : null,
      said: f === 7 ? null : { ...SAID, text: `says ${f}` },
      how: query ? "word" : null,
    }));
    const r: RowsJson = { total, of: n, first, capped: false, rows };
    const numbers = (of: (f: number) => number) => Float32Array.from(features.map(of));
    return answer(r, [
      spec("feature", "u32", Uint32Array.from(features)),
      spec(
        "match",
        "f32",
        numbers(() => (query ? 1 : Number.NaN)),
      ),
      spec(
        "density",
        "f32",
        numbers((f) => f / n),
      ),
      spec("count", "u32", Uint32Array.from(features)),
      ...OTHERS.map((name) =>
        spec(
          name,
          "f32",
          numbers((f) => (f === 0 ? Number.NaN : f)),
        ),
      ),
    ]);
  };

export const answering = kernelOf(300);
