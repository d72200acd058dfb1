/** What is asked for: which features, and what tells their points apart. */

import { useState } from "preact/hooks";
import { Button, Small } from "../../controls/small";
import { useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { label } from "../../tokens/visible";

interface Props {
  model: Model;
  choices: readonly (readonly [string, string])[];
  busy: boolean;
  onFeatures: (features: number[]) => void;
  onColour: (colour: string) => void;
  onStop: () => void;
}

/** The numbers of a list; null where it is none. */
export function numbers(text: string, below: number): number[] | null {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== "");
  const found = parts.map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
  return found.every((f) => f < below) ? [...new Set(found)] : null;
}

export function Toolbar({ model, choices, busy, onFeatures, onColour, onStop }: Props) {
  const live = useTrait<boolean>(model, "live");
  const features = useTrait<number[]>(model, "features");
  const colour = useTrait<string>(model, "colour");
  const known = choices.some(([value]) => value === colour);
  return (
    <div class="saew-top">
      <FeatureBox {...{ model, live, features, onFeatures }} />
      <label class="saew-nowrap">
        <Small>{"colour "}</Small>
        <select
          value={colour}
          aria-label="Colour of the points"
          onChange={(event) => onColour(event.currentTarget.value)}
        >
          {!known && <option value={colour}>{label(colour)}</option>}
          {choices.map(([value, name]) => (
            <option key={value} value={value}>
              {label(name)}
            </option>
          ))}
        </select>
      </label>
      {busy && live && <Button onClick={onStop}>Stop</Button>}
    </div>
  );
}

interface BoxProps {
  model: Model;
  live: boolean;
  features: number[];
  onFeatures: (features: number[]) => void;
}

/** Set when it is complete: Enter, or left. */
function FeatureBox({ model, live, features, onFeatures }: BoxProps) {
  const total = useTrait<number>(model, "n_features");
  const [draft, setDraft] = useState<string | null>(null);
  const said = features.join(", ");
  const wrong = draft !== null && numbers(draft, total) === null;
  const put = () => {
    const found = draft === null ? null : numbers(draft, total);
    if (found === null) return;
    setDraft(null);
    if (found.join(", ") !== said) onFeatures(found);
  };
  return (
    <label class="saew-feature-box">
      <Small>{"features "}</Small>
      <input
        type="text"
        inputMode="numeric"
        spellcheck={false}
        autocomplete="off"
        aria-label="Features"
        aria-invalid={wrong}
        readOnly={!live}
        placeholder="such as 12, 345, 678"
        title={
          live
            ? `Numbers from 0 to ${(total - 1).toLocaleString("en")}, with commas or spaces between them; Enter sets them.`
            : "This page shows recorded features. Run it live to change them."
        }
        value={draft ?? said}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setDraft(null);
          else if (event.key === "Enter") put();
        }}
        onBlur={() => (wrong ? setDraft(null) : put())}
      />
      {wrong && (
        <span class="saew-small" role="status">{` numbers from 0 to ${(total - 1).toLocaleString("en")}`}</span>
      )}
    </label>
  );
}
