/** Both features on one corpus: how they go together, a scatter, and the strongest tokens where both fire or one alone. */

import type { ComponentChildren } from "preact";
import { Notes } from "../../controls/footer";
import { count } from "../../controls/format";
import { Button, Small, SmallLine } from "../../controls/small";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useRoving } from "../../table/rove";
import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import { Numbers } from "./numbers";
import { Values, WindowLine } from "./paired";
import { Context, ScatterView } from "./scatterview";
import { keep } from "./state";
import { type CorpusData, type Kind, type RowJson, SAYS, type Which } from "./wire";

const SORTED: Record<Kind, string> = {
  only_a: "By the magnitude of A's activation",
  only_b: "By the magnitude of B's activation",
  both: "By the smaller of the two activations, each as a share of its side's largest",
};

interface Props {
  model: Model;
  root: HTMLElement;
  palette: Palette;
  order: [Which, Which];
  data: CorpusData | null;
  /** Whether an answer is on its way. */
  waits: boolean;
  names: Record<Which, string>;
  /** What is to be said of the numbers. */
  children: ComponentChildren;
}

export function OnCorpus({ model, root, palette, order, data, waits, names, children }: Props) {
  const position = useTrait<number | null>(model, "position");
  const part = { model, root, palette, order };
  const roving = useRoving<HTMLDivElement>("button");
  return (
    <>
      <h3>On one corpus</h3>
      {children}
      {data?.json.missing && <p class="saew-missing">{label(data.json.missing)}</p>}
      {data?.json.together && (
        <>
          <Numbers of={data.json.together} sample={!data.json.all} />
          <Notes notes={data.json.notes} />
          {data.points.at.length === 0 ? (
            <p class="saew-missing">Neither of the two fires on a token that both count.</p>
          ) : (
            <div class="saew-corpus">
              <div>
                <ScatterView {...part} data={data} names={names} />
                {position !== null && (
                  <section class="saew-kept" aria-label="The chosen token">
                    <Context
                      {...part}
                      {...{ position }}
                      a={data.json.a}
                      b={data.json.b}
                      scale={data.json.scale}
                      whole
                    />
                    <Button class="saew-quiet" onClick={() => save(model, { position: null })}>
                      Let go
                    </Button>
                  </section>
                )}
              </div>
              <div class="saew-lists" {...roving}>
                {data.json.lists.map(({ kind, rows }) => (
                  <section key={kind} aria-label={SAYS[kind]}>
                    <h3 title={SORTED[kind]}>
                      {SAYS[kind]} <Small>{`strongest of ${count(data.json.together?.[kind] ?? 0, "token")}`}</Small>
                    </h3>
                    {rows.length === 0 && <SmallLine>Nowhere among these tokens.</SmallLine>}
                    {rows.map((row) => (
                      <Row
                        key={row.position}
                        {...{ model, row, order, palette, data }}
                        on={row.position === position}
                      />
                    ))}
                  </section>
                ))}
              </div>
            </div>
          )}
        </>
      )}
      {!data && waits && <div class="saew-skeleton" aria-hidden="true" />}
    </>
  );
}

interface RowProps {
  model: Model;
  row: RowJson;
  order: [Which, Which];
  palette: Palette;
  data: CorpusData;
  on: boolean;
}

/** A token in its text; the button keeps it, and marks it in the scatter. */
function Row({ model, row, order, palette, data, on }: RowProps) {
  const more = row.more > 0 ? `, and ${row.more} more like it` : "";
  return (
    <div class="saew-row" title={label(`${row.doc}, token ${row.at}${more}`)}>
      <Button class="saew-quiet" aria-pressed={on} onClick={() => keep(model, data.json, on ? null : row.position)}>
        <Values a={row.a} b={row.b} order={order} />
        <span class="saew-offscreen">{` token ${row.at} of ${label(row.doc)}`}</span>
      </Button>
      <WindowLine {...{ row, order, palette }} tokens={data.windows} />
    </div>
  );
}
