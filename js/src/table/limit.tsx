/** How many rows a ranking has: a few sizes, and whichever Python set. */

import { save, useTrait } from "../kernel/traits";
import type { Model } from "../kernel/types";

const LIMITS = [10, 25, 50, 100, 200];

export function Limit({ model }: { model: Model }) {
  const limit = useTrait<number>(model, "limit");
  return (
    <label class="saew-nowrap">
      {"rows "}
      <select value={String(limit)} onChange={(event) => save(model, { limit: Number(event.currentTarget.value) })}>
        {[...new Set([...LIMITS, limit])]
          .sort((a, b) => a - b)
          .map((n) => (
            <option key={n} value={String(n)}>
              {n}
            </option>
          ))}
      </select>
    </label>
  );
}
