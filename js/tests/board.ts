/** A dashboard under test, with a made-up kernel, and hands to use it with. */

import { beforeEach } from "vitest";
import type { Model } from "../src/kernel/types";
import widget from "../src/widgets/dashboard";
import { FakeModel, settle } from "./fake";
import { answering, STATE } from "./fake_dashboard";

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
export const title = () => find("h2")?.textContent;
export const rows = () => all(".saew-ex");
export const requests = (channel: string) => model.sent.filter((m) => m.t === "req" && m.ch === channel);
export const button = (text: string) =>
  all("button").find((one) => one.textContent === text) as HTMLButtonElement | undefined;
export const panel = (name: string) => find(`section[aria-label="${name}"]`);
export const press = (target: Element | null, key: string, init: KeyboardEventInit = {}) =>
  target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));
export const type = (box: HTMLInputElement | HTMLTextAreaElement | null, value: string) => {
  if (!box) throw new Error("There is no such box.");
  box.value = value;
  box.dispatchEvent(new Event("input", { bubbles: true }));
};
export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A view of its own for every test of the file. */
export function eachStarts(): void {
  beforeEach(async () => {
    start();
    await settle();
  });
}
