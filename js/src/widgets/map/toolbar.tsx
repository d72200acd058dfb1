/** What the map is searched, narrowed and coloured by. */

import { Segments } from "../../controls/segments";
import type { List } from "../../feature/selected";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useFilter } from "../../kernel/typing";
import { label } from "../../tokens/visible";
import type { FactsJson } from "./wire";

interface Props {
  model: Model;
  colours: FactsJson["colours"];
  lists: List[];
}

export function Toolbar({ model, colours, lists }: Props) {
  const [query, setQuery] = useFilter(model, "query");
  const by = useTrait<string>(model, "by");
  const only = useTrait<string>(model, "only");
  const colour = useTrait<string>(model, "colour");
  return (
    <div class="saew-map-tools">
      <input
        type="search"
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
        onChange={(value) => save(model, { by: value })}
      />
      {(lists.length > 0 || only !== "") && (
        <label>
          <span class="saew-small">list </span>
          <select value={only} onChange={(event) => save(model, { only: event.currentTarget.value })}>
            <option value="">any</option>
            {lists.map(({ name, n }) => (
              <option key={name} value={name}>{`${label(name)} (${n.toLocaleString("en")})`}</option>
            ))}
          </select>
        </label>
      )}
      <label>
        <span class="saew-small">colour </span>
        <select value={colour} onChange={(event) => save(model, { colour: event.currentTarget.value })}>
          {colours.map(({ name, title, says }) => (
            <option key={name} value={name} title={says}>
              {label(title)}
            </option>
          ))}
          {!colours.some(({ name }) => name === colour) && <option value={colour}>{label(colour)}</option>}
        </select>
      </label>
    </div>
  );
}
