/** What narrows the catalog: words, a model, an architecture, ranges of its columns. */

import { useState } from "preact/hooks";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useFilter } from "../../kernel/typing";
import { type Filters, Ranges } from "../../table/ranges";
import type { Distribution } from "../../table/wire";
import type { CatalogJson } from "./wire";

interface Props {
  model: Model;
  columns: Distribution[];
  summary: CatalogJson | null;
}

export function Toolbar({ model, columns, summary }: Props) {
  const [query, setQuery] = useFilter(model, "query");
  const filters = useTrait<Filters>(model, "filters");
  const of = useTrait<string>(model, "of_model");
  const architecture = useTrait<string>(model, "architecture");
  const filtered = Object.keys(filters).length;
  const [open, setOpen] = useState(filtered > 0);
  const narrowed = filtered > 0 || of !== "" || architecture !== "" || query !== "";
  const clear = () => {
    setQuery("", true);
    save(model, { filters: {}, of_model: "", architecture: "" });
  };
  const own = summary?.fitting ?? [];
  const models = [...own, ...(summary?.models ?? []).filter((name) => !own.includes(name))];
  return (
    <div class="saew-catalog-tools">
      <div class="saew-catalog-line">
        <input
          type="search"
          class="saew-catalog-query"
          aria-label="Search models, releases, ids and hooks"
          placeholder="words of model, release, id or hook: gpt2 resid_pre"
          title="All words must occur, in any order; the beginning of a word is enough"
          spellcheck={false}
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={(event) => event.key === "Enter" && setQuery(event.currentTarget.value, true)}
        />
        <label>
          <span class="saew-small">model </span>
          <select value={of} onChange={(event) => save(model, { of_model: event.currentTarget.value })}>
            <option value="">any</option>
            {withChosen(models, of).map((name) => (
              <option key={name} value={name}>
                {own.includes(name) ? `${name} (yours)` : name}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span class="saew-small">architecture </span>
          <select value={architecture} onChange={(event) => save(model, { architecture: event.currentTarget.value })}>
            <option value="">any</option>
            {withChosen(summary?.architectures ?? [], architecture).map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          {filtered ? `Ranges (${filtered})` : "Ranges"}
        </button>
        {narrowed && (
          <button type="button" class="saew-link" onClick={clear}>
            Clear
          </button>
        )}
      </div>
      {open && (
        <>
          <Ranges columns={columns} filters={filters} onChange={(next) => save(model, { filters: next })} />
          {filtered > 0 && <p class="saew-small">SAEs of which the number is not known are left out.</p>}
        </>
      )}
    </div>
  );
}

/** Before the names came there is the chosen one. */
function withChosen(names: string[], chosen: string): string[] {
  return chosen === "" || names.includes(chosen) ? names : [chosen, ...names];
}
