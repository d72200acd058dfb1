/** A view under test, with a made-up kernel, and hands to use it with. One at a time: the bindings follow the view. */

import { vi } from "vitest";
import type { Model } from "../src/kernel/types";
import type { Widget } from "../src/page/mount";
import { FakeModel } from "./fake";

export let model: FakeModel;
export let el: HTMLElement;
export let stop: () => void;

/** The view of a widget whose kernel has this state and gives these answers. */
export function open(widget: Widget, state: Record<string, unknown>, answer: FakeModel["answer"]): void {
  model = new FakeModel(state);
  model.answer = answer;
  openOn(widget, model);
}

/** The view on a host of one's own. */
export function openOn(widget: Widget, host: Model): void {
  el = document.createElement("div");
  document.body.replaceChildren(el);
  stop = widget.render({ model: host, el });
}

export const find = <E extends HTMLElement>(selector: string) => el.querySelector<E>(selector);
export const all = (selector: string) => [...el.querySelectorAll<HTMLElement>(selector)];
export const named = <E extends HTMLElement>(name: string) => find<E>(`[aria-label="${name}"]`);
export const panel = (name: string) => find(`section[aria-label="${name}"]`);
export const button = (text: string) =>
  all("button").find((one) => one.textContent === text) as HTMLButtonElement | undefined;
export const requests = (channel: string) => model.sent.filter((m) => m.t === "req" && m.ch === channel);

export const click = (target: Element | null | undefined, init: MouseEventInit = {}) =>
  target?.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, ...init }));
export const press = (target: Element | null | undefined, key: string, init: KeyboardEventInit = {}) =>
  target?.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...init }));
/** What is to become true, however slow the machine. That something stays as it is cannot be waited for: see `pause`. */
export const until = (holds: () => void) => vi.waitFor(holds, { timeout: 120_000, interval: 5 });
/** Time for what must not happen to happen; longer or shorter, a right view passes. */
export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function fill(box: HTMLElement | null | undefined, value: string, event: "input" | "change"): void {
  if (!box) throw new Error("There is no such box.");
  (box as HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement).value = value;
  box.dispatchEvent(new Event(event, { bubbles: true }));
}
export const type = (box: HTMLElement | null | undefined, value: string) => fill(box, value, "input");
export const choose = (box: HTMLElement | null | undefined, value: string) => fill(box, value, "change");
