/** A made-up kernel behind the catalog: a hundred thousand SAEs of which each is computed from its place. */

import type { FromKernel, Json } from "../src/kernel/types";
import type { CatalogJson, DetailsJson, Ready, SaeRow } from "../src/widgets/catalog/wire";
import { type Sent, spec } from "./fake";

export const STATE = {
  selected: null,
  query: "",
  of_model: "",
  architecture: "",
  sort: "",
  descending: false,
  filters: {},
  theme: "light",
  error: null,
  revision: 0,
};

export function sae(at: number): SaeRow {
  return {
    release: `release-${at % 7}`,
    sae_id: `blocks.${at}.hook_resid_pre`,
    model: at % 2 ? "gpt2-small" : "gemma-2-2b",
    hook_name: at % 3 ? `blocks.${at}.hook_resid_pre` : null,
    layer: at,
    width: at % 5 ? 16384 : null,
    l0: at + 0.5,
    variance_explained: at % 4 ? 0.75 : null,
    architecture: at % 3 ? "jumprelu" : null,
    neuronpedia_id: at % 2 ? `gpt2-small/${at}-res` : null,
    repo_id: "owner/saes",
  };
}

/** What the kernel has by now. */
export const kernel: { total: number; ready: Ready | null; own: string } = { total: 100_000, ready: null, own: "" };

export function details(release: string, sae_id: string, dtype = "float32"): DetailsJson {
  const loaded = kernel.ready?.sae_id === sae_id && kernel.ready.release === release;
  return {
    release,
    sae_id,
    fields: [
      { name: "model", title: "model", value: "gpt2-small", says: "The language model." },
      { name: "width", title: "width (d_sae)", value: null, says: "How many features." },
      ...(loaded ? [{ name: "context_size", title: "context size", value: "128", says: "Tokens in each text." }] : []),
    ],
    later: loaded ? "" : "Known once it is loaded: context size and more.",
    code: `engine = load("${release}", "${sae_id}", "${dtype}")`,
    sae_lens_code: `sae = SAE("${release}", "${sae_id}")`,
    misfit: kernel.own ? "It was trained on another model." : null,
    engine: kernel.ready,
  };
}

const EDGES = [-0.5, 0.5, 1.5, 2.5, 3.5];

function summary(): CatalogJson {
  return {
    columns: [
      { name: "layer", title: "layer", says: "The block", form: "whole", edges: EDGES },
      { name: "width", title: "width", says: "Features", form: "count", edges: [1000, 2000, 4000] },
      { name: "l0", title: "L0", says: "Active", form: "num", edges: [] },
      { name: "variance_explained", title: "variance explained", says: "Share", form: "num", edges: [0, 0.5, 1] },
    ],
    models: ["gemma-2-2b", "gpt2-small"],
    architectures: ["gated", "jumprelu"],
    model: kernel.own,
    fitting: kernel.own ? ["gpt2-small"] : [],
    provenance: [["directory", "sae-lens 6"]],
    notes: [],
  };
}

export function rows(first: number, count: number): SaeRow[] {
  return Array.from({ length: Math.max(0, Math.min(count, kernel.total - first)) }, (_, i) => sae(first + i));
}

/** Everything but "load", which a test answers. */
export function answering({ t, id, ch, p = {} }: Sent): FromKernel | null {
  if (t !== "req") return null;
  const ok = (r: unknown, arrays: ReturnType<typeof spec>[] = []): FromKernel => ({
    t: "res",
    id,
    ok: true,
    r: r as Json,
    arrays,
  });
  if (ch === "summary")
    return ok(summary(), [
      spec("counts_layer", "u32", Uint32Array.of(1, 2, 0, 4)),
      spec("counts_width", "u32", Uint32Array.of(1, 2)),
      spec("counts_l0", "u32", new Uint32Array(0)),
      spec("counts_variance_explained", "u32", Uint32Array.of(3, 1)),
    ]);
  if (ch === "details") return ok(details(String(p.release), String(p.sae_id), String(p.dtype)));
  if (ch === "rows") {
    const shown = rows(Number(p.first), Number(p.count));
    const fits = Uint8Array.from(shown, (row) => (kernel.own && row.model !== "gpt2-small" ? 0 : 2));
    return ok({ total: kernel.total, of: 100_000, first: Number(p.first), rows: shown }, [spec("fits", "u8", fits)]);
  }
  return null;
}
