/** One intervention: what is changed, how, how much, where. */

import { useState } from "preact/hooks";
import { NumberBox } from "../../../controls/numberbox";
import { Button } from "../../../controls/small";
import type { Kernel } from "../../../kernel/kernel";
import type { Facts, RowScale } from "../wire";
import { Amount } from "./amount";
import { askedSae, Features, sizeOf } from "./features";
import { asKind, type Intervention, KINDS, type Kind, kindOf, type Recipe } from "./recipe";
import { Options, optionsUsed, Positions } from "./where";

interface Props {
  row: Intervention;
  scale: RowScale | null;
  facts: Facts;
  kernel: Kernel;
  id: string;
  onChange: (part: Partial<Intervention>) => void;
  /** A preset, in place of this row. */
  onPreset: (made: Recipe) => void;
  onRemove: () => void;
}

export function Row({ row, scale, facts, kernel, id, onChange, onPreset, onRemove }: Props) {
  const [open, setOpen] = useState(false);
  const used = optionsUsed(row);
  const who = row.direction ? "the direction" : `feature ${row.features.join(", ")}`;
  const [feature] = row.features;
  const choose = (wanted: string) => {
    if (wanted in KINDS) onChange(asKind(row, wanted as Kind));
    else if (feature !== undefined)
      kernel.ask<{ recipe: Recipe }>(
        "preset",
        { key: wanted, f: feature, sae: askedSae(facts, row.sae) },
        { done: ({ r }) => onPreset(r.recipe) },
      );
  };
  return (
    <li class={row.on ? "saew-row" : "saew-row saew-row-off"} aria-label={`Intervention on ${who}`}>
      <div class="saew-row-head">
        <input
          type="checkbox"
          aria-label={`Use the intervention on ${who}`}
          title={row.on ? "On" : "Off: left out"}
          checked={row.on}
          onChange={(event) => onChange({ on: event.currentTarget.checked })}
        />
        <Features {...{ row, scale, facts, kernel, id }} onChange={(features) => onChange({ features, label: null })} />
        <Button
          class="saew-quiet saew-remove"
          aria-label={`Remove the intervention on ${who}`}
          title="Remove"
          onClick={onRemove}
        >
          {"\u00d7"}
        </Button>
      </div>
      <div class="saew-row-how">
        <select
          aria-label={`What is done with ${who}`}
          class="saew-kind"
          value={row.kind}
          onChange={(event) => {
            const { value } = event.currentTarget;
            // A preset is no kind: the menu goes back to what the row is.
            event.currentTarget.value = row.kind;
            choose(value);
          }}
        >
          {Object.entries(KINDS).map(([kind, { says, other }]) =>
            row.direction && other ? null : (
              <option key={kind} value={kind}>
                {says}
              </option>
            ),
          )}
          {!row.direction && facts.presets.length > 0 && (
            <optgroup label="as others do it">
              {facts.presets.map(({ key, name, formula }) => (
                <option key={key} value={key} title={formula}>
                  {`${name}: ${formula}`}
                </option>
              ))}
            </optgroup>
          )}
        </select>
        {kindOf(row).other && (
          <NumberBox
            name="Feature that replaces it"
            value={row.by}
            min={0}
            max={sizeOf(facts, row.sae) - 1}
            whole
            placeholder="feature"
            invalid={row.by === null || scale?.error_field === "by"}
            onChange={(by) => onChange({ by })}
          />
        )}
        <span class="saew-small saew-mono saew-formula">{kindOf(row).formula}</span>
      </div>
      <Amount row={row} scale={scale} onChange={onChange} />
      <div class="saew-row-where">
        <Positions row={row} scale={scale} facts={facts} onChange={onChange} />
        <Button class="saew-link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {`${open ? "\u25be" : "\u25b8"} options${used > 0 ? ` (${used} set)` : ""}`}
        </Button>
      </div>
      {open && <Options row={row} scale={scale} facts={facts} onChange={onChange} />}
      {scale?.error && (
        <p class="saew-wrong" role="alert">
          {scale.error}
        </p>
      )}
    </li>
  );
}
