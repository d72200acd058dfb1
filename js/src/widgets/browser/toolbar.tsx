/** What narrows the table: words or meaning, a list, ranges of its columns. */

import { useState } from "preact/hooks";
import { Segments } from "../../controls/segments";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useFilter } from "../../kernel/typing";
import { type Filters, Ranges } from "../../table/ranges";
import type { Distribution } from "../../table/wire";
import { label } from "../../tokens/visible";

/** Among the lists, what is ticked (Python's `SELECTED`). */
export const SELECTED = "selected";

interface Props {
  model: Model;
  columns: Distribution[];
  lists: { name: string; n: number }[];
}

export function Toolbar({ model, columns, lists }: Props) {
  const [query, setQuery] = useFilter(model, "query");
  const by = useTrait<string>(model, "by");
  const only = useTrait<string>(model, "only");
  const filters = useTrait<Filters>(model, "filters");
  const selected = useTrait<number[]>(model, "selected_features").length;
  const [open, setOpen] = useState(Object.keys(filters).length > 0);
  const filtered = Object.keys(filters).length;
  return (
    <div class="saew-browse-tools">
      <div class="saew-browse-line">
        <input
          type="search"
          class="saew-browse-query"
          aria-label="Search what is said of features"
          placeholder={by === "meaning" ? "a meaning, such as: days of the week" : "words, or a feature's number"}
          spellcheck={false}
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && setQuery(event.currentTarget.value, true)}
        />
        <Segments
          name="Search by"
          values={["words", "meaning"]}
          value={by}
          onChange={(value) => save(model, { by: value, sort: "" })}
        />
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {filtered ? `Filters (${filtered})` : "Filters"}
        </button>
        {filtered > 0 && (
          <button type="button" class="saew-link" onClick={() => save(model, { filters: {} })}>
            Clear the filters
          </button>
        )}
        {(lists.length > 0 || only !== "" || selected > 0) && (
          <label>
            <span class="saew-small">list </span>
            <select value={only} onChange={(event) => save(model, { only: event.currentTarget.value })}>
              <option value="">any</option>
              {(selected > 0 || only === SELECTED) && (
                <option value={SELECTED}>{`selected (${selected.toLocaleString("en")})`}</option>
              )}
              {lists
                .filter(({ name }) => name !== SELECTED)
                .map(({ name, n }) => (
                  <option key={name} value={name}>{`${label(name)} (${n.toLocaleString("en")})`}</option>
                ))}
            </select>
          </label>
        )}
      </div>
      {open && <Ranges columns={columns} filters={filters} onChange={(next) => save(model, { filters: next })} />}
    </div>
  );
}
