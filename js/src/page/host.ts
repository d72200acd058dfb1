/**
 * A widget's host without a kernel: the model lives in the page, and questions are answered from what was recorded.
 * What was not recorded is answered as "Offline", so the view can say so.
 */

import { fromBase64 } from "../kernel/arrays";
import type { FromKernel, Json, Model } from "../kernel/types";
import type { Widget } from "./mount";
import { fields, type Offline, type Recorded } from "./offline";

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

export class RecordedModel implements Model {
  readonly #state: Map<string, unknown>;
  readonly #answers: Map<string, Recorded>;
  readonly #listeners = new Map<string, Set<Callback>>();
  readonly #offline: Offline;

  constructor(bundle: Bundle, offline: Offline = {}) {
    this.#offline = offline;
    this.#state = new Map(Object.entries(bundle.state));
    this.#answers = new Map(bundle.recorded.map((item) => [this.#key(item.ch, item.p), item]));
  }

  /** What an answer is filed under. */
  #key(channel: string, params: Json): string {
    const all = fields(params);
    if (!all) return `${channel} ${canonical(params)}`;
    const kept = Object.entries(all).filter(([name]) => name !== this.#offline.ignored?.[channel]);
    return `${channel} ${canonical(Object.fromEntries(kept))}`;
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
    const found = this.#find(message.ch, message.p ?? null);
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

  #find(ch: string, p: Json): Recorded | undefined {
    const filed = this.#answers.get(this.#key(ch, p));
    if (filed) return filed;
    if (ch === "recorded") return this.#whichRecorded(p);
    const all = [...this.#answers.values()];
    return this.#offline.made?.[ch]?.(p, {
      all,
      of: (channel, params) => this.#answers.get(this.#key(channel, params)),
      trait: (name) => this.get(name),
    });
  }

  /** Which of several questions have an answer here, so that a view can grey out the others. */
  #whichRecorded(params: Json): Recorded | undefined {
    if (!Array.isArray(params)) return undefined;
    const asked = params as unknown as { ch: string; p: Json }[];
    return { ch: "recorded", p: params, r: asked.map(({ ch, p }) => this.#answers.has(this.#key(ch, p))), arrays: [] };
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
export function boot(widget: Widget): void {
  start(widget).catch((error: unknown) => {
    // The static picture stays; only say why the live one did not come.
    const said = document.createElement("p");
    said.textContent = `The interactive view could not start: ${String(error)}`;
    document.getElementById("saew-root")?.append(said);
  });
}

async function start({ render, offline }: Widget): Promise<void> {
  const root = document.getElementById("saew-root");
  const data = document.getElementById("saew-data");
  if (!root || !data) throw new Error("The page lacks its data.");
  const outer = JSON.parse(data.textContent ?? "") as { version: number; gz: string };
  if (outer.version !== 1)
    throw new Error(`The page has data of version ${outer.version}; this script reads version 1.`);
  render({ model: new RecordedModel(await unpack(outer.gz), offline), el: root });
  document.getElementById("saew-static")?.setAttribute("hidden", "");
}
