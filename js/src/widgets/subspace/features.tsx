/** The features that span the picture, and how irreducible its most circular pair is. */

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { num, percent } from "../../controls/format";
import { Button } from "../../controls/small";
import { Tip } from "../../controls/tip";
import { Name } from "../../feature/said";
import { useRoving } from "../../table/rove";
import type { FeatureRow, Score, SubspaceJson } from "./wire";

interface Props {
  of: SubspaceJson;
  feature: number | null;
  live: boolean;
  onFeature: (feature: number | null) => void;
  onRemove: (feature: number) => void;
}

export function Features({ of, feature, live, onFeature, onRemove }: Props) {
  const roving = useRoving<HTMLElement>(".saew-link", ".saew-quiet");
  return (
    <section aria-label="Features" {...roving}>
      <h3>Features</h3>
      <table class="saew-spanning">
        <thead>
          <tr class="saew-small">
            <th scope="col">feature</th>
            <th scope="col" class="saew-num" title="On how many of these points it is active">
              points
            </th>
            <th scope="col" class="saew-num" title="Its mean activation on the points where it is active">
              mean
            </th>
            {live && (
              <th scope="col">
                <span class="saew-offscreen">Remove</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {of.features.map((row) => (
            <tr key={row.f} class={row.f === feature ? "saew-chosen" : ""}>
              <th scope="row">
                <Pick row={row} on={row.f === feature} onFeature={onFeature} />
              </th>
              <td class="saew-num">{row.tokens.toLocaleString("en")}</td>
              <td class="saew-num">{num(row.mean ?? Number.NaN)}</td>
              {live && (
                <td class="saew-num">
                  {of.features.length > 2 && (
                    <Button
                      class="saew-quiet"
                      aria-label={`Leave out feature ${row.f}`}
                      onClick={() => onRemove(row.f)}
                    >
                      {"\u00d7"}
                    </Button>
                  )}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Pick({ row, on, onFeature }: { row: FeatureRow; on: boolean; onFeature: Props["onFeature"] }) {
  return (
    <div class="saew-pick-line">
      <Button class="saew-link" aria-pressed={on} onClick={() => onFeature(on ? null : row.f)}>
        {row.f}
      </Button>
      <Name of={row} />
    </div>
  );
}

export function Scores({ root, of }: { root: HTMLElement; of: SubspaceJson }) {
  const { scores, circularity } = of;
  const [a, b] = scores.pair;
  const times = `${scores.repeats} time${scores.repeats === 1 ? "" : "s"}`;
  return (
    <section aria-label="Scores">
      <h3>{`Scores of PC${a + 1} and PC${b + 1}`}</h3>
      <table class="saew-scores">
        <thead>
          <tr class="saew-small">
            <th scope="col">
              <span class="saew-offscreen">score</span>
            </th>
            <th scope="col" class="saew-num">
              here
            </th>
            <th scope="col" class="saew-num" title={`Mean and range of ${scores.repeats} shuffles`}>
              shuffled
            </th>
          </tr>
        </thead>
        <tbody>
          <Row
            root={root}
            name="separability"
            way="high"
            score={scores.separability}
            say={(v) => v.toFixed(2)}
            unit=" bits"
          >
            The smallest mutual information of the two coordinates, over all rotations of the picture. Low: two features
            that have nothing to do with each other. High: no rotation takes them apart.
          </Row>
          <Row root={root} name="mixture" way="low" score={scores.mixture} say={percent}>
            The largest share of points that lie close to one line. High: mostly less than two-dimensional. Low: no line
            holds most of them.
          </Row>
          <tr>
            <th scope="row">
              <Says root={root} name="circularity" way="">
                Whether the points keep one distance from a centre, in all directions: 1 on a circle that is filled
                evenly, 0 on a line or in two clusters. It chooses the pair that is shown first, and proves nothing.
              </Says>
            </th>
            <td class="saew-num">{(circularity[a]?.[b] ?? Number.NaN).toFixed(2)}</td>
            <td />
          </tr>
        </tbody>
      </table>
      <p class="saew-small">
        {`Irreducible features have high separability with low mixture, beyond what is found when each feature's activations are shuffled over the points (${times}; mean and range): that is what independent features would give.`}
      </p>
    </section>
  );
}

interface RowProps {
  root: HTMLElement;
  name: string;
  way: string;
  score: Score;
  say: (value: number) => string;
  unit?: string;
  children: ComponentChildren;
}

function Row({ root, name, way, score, say, unit = "", children }: RowProps) {
  return (
    <tr>
      <th scope="row">
        <Says root={root} name={name} way={way}>
          {children}
        </Says>
      </th>
      <td class="saew-num">{say(score.value) + unit}</td>
      <td class="saew-num">{`${say(score.mean)} (${say(score.low)}\u2013${say(score.high)})`}</td>
    </tr>
  );
}

/** A word that says what it means when it is pointed at, or has the focus. */
function Says({
  root,
  name,
  way,
  children,
}: {
  root: HTMLElement;
  name: string;
  way: string;
  children: ComponentChildren;
}) {
  const [at, setAt] = useState<HTMLElement | null>(null);
  return (
    <>
      <button
        type="button"
        class="saew-quiet saew-word"
        onPointerEnter={(event) => setAt(event.currentTarget)}
        onPointerLeave={() => setAt(null)}
        onFocus={(event) => setAt(event.currentTarget)}
        onBlur={() => setAt(null)}
        onKeyDown={(event) => event.key === "Escape" && setAt(null)}
      >
        {name}
      </button>
      {at && (
        <Tip at={at} root={root}>
          {children}
          {way && <div class="saew-small">{`Irreducible: ${way}.`}</div>}
        </Tip>
      )}
    </>
  );
}
