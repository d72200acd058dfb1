/** A feature at a glance, beside whatever names it: drawn of the dashboard's own parts. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { HEIGHT } from "../charts/frame";
import { count, density, num } from "../controls/format";
import { Tip } from "../controls/tip";
import { floats } from "../kernel/arrays";
import { useLookup } from "../kernel/lookup";
import type { Json, Model, Reply } from "../kernel/types";
import { uncounted } from "../tokens/flags";
import { background } from "../tokens/paint";
import type { Palette } from "../tokens/palette";
import { label } from "../tokens/visible";
import { Bars } from "./bars";
import { Ends, mostOf } from "./ends";
import { type Named, textOf } from "./said";
import { type ExamplesJson, histogramOf, type Numbers, type TokenValue } from "./wire";

/** Whoever only passes by sees none. */
const WAIT_MS = 350;
const WIDTH = 320;

export interface CardJson extends Named, Numbers {
  promotes: TokenValue[];
  suppresses: TokenValue[];
  /** Which path the weights take. */
  logits_label: string | null;
  logits_missing: string | null;
  examples: ExamplesJson;
}

/** What is pointed at, and the feature that it names. */
export interface Pointed {
  f: number;
  at: HTMLElement;
  /** What else says which feature it is, such as its layer. */
  beside?: Record<string, Json>;
}

interface Props {
  model: Model;
  root: HTMLElement;
  palette: Palette;
  prefix: string;
  pointed: Pointed | null;
  /** What is shown until there is a card, and where there is none. */
  otherwise?: ComponentChildren;
}

/** The card of what has been pointed at for a moment. */
export function HoverCard({ model, root, palette, prefix, pointed, otherwise }: Props) {
  const [stood, setStood] = useState<Pointed | null>(null);
  useEffect(() => {
    setStood(null);
    if (!pointed) return;
    const timer = setTimeout(() => setStood(pointed), WAIT_MS);
    return () => clearTimeout(timer);
  }, [pointed?.f, pointed?.at, JSON.stringify(pointed?.beside)]);
  const shown = stood?.at.isConnected ? stood : null;
  const looked = useLookup<CardJson>(model, root, "card", shown && { f: shown.f, ...shown.beside });
  if (!shown || !looked || !(looked.reply || looked.error))
    return pointed && otherwise ? (
      <Tip at={pointed.at} root={root}>
        {otherwise}
      </Tip>
    ) : null;
  return (
    <Tip at={shown.at} root={root}>
      {looked.reply ? <Card reply={looked.reply} palette={palette} prefix={prefix} /> : label(looked.error)}
    </Tip>
  );
}

/** The card of a feature that stays where it is. */
export function PinnedCard({
  model,
  root,
  palette,
  prefix,
  feature,
}: Omit<Props, "pointed" | "otherwise"> & { feature: number }) {
  const looked = useLookup<CardJson>(model, root, "card", { f: feature });
  const before = useRef<Reply<CardJson> | null>(null);
  if (looked?.reply) before.current = looked.reply;
  if (looked?.error) return <p class="saew-missing">{label(looked.error)}</p>;
  if (looked && !looked.reply)
    return <p class="saew-missing">{`The card of feature ${feature} is not in this page.`}</p>;
  // The last one stays until the next is there.
  return before.current && <Card reply={before.current} palette={palette} prefix={`${prefix}-pinned`} />;
}

function Card({ reply, palette, prefix }: { reply: Reply<CardJson>; palette: Palette; prefix: string }) {
  const { r, arrays } = reply;
  const histogram = histogramOf(reply);
  const act = floats(arrays, "act");
  const { groups, str, scale } = r.examples;
  const layers = [{ hue: 0, values: act, scale }];
  const token = (i: number): ComponentChildren => {
    const plain = uncounted(arrays.flags?.[i]);
    return (
      <span key={i} dir={plain ? "ltr" : undefined} style={{ background: plain ? "" : background(layers, i, palette) }}>
        {label(str[i] ?? "")}
      </span>
    );
  };
  return (
    <div class="saew-glance">
      <div>
        <b>{`Feature ${r.f}`}</b> <bdi class={r.said ? `saew-${r.said.kind}` : undefined}>{textOf(r)}</bdi>
        {r.said && <span class="saew-small">{` ${r.said.by}`}</span>}
      </div>
      <div class="saew-small">
        {r.silent ?? `density ${density(r.density ?? Number.NaN)} (${r.density_of}) \u00b7 ${extremes(r)}`}
      </div>
      {histogram && (
        <>
          <svg
            width={WIDTH}
            height={HEIGHT / 2}
            viewBox={`0 ${-HEIGHT} ${WIDTH} ${HEIGHT}`}
            preserveAspectRatio="none"
            aria-hidden="true"
          >
            <Bars
              histogram={histogram}
              weighted={false}
              log
              inner={WIDTH}
              prefix={`${prefix}-card`}
              {...{ palette, scale }}
            />
          </svg>
          <div class="saew-small">
            {`${num(histogram.low)} to ${num(histogram.high)}, logarithmic counts of ${r.count == null ? "\u2013 tokens" : count(r.count, "token")}`}
          </div>
          {r.histogram_of && <div class="saew-small">{r.histogram_of}</div>}
        </>
      )}
      {groups.flatMap(({ examples }) =>
        examples.map(({ id, start, n }) => (
          <div class="saew-glance-line" dir="auto" key={id}>
            {Array.from({ length: n }, (_, i) => token(start + i))}
          </div>
        )),
      )}
      {r.promotes.length > 0 ? (
        <>
          <Ends promotes={r.promotes} suppresses={r.suppresses} most={mostOf(r.promotes, r.suppresses)} />
          {r.logits_label && <div class="saew-small">{`Logit weights: ${label(r.logits_label)}`}</div>}
        </>
      ) : (
        r.logits_missing && <p class="saew-small">{label(r.logits_missing)}</p>
      )}
    </div>
  );
}

function extremes({ min, max }: Numbers): string {
  const low = min !== null && min < 0 ? `min ${num(min)} \u00b7 ` : "";
  return `${low}max ${num(max ?? Number.NaN)}`;
}
