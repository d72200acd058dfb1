/**
 * One run as it is written: tokens of every text, arriving step by step. Outside Preact's state: a step comes every few
 * dozen milliseconds, and only the boxes that show these texts need to know, once per frame.
 */

import type { Reply } from "../../../kernel/types";
import {
  type Asked,
  type GenerateJson,
  line,
  type Part,
  type PromptJson,
  type Remembered,
  type Settings,
  type StepToken,
  type TextJson,
  widthOf,
} from "../wire";

/** One text; it grows while it is written. */
export interface Text {
  ids: number[];
  str: string[];
  flags: number[];
  logprob: ArrayLike<number>;
  entropy: ArrayLike<number>;
  ended: boolean;
}

export type Side = "baseline" | "edited";

export class Run {
  prompt: PromptJson | null = null;
  notes: string[] = [];
  baseline: Text[] = [];
  edited: Text[] = [];
  /** The first step at which each pair differs, as far as is known. */
  diverge: (number | null)[] = [];
  /** The whole answer; null while it is on its way, and for a run out of the history. */
  answer: GenerateJson | null = null;
  stopped = false;
  readonly #listeners = new Set<() => void>();
  #frame = 0;

  constructor(
    readonly asked: Asked,
    readonly settings: Settings,
    /** Its number in the history; null while it has none. */
    public id: number | null = null,
    /** Texts out of the history: strings without tokens. */
    readonly plain = false,
  ) {}

  /** A run of the history. */
  static of({ id, settings, baseline, edited, stopped, ...asked }: Remembered): Run {
    const { recipe, prompt, chat, messages } = asked;
    const run = new Run({ recipe, prompt, chat, messages }, settings, id, true);
    const whole = (text: string): Text => ({ ...empty(), str: [text], flags: [0] });
    run.baseline = baseline.map(whole);
    run.edited = edited.map(whole);
    run.diverge = run.baseline.map(() => null);
    run.stopped = stopped;
    return run;
  }

  text(side: Side, sample: number): Text | undefined {
    return this[side][sample];
  }

  /** Hear of new tokens; returns how to stop. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  part(part: Part): void {
    if ("prompt" in part) {
      this.prompt = part.prompt;
      this.notes = part.notes;
    } else {
      part.b.forEach((_, sample) => {
        this.#put(this.baseline, sample, part.b[sample] ?? null);
        this.#put(this.edited, sample, part.e[sample] ?? null);
        const same = part.b[sample]?.[0] === part.e[sample]?.[0];
        this.diverge[sample] ??= same ? null : part.s;
      });
    }
    if (this.#frame === 0) this.#frame = requestAnimationFrame(() => this.#tell());
  }

  #put(texts: Text[], sample: number, token: StepToken): void {
    texts[sample] ??= empty();
    const text = texts[sample];
    if (!token) {
      text.ended = true;
      return;
    }
    const [id, string, flags, logprob, entropy] = token;
    text.ids.push(id);
    text.str.push(string);
    text.flags.push(flags);
    (text.logprob as number[]).push(logprob);
    (text.entropy as number[]).push(entropy);
  }

  finish(reply: Reply<GenerateJson>): void {
    const { r } = reply;
    const width = widthOf(reply, "b_logprob", r.baseline.length);
    const text = (name: string) => (one: TextJson, i: number) => ({
      ids: one.ids,
      str: one.str,
      flags: one.flags,
      logprob: line(reply.arrays, `${name}_logprob`, i, width),
      entropy: line(reply.arrays, `${name}_entropy`, i, width),
      ended: one.ended,
    });
    // The same objects, so that what is drawn stays: only a last character may look different now.
    const keep = (texts: Text[], whole: Text[]) => whole.map((one, i) => Object.assign(texts[i] ?? empty(), one));
    this.baseline = keep(this.baseline, r.baseline.map(text("b")));
    this.edited = keep(this.edited, r.edited.map(text("e")));
    this.diverge = r.diverge;
    this.prompt = r.prompt;
    this.notes = r.notes;
    this.stopped = r.stopped;
    this.answer = r;
    this.#tell();
  }

  #tell(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    for (const listener of [...this.#listeners]) listener();
  }

  /** As the history keeps it. */
  remembered(id: number, revision: number): Remembered {
    const strings = (texts: Text[]) => texts.map((text) => text.str.join(""));
    return {
      id,
      ...this.asked,
      settings: this.settings,
      baseline: strings(this.baseline),
      edited: strings(this.edited),
      stopped: this.stopped,
      revision,
    };
  }
}

function empty(): Text {
  return { ids: [], str: [], flags: [], logprob: [], entropy: [], ended: false };
}
