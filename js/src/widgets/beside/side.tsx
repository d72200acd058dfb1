/** One side: its badge, name and feature above; its numbers, histogram, logit weights and top examples below. */

import { Frame, innerWidth, place } from "../../charts/frame";
import { useWidth } from "../../charts/width";
import { density, num } from "../../controls/format";
import { NumberBox } from "../../controls/numberbox";
import { Button, SmallLine } from "../../controls/small";
import { Bars, heightOf } from "../../feature/bars";
import { Ends, mostOf } from "../../feature/ends";
import { Name } from "../../feature/said";
import { type HistogramData, histogramOf, type Numbers } from "../../feature/wire";
import { floats } from "../../kernel/arrays";
import type { Looked } from "../../kernel/lookup";
import { save, useTrait } from "../../kernel/traits";
import type { Model, Reply } from "../../kernel/types";
import { uncounted } from "../../tokens/flags";
import { background } from "../../tokens/paint";
import type { Palette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import { traitOf } from "./state";
import { HUE, type SideJson, type Which } from "./wire";

/** The letter of a side in its colour. */
export function Badge({ which }: { which: Which }) {
  return <b class={`saew-badge saew-badge-${which.toLowerCase()}`}>{which}</b>;
}

interface HeadProps {
  model: Model;
  which: Which;
  looked: Looked<SideJson> | null;
  /** Whether the button that changes places stands here. */
  swap: boolean;
}

export function Head({ model, which, looked, swap }: HeadProps) {
  const feature = useTrait<number>(model, traitOf(which));
  const swapped = useTrait<boolean>(model, "swapped");
  const live = useTrait<boolean>(model, "live");
  const side = looked?.reply?.r;
  return (
    <div class="saew-head">
      <Badge which={which} />
      {live ? (
        <NumberBox
          name={`Feature of ${which}`}
          value={feature}
          min={0}
          {...(side ? { max: side.n_features - 1 } : {})}
          whole
          onChange={(value) => save(model, { [traitOf(which)]: value, position: null })}
        />
      ) : (
        <b>{feature}</b>
      )}
      <span class="saew-side-name">
        {side ? (
          <>
            <bdi title={label(side.sae)}>{label(side.name)}</bdi>
            <Name of={side} />
          </>
        ) : (
          looked?.error && label(looked.error)
        )}
      </span>
      {swap && (
        <Button
          class="saew-quiet saew-swap"
          aria-label="Swap the places of A and B"
          aria-pressed={swapped}
          title="Swap the places of A and B"
          onClick={() => save(model, { swapped: !swapped })}
        >
          {"\u21c4"}
        </Button>
      )}
    </div>
  );
}

interface BoardProps {
  which: Which;
  looked: Looked<SideJson> | null;
  palette: Palette;
  prefix: string;
  /** The axis that both histograms have. */
  range: [number, number] | null;
}

export function SideBoard({ which, looked, palette, prefix, range }: BoardProps) {
  const side = looked?.reply;
  return (
    <section class="saew-panel" aria-label={`Feature ${which}`}>
      {side ? (
        <>
          <h3>
            <Badge which={which} />
            {` Feature ${side.r.f}`}
          </h3>
          {side.r.card && range ? (
            <Card {...{ which, palette, prefix, range }} card={side.r.card} arrays={side.arrays} />
          ) : side.r.card ? (
            <p class="saew-missing">{side.r.card.silent}</p>
          ) : (
            <p class="saew-missing">{label(side.r.missing)}</p>
          )}
        </>
      ) : looked ? (
        <p class="saew-missing">{label(looked.error) || "Not recorded in this page. Run it live to see it."}</p>
      ) : (
        <div class="saew-skeleton" aria-hidden="true" />
      )}
    </section>
  );
}

interface CardProps extends Omit<BoardProps, "looked" | "range"> {
  range: [number, number];
  card: NonNullable<SideJson["card"]>;
  arrays: Reply<unknown>["arrays"];
}

function Card({ which, palette, prefix, range, card, arrays }: CardProps) {
  const histogram = histogramOf({ r: card as Numbers, arrays });
  const { groups, str, scale } = card.examples;
  const layers = [{ hue: HUE[which], values: floats(arrays, "act"), scale }];
  const most = mostOf(card.promotes, card.suppresses);
  return (
    <>
      <Facts card={card} />
      {histogram && <Histogram {...{ which, palette, prefix, range, histogram, scale, card }} />}
      {groups.map(({ key, title, examples }) =>
        examples.length === 0 ? null : (
          <div key={key}>
            <SmallLine>{title}</SmallLine>
            {examples.map(({ id, start, n, b }) => (
              <div class="saew-side-line" key={id}>
                {Array.from({ length: n }, (_, i) => {
                  const token = start + i;
                  const look = uncounted(arrays.flags?.[token]) ? "" : background(layers, token, palette);
                  return (
                    <span key={i} class={i === b ? "saew-focus" : undefined} style={{ background: look }}>
                      {label(str[token] ?? "")}
                    </span>
                  );
                })}
              </div>
            ))}
          </div>
        ),
      )}
      {card.promotes.length > 0 ? (
        <>
          <Ends promotes={card.promotes} suppresses={card.suppresses} most={most} />
          {card.logits_label && <SmallLine>{`Logit weights: ${label(card.logits_label)}`}</SmallLine>}
        </>
      ) : (
        card.logits_missing && <SmallLine>{label(card.logits_missing)}</SmallLine>
      )}
    </>
  );
}

function Facts({ card }: { card: CardProps["card"] }) {
  if (card.silent) return <p class="saew-missing">{card.silent}</p>;
  const facts: [string, string, string][] = [];
  if (card.density !== null) facts.push(["density", density(card.density), card.density_of]);
  if (card.max !== null) facts.push(["max", num(card.max), ""]);
  if (card.min !== null && card.min < 0) facts.push(["min", num(card.min), ""]);
  if (card.mean !== null) facts.push(["mean", num(card.mean), "when active"]);
  return (
    <p class="saew-facts">
      {facts.map(([name, value, more]) => (
        <span key={name}>
          {`${name} `}
          <b>{value}</b>
          {more && <span class="saew-small">{` ${more}`}</span>}
        </span>
      ))}
    </p>
  );
}

interface HistogramProps extends Omit<CardProps, "arrays"> {
  histogram: HistogramData;
  scale: number;
}

/** The side's own bars, at their place on the axis that both sides have. */
function Histogram({ which, palette, prefix, range, histogram, scale, card }: HistogramProps) {
  const [host, width] = useWidth();
  const inner = innerWidth(width);
  const [low, high] = range;
  const from = place(histogram.low, low, high, inner);
  const to = place(histogram.high, low, high, inner);
  const equal = histogram.high <= histogram.low;
  // Bars are of hue 0: here, of the side's.
  const own = { ...palette, hues: [palette.hues[HUE[which]] ?? "", ...palette.hues.slice(1)] };
  const text = `${num(histogram.low)} to ${num(histogram.high)}`;
  return (
    <>
      <div
        ref={host}
        class="saew-plot"
        role="img"
        aria-label={`Histogram of the activations of ${which}, from ${text}, on the axis of both`}
      >
        <Frame width={width} low={low} high={high} height={heightOf(histogram, false, true)}>
          <g transform={`translate(${equal ? from - inner / 2 : from} 0)`}>
            <Bars
              {...{ histogram, scale }}
              weighted={false}
              log
              inner={equal ? inner : Math.max(4, to - from)}
              palette={own}
              prefix={`${prefix}-${which}`}
            />
          </g>
        </Frame>
      </div>
      <SmallLine>{`${card.activation_name} ${text}, tokens on a logarithmic scale; the axis is that of A and B`}</SmallLine>
      {card.histogram_of && <SmallLine>{card.histogram_of}</SmallLine>}
    </>
  );
}
