/** What is selected, and putting it into a list (its twin is src/saewidgets/widgets/feature/listed.py). */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ChannelStatus } from "../controls/channelstatus";
import { count } from "../controls/format";
import type { Kernel } from "../kernel/kernel";
import { save, useTrait } from "../kernel/traits";
import type { Model } from "../kernel/types";
import { label } from "../tokens/visible";

interface Props {
  model: Model;
  kernel: Kernel;
  lists: List[];
  prefix: string;
  /** How features are selected, while none is. */
  hint: string;
  onAdded: () => void;
  /** What else can be done with what is selected. */
  children?: ComponentChildren;
}

export interface List {
  name: string;
  n: number;
}

export function SelectedBar({ model, kernel, lists, prefix, hint, onAdded, children }: Props) {
  const selected = useTrait<number[]>(model, "selected_features");
  const [name, setName] = useState("");
  const [said, setSaid] = useState("");
  const add = () =>
    kernel.ask<{ name: string; n: number }>(
      "list",
      { name, features: selected },
      {
        done: ({ r }) => {
          setSaid(`The list \u2018${label(r.name)}\u2019 has ${count(r.n, "feature")} now.`);
          onAdded();
        },
      },
    );
  return (
    <div class="saew-collect">
      <span class="saew-small" role="status">
        {selected.length === 0 ? hint : `${count(selected.length, "feature")} selected`}
      </span>
      {selected.length > 0 && (
        <>
          <input
            type="text"
            aria-label="Name of the list"
            placeholder="name of a list"
            value={name}
            list={`${prefix}-lists`}
            onInput={(event) => setName(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Enter" && name.trim() && add()}
          />
          <datalist id={`${prefix}-lists`}>
            {lists.map((one) => (
              <option key={one.name} value={one.name} />
            ))}
          </datalist>
          <button type="button" disabled={!name.trim()} onClick={add}>
            Add to the list
          </button>
          <button type="button" class="saew-link" onClick={() => save(model, { selected_features: [] })}>
            Clear
          </button>
          {children}
        </>
      )}
      {said && (
        <span class="saew-small" role="status">
          {said}
        </span>
      )}
      <ChannelStatus kernel={kernel} channel="list" />
    </div>
  );
}
