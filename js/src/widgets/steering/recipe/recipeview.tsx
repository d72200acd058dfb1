/** The recipe: its rows, how to add one, and what goes for all of them. */

import { useState } from "preact/hooks";
import { ChannelStatus } from "../../../controls/channelstatus";
import { Button, Small } from "../../../controls/small";
import type { Kernel } from "../../../kernel/kernel";
import type { State } from "../state";
import { type Item, OFFLINE, type Scales } from "../wire";
import { CopyPaste } from "./copy";
import { askedSae, newSae, sizeOf } from "./features";
import { Picker } from "./picker";
import { complete, type Intervention, intervention, type Recipe } from "./recipe";
import { Row } from "./row";

interface Props {
  state: State;
  kernel: Kernel;
  scales: Scales | null;
  prefix: string;
}

export function RecipeView({ state, kernel, scales, prefix }: Props) {
  const { recipe, edit, facts, offline } = state;
  const [adding, setAdding] = useState(false);
  const rows = recipe.interventions;
  /** What stands in place of row `i`. */
  const put = (i: number, become: (row: Intervention) => Intervention[], more: Partial<Recipe> = {}) =>
    edit((now) => {
      const interventions = now.interventions.flatMap((row, k) => (k === i ? become(row) : [row]));
      return { ...now, ...more, interventions };
    });
  const add = (item: Item) => {
    setAdding(false);
    edit((now) => ({ ...now, interventions: [...now.interventions, started(item, newSae(facts))] }));
  };
  // While the answer to an edit is on its way, rows and answers may be of different numbers.
  const fits = scales?.rows.length === rows.length ? scales : null;
  return (
    <section class="saew-panel" aria-label="Recipe">
      <div class="saew-head">
        <h3>Recipe</h3>
        <Small>{fits?.noop ? "changes nothing as it is" : recipe.name}</Small>
      </div>
      <fieldset class="saew-plain" disabled={offline} title={offline ? OFFLINE : undefined}>
        <ol class="saew-rows">
          {rows.map((row, i) => (
            <Row
              key={i}
              row={row}
              scale={fits?.rows[i] ?? null}
              facts={facts}
              kernel={kernel}
              id={`${prefix}-row${i}`}
              onChange={(part) => put(i, (now) => [{ ...now, ...part }])}
              onPreset={(made) => {
                const { interventions, ...more } = complete(made);
                put(i, () => interventions, rows.length === 1 ? more : { keep_error: more.keep_error });
              }}
              onRemove={() => put(i, () => [])}
            />
          ))}
        </ol>
        {rows.length === 0 && !adding && (
          <p class="saew-missing">No interventions yet: both texts would be the same. Add a feature to change one.</p>
        )}
        <ChannelStatus kernel={kernel} channel="preset" />
        <ChannelStatus kernel={kernel} channel="scales" />
        <Button class="saew-add" aria-expanded={adding} onClick={() => setAdding(!adding)}>
          + Add a feature
        </Button>
        {adding && (
          <Picker
            kernel={kernel}
            sae={askedSae(facts, newSae(facts))}
            n={sizeOf(facts, newSae(facts))}
            id={`${prefix}-add`}
            onPick={add}
            onClose={() => setAdding(false)}
          />
        )}
        <Whole state={state} onChange={(more) => edit((now) => ({ ...now, ...more }))} />
      </fieldset>
      {scales?.warnings.map((warning) => (
        <p class="saew-note" key={warning}>
          {warning}
        </p>
      ))}
      {fits?.text && (
        <details class="saew-exactly">
          <summary class="saew-small">What it does, with units as numbers</summary>
          <pre class="saew-small">{fits.text}</pre>
        </details>
      )}
      <CopyPaste state={state} kernel={kernel} />
    </section>
  );
}

/** What goes for the whole recipe. */
function Whole({ state, onChange }: { state: State; onChange: (more: Partial<Recipe>) => void }) {
  const { recipe, asked, facts } = state;
  const chat = asked.chat || asked.messages.length > 0;
  const box = (name: "keep_error" | "system" | "thinking", says: string, title: string) => (
    <label title={title}>
      <input
        type="checkbox"
        checked={recipe[name]}
        onChange={(event) => onChange({ [name]: event.currentTarget.checked })}
      />
      {` ${says}`}
    </label>
  );
  return (
    <div class="saew-whole">
      {facts.saes.some(({ reconstructs }) => reconstructs) &&
        box(
          "keep_error",
          "keep the reconstruction error",
          "On: only the features change, and what the SAE fails to reconstruct stays. Off: the SAE\u2019s reconstruction " +
            "replaces the value at its hook at every position, which changes the text even without an intervention.",
        )}
      {chat && box("system", "edit the system message too", "Off: tokens of the system message are left as they are.")}
      {chat &&
        facts.thinking &&
        box("thinking", "edit thinking too", "Off: tokens inside <think>\u2026</think> are left as they are.")}
    </div>
  );
}

/** A first guess that is seen and does not break the model: in the unit that is known for the feature. */
function started({ f, max, a }: Item, sae: string | null): Intervention {
  return max !== null || a ? intervention(f, sae, 2, "max") : intervention(f, sae, 0.5, "resid");
}
