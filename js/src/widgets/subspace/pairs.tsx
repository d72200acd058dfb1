/** Every pair of components as a small picture, and which of them is looked at. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { WHOLE } from "../../charts/plane";
import { penOf } from "../../charts/size";
import { percent } from "../../controls/format";
import { Small } from "../../controls/small";
import type { Buckets } from "./colours";
import { frameOf } from "./frame";
import { paint } from "./paint";
import type { Points } from "./wire";

const SIDE = 60;
/** Points of a small picture. */
const MOST = 1500;

interface Props {
  points: Points;
  pair: [number, number];
  buckets: Buckets;
  onChoose: (pair: [number, number]) => void;
}

/** Rows PC2 to the last, columns PC1 to the last but one. */
export function Pairs(props: Props) {
  const { points, pair } = props;
  const { c, explained, circularity } = points.json;
  const best = points.json.pair;
  const columns = Array.from({ length: c - 1 }, (_, i) => i);
  return (
    <section aria-label="Pairs of components">
      <h3>Pairs of components</h3>
      <div class="saew-pairs" style={{ gridTemplateColumns: `auto repeat(${c - 1}, ${SIDE + 6}px)` }}>
        {columns
          .map((i) => i + 1)
          .flatMap((row) => [
            <span key={`row ${row}`} class="saew-small saew-pairs-row">
              {`PC${row + 1}`}
              <br />
              {percent(explained[row] ?? Number.NaN)}
            </span>,
            ...columns.map((column) =>
              column >= row ? (
                <span key={`${column} ${row}`} />
              ) : (
                <Tile
                  key={`${column} ${row}`}
                  {...props}
                  a={column}
                  b={row}
                  on={Math.min(...pair) === column && Math.max(...pair) === row}
                  best={best.includes(column) && best.includes(row)}
                  circularity={circularity[column]?.[row] ?? Number.NaN}
                />
              ),
            ),
          ])}
        <span />
        {columns.map((column) => (
          <span key={column} class="saew-small saew-pairs-column">
            {`PC${column + 1} ${percent(explained[column] ?? Number.NaN)}`}
          </span>
        ))}
      </div>
      <Small>
        Number: circularity, 0 to 1; bold where it is largest, of components that hold at least 1% of the variance.
        Share of the variance beside each component.
      </Small>
    </section>
  );
}

interface TileProps extends Props {
  a: number;
  b: number;
  on: boolean;
  best: boolean;
  circularity: number;
}

function Tile({ points, buckets, a, b, on, best, circularity, onChoose }: TileProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { extent, n } = points.json;
  useLayoutEffect(() => {
    const ctx = penOf(canvas.current, { width: SIDE, height: SIDE });
    if (!ctx) return;
    const to = frameOf(extent[a] ?? [0, 0], extent[b] ?? [0, 0], SIDE, SIDE, WHOLE);
    const scene = { x: points.on(a), y: points.on(b), buckets, shown: () => true };
    paint(ctx, scene, to, 1.2, Math.max(1, Math.ceil(n / MOST)));
  }, [points, buckets, a, b]);
  const says = `PC${a + 1} and PC${b + 1}: circularity ${circularity.toFixed(2)}${best ? ", the pair that is shown first" : ""}`;
  return (
    <button
      type="button"
      class={best ? "saew-pair saew-pair-best" : "saew-pair"}
      aria-pressed={on}
      aria-label={says}
      title={says}
      onClick={() => onChoose([a, b])}
    >
      <canvas ref={canvas} style={{ width: `${SIDE}px`, height: `${SIDE}px` }} />
      <span>{circularity.toFixed(2)}</span>
    </button>
  );
}
