/**
 * A widget's host without a kernel: the model lives in the page, and questions are answered from what was recorded.
 * What was not recorded is answered as "Offline", so the view can say so.
 */

import { fromBase64 } from "../shared/arrays";
import type { ArraySpec, FromKernel, Json, Model } from "../shared/types";

export interface Recorded {
  ch: string;
  p: Json;
  r: Json;
  arrays: ArraySpec[];
}

export interface Bundle {
  state: Record<string, Json>;
  recorded: Recorded[];
}

type Callback = (...args: unknown[]) => void;

/** One string for equal JSON values (sorted keys). */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/** Parameters that no recorded answer depends on: every ranking carries the scale of all features that it lists. */
const IGNORED: Record<string, string> = { tokens: "rank", rank: "features" };

/** Which groups of examples a choice of them shows. */
const GROUPS: Record<string, RegExp> = { top: /^(top|bottom)$/, intervals: /^\d$/, silent: /^(near|silent)$/ };

/** What an answer is filed under. */
function fileUnder(channel: string, params: Json): string {
  if (typeof params !== "object" || params === null || Array.isArray(params)) return `${channel} ${canonical(params)}`;
  const kept = Object.entries(params).filter(([name]) => name !== IGNORED[channel]);
  return `${channel} ${canonical(Object.fromEntries(kept))}`;
}

export class RecordedModel implements Model {
  readonly #state: Map<string, unknown>;
  readonly #answers: Map<string, Recorded>;
  readonly #listeners = new Map<string, Set<Callback>>();

  constructor(bundle: Bundle) {
    this.#state = new Map(Object.entries(bundle.state));
    this.#answers = new Map(bundle.recorded.map((item) => [fileUnder(item.ch, item.p), item]));
  }

  get(name: string): unknown {
    return this.#state.get(name);
  }

  set(name: string, value: unknown): void {
    if (Object.is(this.#state.get(name), value)) return;
    this.#state.set(name, value);
    this.#emit(`change:${name}`);
  }

  save_changes(): void {}

  on(event: string, callback: Callback): void {
    const found = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, found.add(callback));
  }

  off(event: string, callback: Callback): void {
    this.#listeners.get(event)?.delete(callback);
  }

  send(content: unknown): void {
    const message = content as { t?: string; id?: string; ch?: string; p?: Json };
    if (message.t !== "req" || message.id === undefined || message.ch === undefined) return;
    const id = message.id;
    const found =
      this.#answers.get(fileUnder(message.ch, message.p ?? null)) ??
      (message.ch === "random" ? this.#randomFeature(message.p ?? null) : undefined) ??
      (message.ch === "recorded" ? this.#whichRecorded(message.p ?? null) : undefined) ??
      (message.ch === "examples" ? this.#someGroups(message.p ?? null) : undefined);
    const e = {
      type: "Offline",
      message: "Not recorded in this page. Run it live to compute this.",
      traceback: "",
    };
    const answer: FromKernel = found
      ? { t: "res", id, ok: true, r: found.r, arrays: found.arrays }
      : { t: "res", id, ok: false, e };
    queueMicrotask(() => this.#emit("msg:custom", answer, []));
  }

  /** A dashboard's page draws from the features that it has, of the same list. */
  #randomFeature(params: Json): Recorded | undefined {
    const at = (value: Json, key: string): Json =>
      typeof value === "object" && value !== null && !Array.isArray(value) ? (value[key] ?? null) : null;
    const list = canonical(at(params, "list"));
    const others = [...this.#answers.values()].filter(
      ({ ch, p }) => ch === "feature" && canonical(at(p, "list")) === list && at(p, "f") !== this.get("feature"),
    );
    const drawn = others[Math.floor(Math.random() * others.length)];
    return drawn && { ch: "random", p: params, r: { f: at(drawn.p, "f") }, arrays: [] };
  }

  /** Which of several questions have an answer here, so that a view can grey out the others. */
  #whichRecorded(params: Json): Recorded | undefined {
    if (!Array.isArray(params)) return undefined;
    const asked = params as unknown as { ch: string; p: Json }[];
    return { ch: "recorded", p: params, r: asked.map(({ ch, p }) => this.#answers.has(fileUnder(ch, p))), arrays: [] };
  }

  /** Some groups of a dashboard's examples are in the answer that has all of them. */
  #someGroups(params: Json): Recorded | undefined {
    if (typeof params !== "object" || params === null || Array.isArray(params)) return undefined;
    const keys = GROUPS[String(params.group)];
    const whole = this.#answers.get(fileUnder("examples", { ...params, group: "all" }));
    if (!keys || !whole || typeof whole.r !== "object" || whole.r === null || Array.isArray(whole.r)) return undefined;
    const groups = (whole.r.groups as { key: string }[]).filter(({ key }) => keys.test(key));
    return { ...whole, p: params, r: { ...whole.r, groups: groups as Json } };
  }

  #emit(event: string, ...args: unknown[]): void {
    for (const callback of [...(this.#listeners.get(event) ?? [])]) callback(...args);
  }
}

async function unpack(gz: string): Promise<Bundle> {
  const stream = new Blob([fromBase64(gz) as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text()) as Bundle;
}

/** Show the page's recorded widget in #saew-root and hide its static picture. */
export function boot(render: (context: { model: Model; el: HTMLElement }) => void): void {
  start(render).catch((error: unknown) => {
    // The static picture stays; only say why the live one did not come.
    const said = document.createElement("p");
    said.textContent = `The interactive view could not start: ${String(error)}`;
    document.getElementById("saew-root")?.append(said);
  });
}

async function start(render: (context: { model: Model; el: HTMLElement }) => void): Promise<void> {
  const root = document.getElementById("saew-root");
  const data = document.getElementById("saew-data");
  if (!root || !data) throw new Error("The page lacks its data.");
  const outer = JSON.parse(data.textContent ?? "") as { version: number; gz: string };
  if (outer.version !== 1)
    throw new Error(`The page has data of version ${outer.version}; this script reads version 1.`);
  render({ model: new RecordedModel(await unpack(outer.gz)), el: root });
  document.getElementById("saew-static")?.setAttribute("hidden", "");
}
