/** A steering panel under test, with a made-up kernel, and hands to use it with. */

import { afterEach, beforeEach } from "vitest";
import type { Model } from "../src/kernel/types";
import widget from "../src/widgets/steering";
import type { Recipe } from "../src/widgets/steering/recipe/recipe";
import { FakeModel, type Sent, settle } from "./fake";
import * as fake from "./fake_steering";

const { answering, STATE } = fake;

export let model: FakeModel;
export let el: HTMLElement;
export let stop: () => void;

export function start(state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering): void {
  model = new FakeModel({ ...STATE, ...state });
  model.answer = answer;
  el = document.createElement("div");
  document.body.replaceChildren(el);
  stop = widget.render({ model, el });
}

/** The view on a host of one's own. */
export function show(host: Model): void {
  el = document.createElement("div");
  document.body.replaceChildren(el);
  stop = widget.render({ model: host, el });
}

export const find = <E extends HTMLElement>(selector: string) => el.querySelector<E>(selector);
export const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
export const button = (text: string) =>
  all("button").find((one) => one.textContent === text) as HTMLButtonElement | undefined;
export const named = <E extends HTMLElement>(name: string) => find<E>(`[aria-label="${name}"]`);
export const panel = (name: string) => find(`section[aria-label="${name}"]`);
export const requests = (channel: string) => model.sent.filter((m) => m.t === "req" && m.ch === channel);
export const params = (channel: string) => requests(channel).at(-1)?.p;
export const press = (target: Element | null | undefined, key: string) =>
  target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
export const type = (box: HTMLElement | null | undefined, value: string) => {
  if (!box) throw new Error("There is no such box.");
  (box as HTMLInputElement).value = value;
  box.dispatchEvent(new Event("input", { bubbles: true }));
};
export const choose = (box: HTMLElement | null | undefined, value: string) => {
  if (!box) throw new Error("There is no such menu.");
  (box as HTMLSelectElement).value = value;
  box.dispatchEvent(new Event("change", { bubbles: true }));
};
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
