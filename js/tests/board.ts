/** A dashboard under test, and what a test looks for in it. */

import { beforeEach } from "vitest";
import type { Model } from "../src/kernel/types";
import widget from "../src/widgets/dashboard";
import { type FakeModel, settle } from "./fake";
import { answering, STATE } from "./fake_dashboard";
import { all, find, open, openOn } from "./hands";

export * from "./hands";

export const start = (state: Record<string, unknown> = {}, answer: FakeModel["answer"] = answering) =>
  open(widget, { ...STATE, ...state }, answer);
export const show = (host: Model) => openOn(widget, host);

export const title = () => find("h2")?.textContent;
export const rows = () => all(".saew-ex");

/** A view of its own for every test of the file. */
export function eachStarts(): void {
  beforeEach(async () => {
    start();
    await settle();
  });
}
