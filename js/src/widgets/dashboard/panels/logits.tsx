/** What the feature says about the next token: the distribution of its logit weights, and the tokens at both ends. */

import { useMemo, useState } from "preact/hooks";
import { bar, edge, heights } from "../../../charts/axis";
import { Frame, HEIGHT, innerWidth, LEFT, place } from "../../../charts/frame";
import { useWidth } from "../../../charts/width";
import { count, num } from "../../../controls/format";
import { Ends, mostOf } from "../../../feature/ends";
import type { FeatureAnswer, Logits, TokenValue } from "../../../feature/wire";

export function LogitHistogram({ answer }: { answer: FeatureAnswer }) {
  const [log, setLog] = useState(false);
  const [over, setOver] = useState(-1);
  const [host, width] = useWidth();
  const { logits, logits_missing } = answer.json;
  const counts = answer.logitCounts;
  if (!logits || !counts) {
    return (
      <section class="saew-panel" aria-label="Logit weights">
        <h3>Logit weights</h3>
        <p class="saew-missing">{logits_missing ?? "There are none."}</p>
      </section>
    );
  }
  const inner = innerWidth(width);
  const { low, high } = logits;
  const n = high > low ? counts.length : 1;
  const said =
    over < 0
      ? null
      : `${num(edge(low, high, over, n))} to ${num(edge(low, high, over + 1, n))}: ${count(counts[over] ?? 0, "token")} of the vocabulary`;
  return (
    <section class="saew-panel saew-logits" aria-label="Logit weights">
      <div class="saew-head">
        <h3>Logit weights</h3>
        <span class="saew-toggles">
          <label title="Logarithmic heights">
            <input type="checkbox" checked={log} onChange={(event) => setLog(event.currentTarget.checked)} /> log
          </label>
        </span>
      </div>
      <div
        ref={host}
        class="saew-plot saew-plot-still"
        role="img"
        aria-label={`Histogram of the logit weights of the vocabulary, from ${num(low)} to ${num(high)}`}
        onPointerMove={(event) => {
          const x = event.clientX - event.currentTarget.getBoundingClientRect().left - LEFT;
          setOver(Math.max(0, Math.min(n - 1, Math.floor((x / inner) * n))));
        }}
        onPointerLeave={() => setOver(-1)}
      >
        <Frame width={width} low={low} high={high} height={heights(counts, log, 4)}>
          <Bars counts={counts} logits={logits} log={log} inner={inner} over={over} />
        </Frame>
      </div>
      <div class="saew-panel-foot">
        <span class="saew-small" role="status">
          {said ??
            `mean ${num(logits.mean)} \u00b7 std ${num(logits.std)} \u00b7 skew ${num(logits.skew)} \u00b7 kurtosis ${num(logits.kurtosis)}`}
        </span>
      </div>
      <div class="saew-small saew-variant">{logits.label}</div>
    </section>
  );
}

interface BarsProps {
  counts: Uint32Array;
  logits: Logits;
  log: boolean;
  inner: number;
  over: number;
}

function Bars({ counts, logits: { low, high }, log, inner, over }: BarsProps) {
  const n = high > low ? counts.length : 1;
  const height = heights(counts, log, 4);
  const out = [];
  for (let i = 0; i < n; i++) {
    const value = counts[i] ?? 0;
    if (value === 0) continue;
    const { x, w } = n === 1 ? { x: inner / 2 - 12, w: 24 } : bar(i, n, inner);
    const h = Math.max(1, Math.round(height.of(value) * HEIGHT));
    const middle = n === 1 ? low : (edge(low, high, i, n) + edge(low, high, i + 1, n)) / 2;
    const name = `saew-lbar ${middle < 0 ? "saew-down" : "saew-up"}${i === over ? " saew-lbar-over" : ""}`;
    out.push(<rect key={i} class={name} x={x} y={-h} width={w} height={h} />);
  }
  const zero = Math.round(place(0, low, high, inner)) + 0.5;
  return (
    <>
      {out}
      {low < 0 && high > 0 && <line class="saew-zero" x1={zero} x2={zero} y1={0} y2={-HEIGHT} />}
    </>
  );
}

/** Both ends of the vocabulary, with a filter by text. */
export function LogitTables({ logits }: { logits: Logits }) {
  const [query, setQuery] = useState("");
  const wanted = query.toLowerCase();
  const fits = (row: TokenValue) => wanted === "" || row.t.toLowerCase().includes(wanted);
  const [top, bottom] = useMemo(() => [logits.top.filter(fits), logits.bottom.filter(fits)], [logits, wanted]);
  return (
    <section class="saew-panel" aria-label="Promoted and suppressed tokens">
      <div class="saew-head">
        <h3>Next token</h3>
        <input
          type="search"
          aria-label="Filter promoted and suppressed tokens"
          placeholder="filter"
          spellcheck={false}
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
      </div>
      <Ends promotes={top} suppresses={bottom} most={mostOf(logits.top, logits.bottom)} />
    </section>
  );
}
