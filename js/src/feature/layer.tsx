/** Which dictionary of several is shown, in the model's order. Nothing where there is one, as on a page. */

import { save, useTrait } from "../kernel/traits";
import type { Model } from "../kernel/types";
import { label } from "../tokens/visible";

interface Props {
  model: Model;
  /** What goes with the features of the other one. */
  resets: Record<string, unknown>;
}

export function Layer({ model, resets }: Props) {
  const sae = useTrait<string | null>(model, "sae");
  const first = useTrait<string | undefined>(model, "default_sae");
  const saes = useTrait<string[] | undefined>(model, "saes") ?? [];
  if (saes.length < 2) return null;
  return (
    <label>
      {"features of "}
      <select value={sae ?? first} onChange={(event) => save(model, { sae: event.currentTarget.value, ...resets })}>
        {saes.map((name) => (
          <option key={name} value={name}>
            {label(name)}
          </option>
        ))}
      </select>
    </label>
  );
}
