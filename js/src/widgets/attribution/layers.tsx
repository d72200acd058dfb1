/** The dictionaries of the engine, by layer: what the features of each are worth, and which one is listed below. */

import { percent, signed } from "../../controls/format";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { label } from "../../tokens/visible";
import type { LayerJson } from "./wire";

interface Props {
  model: Model;
  layers: readonly LayerJson[];
  shown: string;
}

export function Layers({ model, layers, shown }: Props) {
  /** A page has the answers of one. */
  const several = (useTrait<string[] | undefined>(model, "saes") ?? []).length > 1;
  const most = Math.max(...layers.map(({ positive, negative }) => Math.max(positive, -negative)));
  const worth = (value: number) => (
    <td class="saew-num saew-by">
      <span
        class={value < 0 ? "saew-bar saew-against" : "saew-bar saew-for"}
        style={{ width: `${most > 0 ? ((Math.abs(value) / most) * 100).toFixed(1) : 0}%` }}
      />
      <span>{signed(value)}</span>
    </td>
  );
  return (
    <table class="saew-by-layer">
      <caption class="saew-small">
        By layer, over the tokens of the ranking. What an early layer causes goes through later ones: not to be added
        up.
      </caption>
      <thead>
        <tr class="saew-small">
          <th scope="col">layer</th>
          <th scope="col" class="saew-num" title="Features that are active on the tokens of the ranking">
            features
          </th>
          <th scope="col" class="saew-num" title="Sum of those whose attribution is positive">
            for
          </th>
          <th scope="col" class="saew-num" title="Sum of those whose attribution is negative">
            against
          </th>
          <th
            scope="col"
            class="saew-num"
            title="Of the gradient's flow through this dictionary over all tokens that count, what it does not reconstruct"
          >
            error share
          </th>
        </tr>
      </thead>
      <tbody>
        {layers.map(({ name, positive, negative, n, error_share }) => (
          <tr key={name} class={name === shown ? "saew-chosen" : undefined}>
            <th scope="row">
              <button
                type="button"
                class="saew-link"
                aria-pressed={name === shown}
                disabled={!several}
                title={
                  several ? "List the features of this dictionary" : "Not recorded in this page. Run it live to see it."
                }
                onClick={() => save(model, { sae: name, feature: null, chosen: [] })}
              >
                {label(name)}
              </button>
            </th>
            <td class="saew-num">{n.toLocaleString("en")}</td>
            {worth(positive)}
            {worth(negative)}
            <td class="saew-num">{error_share === null ? "\u2013" : percent(error_share)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
