/** A steering panel under test, and what a test looks for in it. */

import { afterEach, beforeEach } from "vitest";
import type { Model } from "../src/kernel/types";
import widget from "../src/widgets/steering";
import type { Recipe } from "../src/widgets/steering/recipe/recipe";
import { type FakeModel, type Sent, settle } from "./fake";
import * as fake from "./fake_steering";
import { all, button, model, open, openOn, requests, stop } from "./hands";

export * from "./hands";

const { answering, STATE } = fake;

export const start = (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering) =>
  open(widget, { ...STATE, ...state }, answer);
export const show = (host: Model) => openOn(widget, host);

export const params = (channel: string) => requests(channel).at(-1)?.p;
export const rows = () => (model.get("recipe") as Recipe).interventions;
export const textOf = (side: number) =>
  [...(all(".saew-pair .saew-tokens")[side]?.querySelectorAll(".saew-t") ?? [])].map((t) => t.textContent);
export const asked = (extra: Record<string, unknown> = {}) => ({
  recipe: STATE.recipe,
  prompt: STATE.prompt,
  chat: false,
  messages: [],
  ...extra,
});
export const failing = (channel: string, message: string) => (m: Sent) =>
  m.t === "req" && m.ch === channel
    ? ({ t: "res", id: m.id, ok: false, e: { type: "Broken", message, traceback: "tb" } } as const)
    : answering(m);
export const silentOn = (channel: string) => (m: Sent) => (m.ch === channel ? null : answering(m));

export async function generate(): Promise<void> {
  button("Generate")?.click();
  await settle();
}

/** A view of its own for every test of the file. */
export function eachStarts(): void {
  beforeEach(async () => {
    start();
    await settle();
  });
  afterEach(() => stop());
}
