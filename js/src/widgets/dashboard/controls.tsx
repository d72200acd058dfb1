/** Which examples, how much of them, and what is drawn under their tokens. */

import { useLayoutEffect, useState } from "preact/hooks";
import { MAX_WINDOW, MIN_WINDOW } from "../../../../src/saewidgets/widgets/constants.json";
import { num } from "../../controls/format";
import { Segments } from "../../controls/segments";
import type { FeatureJson } from "../../feature/wire";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useFilter } from "../../kernel/typing";
import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import type { EffectsState } from "./examples/effects";
import { type Kind, line } from "./examples/runs";

const GROUPS = ["all", "top", "intervals", "silent"];
const VIEWS = ["snippet", "full"];

export function Controls({ model, json }: { model: Model; json: FeatureJson }) {
  const group = useTrait<string>(model, "group");
  const view = useTrait<string>(model, "view");
  const window = useTrait<number>(model, "window");
  return (
    <div class="saew-controls">
      <Segments name="Groups" values={GROUPS} value={group} onChange={(value) => save(model, { group: value })} />
      <Segments name="View" values={VIEWS} value={view} onChange={(value) => save(model, { view: value })} />
      <label
        class={view === "full" ? "saew-off" : undefined}
        title="Tokens on either side of the example's token, in snippets"
      >
        <span class="saew-small">{"\u00b1 tokens "}</span>
        <input
          type="range"
          min={MIN_WINDOW}
          max={MAX_WINDOW}
          step={1}
          disabled={view === "full"}
          value={window}
          onChange={(event) => save(model, { window: Number(event.currentTarget.value) })}
        />
        <output class="saew-small">{window}</output>
      </label>
      <TokenFilter model={model} />
      {json.columns.length > 0 && <Where model={model} json={json} />}
    </div>
  );
}

function TokenFilter({ model }: { model: Model }) {
  const [draft, put] = useFilter(model, "token_filter", (text) => text.trim());
  return (
    <label title="Only examples on this token; of several words, on the token that ends them">
      <span class="saew-small">token </span>
      <input
        type="search"
        class="saew-tokenfilter"
        placeholder="any"
        spellcheck={false}
        value={draft}
        onInput={(event) => put(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Enter" && put(event.currentTarget.value, true)}
      />
    </label>
  );
}

function Where({ model, json }: { model: Model; json: FeatureJson }) {
  const where = useTrait<string[]>(model, "where");
  const [name, setName] = useState(where[0] ?? "");
  // In the layout, before the next click or key: what a quick hand did is not taken back.
  useLayoutEffect(() => setName(where[0] ?? ""), [where[0]]);
  const column = json.columns.find((candidate) => candidate.name === name);
  return (
    <span class="saew-where">
      <label>
        <span class="saew-small">documents </span>
        <select
          aria-label="Column of the documents to filter by"
          value={name}
          onChange={(event) => {
            setName(event.currentTarget.value);
            if (where.length > 0) save(model, { where: [] });
          }}
        >
          <option value="">all</option>
          {json.columns.map((candidate) => (
            <option key={candidate.name} value={candidate.name}>
              {label(candidate.name)}
            </option>
          ))}
        </select>
      </label>
      {column && (
        <select
          aria-label={`Value of ${label(column.name)}`}
          value={where[1] ?? ""}
          onChange={(event) => {
            const { value } = event.currentTarget;
            save(model, { where: value === "" ? [] : [column.name, value] });
          }}
        >
          <option value="">any</option>
          {column.values.map((value) => (
            <option key={value} value={value}>
              {label(value)}
            </option>
          ))}
        </select>
      )}
    </span>
  );
}

interface AblationProps {
  model: Model;
  effects: EffectsState;
  kind: Kind;
  onKind: (kind: Kind) => void;
}

/** The switch of the underlines, and how far they are. */
export function Ablation({ model, effects, kind, onKind }: AblationProps) {
  const on = useTrait<boolean>(model, "ablation");
  const { progress, labels } = effects;
  return (
    <div class="saew-ablation">
      <label>
        <input
          type="checkbox"
          checked={on}
          onChange={(event) => save(model, { ablation: event.currentTarget.checked })}
        />
        {" Effect of ablation"}
      </label>
      {on && (
        <Segments
          name="Which effect"
          values={["full", "direct"]}
          texts={["full effect", "direct effect"]}
          value={kind}
          onChange={(value) => onKind(value === "full" ? "full" : "direct")}
        />
      )}
      {on && <span class="saew-small saew-ablation-says">{kind === "full" ? labels.full : labels.direct}</span>}
      {progress && (
        <span class="saew-progress">
          <progress aria-label="Effects computed" max={progress.total} value={progress.done} />
          <span class="saew-small" role="status">
            {`${Math.floor(progress.done)} of ${progress.total}`}
          </span>
        </span>
      )}
    </div>
  );
}

interface LegendProps {
  unit: string;
  signed: boolean;
  scale: number;
  effects: boolean;
  palette: Palette;
}

/** What colour, frame and lines mean. */
export function Legend({ unit, signed, scale, effects, palette }: LegendProps) {
  const ramp = `linear-gradient(90deg, rgb(${palette.hues[0]} / 0.02), rgb(${palette.hues[0]} / ${palette.strength}))`;
  return (
    <ul class="saew-key">
      {scale > 0 && (
        <li>
          <span class="saew-ramp" style={{ background: ramp }} />
          {` ${unit}, 0 to ${num(scale)}${signed ? "; hatched: negative" : ""}`}
        </li>
      )}
      <li>
        <span class="saew-t saew-bold">framed</span> the token of the example
        <span class="saew-key-grey">grey italic</span> not counted
      </li>
      {effects && (
        <li>
          <span style={{ borderBottom: line(-1, 1, palette) }}>solid</span> the feature helped: without it the token is
          less likely
          <span class="saew-key-second" style={{ borderBottom: line(1, 1, palette) }}>
            dashed
          </span>{" "}
          it hurt
        </li>
      )}
    </ul>
  );
}
