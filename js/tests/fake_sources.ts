/** What the tests' kernels answer on "sources": three tokens and two heads, whose sums are those of the parts. */

import type { SourcesJson } from "../src/feature/sources";
import type { FromKernel, Json } from "../src/kernel/types";
import { type Sent, spec } from "./fake";

export const PARTS = [
  [0.5, -1, 0.25],
  [0.25, 3, 0],
];

export function sourcesAnswer(id: string, f: number, extra: Partial<SourcesJson> = {}, parts = PARTS): FromKernel {
  const n = parts[0]?.length ?? 0;
  const byToken = Float32Array.from({ length: n }, (_, s) => parts.reduce((sum, row) => sum + (row[s] ?? 0), 0));
  const byHead = Float32Array.from(parts, (row) => row.reduce((sum, value) => sum + value, 0));
  const all = byHead.reduce((sum, value) => sum + Math.abs(value), 0);
  const total = byHead.reduce((sum, value) => sum + value, 0);
  const r: SourcesJson = {
    f,
    key: "",
    activation_name: "activation",
    text: null,
    at: n - 1,
    first: 0,
    lead: 0,
    str: ["<|bos|>", "the", " \u202ecat<b>"].slice(0, n),
    notes: [],
    silent: null,
    activation: total + 0.25,
    total,
    rest: 0.25,
    rest_label: "not from any token (encoder bias, threshold, b_dec)",
    heads: parts.map((_, h) => h + 4),
    ...extra,
  };
  return {
    t: "res",
    id,
    ok: true,
    r: r as unknown as Json,
    arrays: [
      spec(
        "flags",
        "u8",
        Uint8Array.from(r.str, (_, i) => (i === 0 ? 1 : 0)),
      ),
      spec("by_token", "f32", byToken),
      spec("by_head", "f32", byHead),
      spec(
        "head_share",
        "f32",
        byHead.map((sum) => Math.abs(sum) / all),
      ),
      spec("parts", "f32", Float32Array.from(parts.flat())),
    ],
  };
}

/** An answer without bars. */
export function silentAnswer(id: string, f: number, extra: Partial<SourcesJson> = {}): FromKernel {
  const r = { activation: 0, total: 0, rest: 0, rest_label: "", heads: [], str: [], at: -1, ...extra };
  return sourcesAnswer(id, f, { silent: "not active here: nothing to take apart", ...r }, []);
}

/** The answer to a question of "sources", of the computation `key`. */
export function sourcesAnswering({ id, ch, p }: Sent, key = ""): FromKernel | null {
  return ch === "sources" ? sourcesAnswer(id, Number(p?.f), { key }) : null;
}
