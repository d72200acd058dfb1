/** Which features a row is about: each as a button that opens the search, with its label; or a raw direction, as it is. */

import { useState } from "preact/hooks";
import { Button } from "../../../controls/small";
import { Name, type Named } from "../../../feature/said";
import type { Kernel } from "../../../kernel/kernel";
import { label } from "../../../tokens/visible";
import type { Facts, Item, RowScale } from "../wire";
import { Picker } from "./picker";
import type { Intervention } from "./recipe";

interface Props {
  row: Intervention;
  scale: RowScale | null;
  facts: Facts;
  kernel: Kernel;
  id: string;
  onChange: (features: number[]) => void;
}

/** Which dictionary a question about a row is about; null where there is only one. */
export function askedSae(facts: Facts, sae: string | null): string | null {
  return facts.saes.length > 1 ? (sae ?? facts.saes[0]?.name ?? null) : sae;
}

/** Which dictionary new rows are about: the index's. Null stands for the first, as in a recipe. */
export function newSae(facts: Facts): string | null {
  const of = facts.index_sae ?? null;
  return of === facts.saes[0]?.name ? null : of;
}

/** How many features the row's dictionary has. */
export function sizeOf(facts: Facts, sae: string | null): number {
  return (facts.saes.find(({ name }) => name === sae) ?? facts.saes[0])?.n ?? 0;
}

export function Features({ row, scale, facts, kernel, id, onChange }: Props) {
  /** The place that is being searched for: one of the features, or the one after them. */
  const [open, setOpen] = useState<number | null>(null);
  if (row.direction)
    return (
      <span class="saew-feature-name">
        {`${row.label ? label(row.label) : "direction"} (${row.direction.length}) at ${label(row.hook ?? "?")}`}
      </span>
    );
  const names = new Map<number, Named>(scale?.features.map((found) => [found.f, found]));
  const close = () => setOpen(null);
  const pick = ({ f }: Item) => {
    close();
    const rest = row.features.filter((old, i) => i === open || old !== f);
    onChange(open !== null && open < row.features.length ? rest.map((old, i) => (i === open ? f : old)) : [...rest, f]);
  };
  return (
    <span class="saew-chips">
      {row.features.map((f, i) => (
        <span class="saew-chip" key={f}>
          <Button
            class="saew-feature-name"
            title="Choose another feature"
            aria-expanded={open === i}
            onClick={() => setOpen(open === i ? null : i)}
          >
            <b>{f}</b>
            <Name of={names.get(f) ?? row} />
          </Button>
          {row.features.length > 1 && (
            <Button
              class="saew-quiet"
              aria-label={`Take feature ${f} out of this row`}
              onClick={() => onChange(row.features.filter((old) => old !== f))}
            >
              {"\u00d7"}
            </Button>
          )}
        </span>
      ))}
      <Button
        class="saew-quiet"
        title="Another feature, changed in the same way"
        aria-label="Add a feature to this row"
        onClick={() => setOpen(row.features.length)}
      >
        +
      </Button>
      {open !== null && (
        <Picker
          kernel={kernel}
          sae={askedSae(facts, row.sae)}
          n={sizeOf(facts, row.sae)}
          id={`${id}-find`}
          onPick={pick}
          onClose={close}
        />
      )}
    </span>
  );
}
