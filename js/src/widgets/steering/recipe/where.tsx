/** Where a row acts: at which positions, and the conditions that are rarely needed. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { NumberBox } from "../../../controls/numberbox";
import { Small } from "../../../controls/small";
import { label } from "../../../tokens/visible";
import type { Facts, RowScale } from "../wire";
import { sizeOf } from "./features";
import { type Intervention, kindOf, readPositions, sayPositions } from "./recipe";

interface Props {
  row: Intervention;
  scale: RowScale | null;
  facts: Facts;
  onChange: (change: Partial<Intervention>) => void;
}

const NAMED = { all: "all tokens", prompt: "the prompt", generated: "generated tokens" };
/** Special tokens, the chat template and norm outliers are left out unless the row says otherwise. */
const BUT_SPECIAL = "all but special tokens";

export function Positions({ row, scale, onChange }: Props) {
  const listed = typeof row.positions !== "string";
  return (
    <span class="saew-positions">
      <label>
        <Small>at </Small>
        <select
          aria-label="Positions"
          value={listed ? "list" : (row.positions as string)}
          onChange={(event) => {
            const { value } = event.currentTarget;
            onChange({ positions: value === "list" ? [1] : (value as "all" | "prompt" | "generated") });
          }}
        >
          {Object.entries(NAMED).map(([name, says]) => (
            <option key={name} value={name}>
              {name === "all" && !row.special ? BUT_SPECIAL : says}
            </option>
          ))}
          <option value="list">{"positions\u2026"}</option>
        </select>
      </label>
      {listed && <PositionList row={row} wrong={scale?.error_field === "positions"} onChange={onChange} />}
    </span>
  );
}

function PositionList({ row, wrong, onChange }: { row: Intervention; wrong: boolean; onChange: Props["onChange"] }) {
  const said = typeof row.positions === "string" ? "" : sayPositions(row.positions);
  const [text, setText] = useState(said);
  const read = readPositions(text);
  // What comes back of one's own typing is no news. In the layout, before the next key: what a quick hand typed stays.
  const sent = useRef("");
  useLayoutEffect(() => {
    if (said !== sent.current) setText(said);
  }, [said]);
  return (
    <input
      type="text"
      class="saew-list"
      aria-label="List of positions, such as 0-5, 8. The first token is 0; both ends count."
      title="Such as 0-5, 8, 12-. The first token (BOS, if there is one) is 0; both ends count; 12- goes to the end."
      placeholder="0-5, 8"
      spellcheck={false}
      aria-invalid={wrong || read === null}
      value={text}
      onInput={(event) => {
        setText(event.currentTarget.value);
        const positions = readPositions(event.currentTarget.value);
        if (!positions) return;
        sent.current = sayPositions(positions);
        onChange({ positions });
      }}
      onBlur={() => setText(said)}
    />
  );
}

/** How many of the options are not as they are by default. */
export function optionsUsed(row: Intervention): number {
  return [row.special, row.only_active, row.when !== null, row.low !== null, row.max_activation !== null].filter(
    Boolean,
  ).length;
}

export function Options({ row, facts, onChange }: Props) {
  return (
    <div class="saew-options">
      <label title="BOS and other special tokens, tokens of the chat template, and norm outliers (attention sinks)">
        <input
          type="checkbox"
          checked={row.special}
          onChange={(event) => onChange({ special: event.currentTarget.checked })}
        />
        {" also at special tokens, template tokens and norm outliers"}
      </label>
      {!row.direction && (
        <label>
          <input
            type="checkbox"
            checked={row.only_active}
            onChange={(event) => onChange({ only_active: event.currentTarget.checked })}
          />
          {" only where the feature itself is active"}
        </label>
      )}
      {!row.direction && <When row={row} n={sizeOf(facts, row.sae)} onChange={onChange} />}
      {kindOf(row).bounded && (
        <NumberBox
          name="Lower bound of the cap, in the unit of the value"
          says="at least"
          value={row.low}
          placeholder="none"
          onChange={(low) => onChange({ low })}
          onClear={() => onChange({ low: null })}
        />
      )}
      {row.unit === "max" && (
        <NumberBox
          name="Max activation to refer to"
          says="max activation"
          title="What × max activation refers to, instead of index or prompt"
          value={row.max_activation}
          placeholder="look up"
          onChange={(max_activation) => onChange({ max_activation })}
          onClear={() => onChange({ max_activation: null })}
        />
      )}
      {facts.saes.length > 1 && !row.direction && (
        <label>
          <span>{"SAE "}</span>
          <select
            value={row.sae ?? facts.saes[0]?.name}
            onChange={(event) => onChange({ sae: event.currentTarget.value })}
          >
            {facts.saes.map(({ name, n }) => (
              <option key={name} value={name}>
                {`${label(name)} (${n.toLocaleString("en")} features)`}
              </option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}

function When({ row, n, onChange }: { row: Intervention; n: number; onChange: Props["onChange"] }) {
  const { when } = row;
  return (
    <div>
      <label>
        <input
          type="checkbox"
          checked={when !== null}
          onChange={(event) => onChange({ when: event.currentTarget.checked ? { feature: 0, above: 0 } : null })}
        />
        {" only where another feature is active enough"}
      </label>
      {when && (
        <div class="saew-when">
          <NumberBox
            name="Feature to look at"
            says="feature"
            value={when.feature}
            min={0}
            max={n - 1}
            whole
            onChange={(feature) => onChange({ when: { ...when, feature } })}
          />
          <NumberBox
            name="Activation that it must be above"
            says=" above"
            value={when.above}
            step={0.1}
            onChange={(above) => onChange({ when: { ...when, above } })}
          />
        </div>
      )}
    </div>
  );
}
