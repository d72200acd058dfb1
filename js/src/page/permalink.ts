/**
 * The address of a page says which feature it shows: `page.html#feature-123`. Where a page has no address of its own (a
 * frame's srcdoc), or may not change it, nothing is said.
 */

import type { Model } from "../kernel/types";

const HASH = /^#feature-(\d+)$/;

/** Open what the address names, now and whenever it changes, and let it follow the model's feature. */
export function followAddress(model: Model, open: (feature: number) => void): void {
  const first = model.get("feature") as number | null;
  const named = () => {
    const found = HASH.exec(location.hash)?.[1];
    return found === undefined ? null : Number(found);
  };
  let opening = false;
  const told = () => {
    const feature = named() ?? first;
    opening = true;
    if (feature !== null && feature !== model.get("feature")) open(feature);
    // What is not in the page goes back by itself before the next task; then the address is wrong, and no step to go back to.
    setTimeout(() => {
      opening = false;
      follow("replaceState");
    });
  };
  const follow = (how: "pushState" | "replaceState") => {
    const feature = model.get("feature") as number | null;
    if (opening || feature === null || feature === (named() ?? first)) return;
    try {
      history[how](null, "", `#feature-${feature}`);
    } catch {
      // A frame whose address is another's.
    }
  };
  model.on("change:feature", () => setTimeout(() => follow("pushState")));
  addEventListener("popstate", told);
  addEventListener("hashchange", told);
  if (named() !== null) told();
}
