/** Undoes src/saewidgets/snapshot/sharing.py: each {"$": n} is the n-th of what is shared, a key of dollars has one too many. */

import type { Json } from "../kernel/types";

const DOLLARS = /^\$+$/;

/** `value` with what is shared in its places: the same objects, so that nobody may change them. */
export function expanded<T>(shared: Json[], value: T): T {
  const fill = (one: Json): Json => {
    if (Array.isArray(one)) {
      for (let i = 0; i < one.length; i++) one[i] = fill(one[i] as Json);
      return one;
    }
    if (typeof one !== "object" || one === null) return one;
    if ("$" in one) return shared[one.$ as number] ?? null;
    for (const [key, item] of Object.entries(one)) {
      if (DOLLARS.test(key)) delete one[key];
      one[DOLLARS.test(key) ? key.slice(1) : key] = fill(item);
    }
    return one;
  };
  // They may name earlier ones.
  for (let i = 0; i < shared.length; i++) shared[i] = fill(shared[i] as Json);
  return fill(value as Json) as T;
}
