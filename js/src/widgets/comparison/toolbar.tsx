/** Where the texts are compared, and which two of them. */

import { Segments } from "../../controls/segments";
import { Button, Small } from "../../controls/small";
import { Layer } from "../../feature/layer";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import type { At, Shown } from "./state";

const AT: readonly At[] = ["last", "max", "sum", "chosen"];
const SAYS = ["last token", "max", "sum", "chosen token"];

export function Toolbar({ model, shown }: { model: Model; shown: Shown }) {
  const at = useTrait<At>(model, "at");
  const n = shown.data.nTexts;
  const held = useTrait<number[]>(model, "pair");
  const pair = shown.rank?.pair ?? held;
  const [a = 0, b = 1] = held.every((text) => text < n) ? held : pair;
  // Whoever takes the other's text gives it his own.
  const choose = (place: 0 | 1, text: number) =>
    save(model, { pair: place === 0 ? [text, text === b ? a : b] : [text === a ? b : a, text] });
  const box = (place: 0 | 1) => (
    <select
      aria-label={place === 0 ? "Difference of text" : "less text"}
      value={place === 0 ? a : b}
      onChange={(event) => choose(place, Number(event.currentTarget.value))}
    >
      {Array.from({ length: n }, (_, text) => (
        <option key={text} value={text}>{`text ${text + 1}`}</option>
      ))}
    </select>
  );
  return (
    <div class="saew-compare-tools">
      <Layer model={model} resets={{ features: [], feature: null }} />
      <Small>compare</Small>
      <Segments
        name="Compare at"
        values={AT}
        texts={SAYS}
        value={at}
        onChange={(name) => save(model, name === "chosen" ? chosen(model, shown) : { at: name })}
      />
      <Small>difference</Small>
      {n > 2 ? (
        <span class="saew-nowrap">
          {box(0)}
          {" \u2212 "}
          {box(1)}
        </span>
      ) : (
        <span class="saew-nowrap">{`text ${a + 1} \u2212 text ${b + 1}`}</span>
      )}
      <Button
        class="saew-quiet"
        aria-label="Turn the difference round"
        title="Turn the difference round"
        onClick={() => save(model, { pair: [b, a] })}
      >
        {"\u21c4"}
      </Button>
    </div>
  );
}

/** The tokens chosen before, or for now the last ones. */
function chosen(model: Model, { data, rank }: Shown): Record<string, unknown> {
  const before = model.get("positions") as number[];
  if (before.length > 0) return { at: "chosen" };
  const last = data.json.texts.map(([start, end]) => end - start - 1);
  return { at: "chosen", positions: rank?.positions.length ? rank.positions : last.map((at) => Math.max(0, at)) };
}
