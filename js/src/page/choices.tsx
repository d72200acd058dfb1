/** What a reader of a page chooses among what was recorded for it: a text, a strength. */

import { useLayoutEffect, useState } from "preact/hooks";
import { Segments } from "../controls/segments";
import { save } from "../kernel/traits";
import type { Json, Model } from "../kernel/types";
import { label } from "../tokens/visible";
import { canonical } from "./host";
import { type ViewProps, type Widget, widget } from "./mount";

export interface ChoiceJson {
  name: string;
  /** What each says, and the traits that it sets. */
  options: [string, Record<string, Json>][];
}

/** Of more, or longer ones, a list is clearer than buttons. */
const MOST_BUTTONS = 12;
const MOST_LETTERS = 70;

export function choices(given: ChoiceJson[]): Widget {
  const all = ({ model }: ViewProps) => (
    <>
      {given.map((choice) => (
        <OneChoice key={choice.name} model={model} choice={choice} />
      ))}
    </>
  );
  return widget("choices", all, undefined, "");
}

function OneChoice({ model, choice: { name, options } }: { model: Model; choice: ChoiceJson }) {
  useChanges(
    model,
    options.flatMap(([, traits]) => Object.keys(traits)),
  );
  const isOn = (traits: Record<string, Json>) =>
    Object.entries(traits).every(([trait, value]) => canonical(model.get(trait) as Json) === canonical(value));
  const at = String(options.findIndex(([, traits]) => isOn(traits)));
  const choose = (value: string) => {
    const chosen = options[Number(value)];
    if (chosen) save(model, chosen[1]);
  };
  const says = options.map(([text]) => label(text));
  const values = options.map((_, i) => String(i));
  if (options.length <= MOST_BUTTONS && says.join("").length <= MOST_LETTERS)
    return (
      <span class="saew-choice">
        <span class="saew-small">{name}</span>
        <Segments {...{ name, values }} texts={says} value={at} onChange={choose} />
      </span>
    );
  return (
    <label class="saew-choice">
      <span class="saew-small">{name}</span>
      <select value={at} onChange={(event) => choose(event.currentTarget.value)}>
        {at === "-1" && <option value="-1">{"\u2013"}</option>}
        {says.map((text, i) => (
          <option key={i} value={String(i)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Drawn anew whenever one of these traits changes. */
function useChanges(model: Model, traits: string[]): void {
  const [, draw] = useState(0);
  useLayoutEffect(() => {
    const changed = () => draw((n) => n + 1);
    const names = new Set(traits);
    for (const name of names) model.on(`change:${name}`, changed);
    return () => {
      for (const name of names) model.off(`change:${name}`, changed);
    };
  }, [model]);
}
