/** The honest check: attribution against what truly happens, as a scatter, with how well it and the activation tell. */

import { useLayoutEffect, useState } from "preact/hooks";
import { tickLabel, ticks } from "../../charts/axis";
import { useWidth } from "../../charts/width";
import { ChannelStatus } from "../../controls/channelstatus";
import { num } from "../../controls/format";
import { Button, Heading, Small } from "../../controls/small";
import { textOf } from "../../feature/said";
import { save, useTrait } from "../../kernel/traits";
import type { Json, Model } from "../../kernel/types";
import { Num, Table } from "../../table/table";
import type { State } from "./state";
import type { CheckJson, CheckRow, Found } from "./wire";

const COUNTS = [10, 20, 50, 100];
const HEIGHT = 220;
const PAD = { left: 46, right: 10, top: 8, bottom: 30 };

interface Props {
  model: Model;
  state: State;
  found: Found;
  onHover: (feature: number | null) => void;
}

export function Check({ model, state, found, onHover }: Props) {
  const { kernel } = state;
  const [made, setMade] = useState<CheckJson | null>(null);
  const [n, setN] = useState(20);
  const { busy } = kernel.of("check");
  const feature = useTrait<number | null>(model, "feature");
  const editable = useTrait<boolean>(model, "editable");
  const { key } = found.json;
  const json = made?.key === key ? made : null;
  const ask = (some: number, failed: () => boolean = () => false) =>
    kernel.ask<CheckJson>(
      "check",
      { of: found.question, top: some, random: some, seed: 0 },
      {
        onPart: (part: Json) => setMade(part as unknown as CheckJson),
        done: ({ r }) => {
          setMade(r);
          state.checked();
        },
        failed,
      },
    );
  useLayoutEffect(() => {
    // A page has nobody to ask: what was recorded is shown, the largest first.
    const recorded = (counts: number[]): void => {
      const [first, ...rest] = counts;
      if (first === undefined) return;
      setN(first);
      ask(first, () => {
        recorded(rest);
        return true;
      });
    };
    if (!editable) recorded([...COUNTS].reverse());
    // Of another question it is no check of this one.
    return () => kernel.stop("check");
  }, [key]);
  return (
    <section aria-label="True effects">
      <Heading title="Is it true?">
        <Button onClick={() => (busy ? kernel.stop("check") : ask(n))}>{busy ? "Stop" : "Check"}</Button>
        <label>
          {"the first and as many random ones: "}
          <select value={String(n)} onChange={(event) => setN(Number(event.currentTarget.value))}>
            {COUNTS.map((one) => (
              <option key={one} value={String(one)}>
                {one}
              </option>
            ))}
          </select>
        </label>
      </Heading>
      <ChannelStatus kernel={kernel} channel="check" unit="features taken out" />
      {json ? (
        <>
          <Scatter
            rows={json.rows}
            feature={feature}
            onHover={onHover}
            onPick={(f) => model.get("sae") === found.json.sae && save(model, { feature: f })}
          />
          <Correlations json={json} />
        </>
      ) : (
        <p class="saew-small">
          An attribution is a linear estimate. The check takes each feature out of the model and computes the metric
          again.
        </p>
      )}
    </section>
  );
}

interface ScatterProps {
  rows: CheckRow[];
  feature: number | null;
  onHover: (feature: number | null) => void;
  onPick: (feature: number) => void;
}

function Scatter({ rows, feature, onHover, onPick }: ScatterProps) {
  const [measure, width] = useWidth();
  const values = rows.flatMap(({ value, effect }) => [value, effect]);
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const room = (high - low) * 0.05 || 1;
  const [from, to] = [low - room, high + room];
  const x = (value: number) => PAD.left + ((value - from) / (to - from)) * (width - PAD.left - PAD.right);
  const y = (value: number) => HEIGHT - PAD.bottom - ((value - from) / (to - from)) * (HEIGHT - PAD.top - PAD.bottom);
  const marks = ticks(from, to, 5);
  return (
    <div ref={measure} class="saew-scatter">
      <svg
        width={width}
        height={HEIGHT}
        class="saew-chart"
        role="img"
        aria-label="Attribution against true effect; the ranking has the numbers, by true effect"
      >
        {marks.map((mark) => (
          <g key={mark}>
            <line x1={x(mark)} x2={x(mark)} y1={PAD.top} y2={HEIGHT - PAD.bottom} class="saew-grid-line" />
            <line x1={PAD.left} x2={width - PAD.right} y1={y(mark)} y2={y(mark)} class="saew-grid-line" />
            <text x={x(mark)} y={HEIGHT - PAD.bottom + 13} text-anchor="middle">
              {tickLabel(mark, marks)}
            </text>
            <text x={PAD.left - 5} y={y(mark) + 4} text-anchor="end">
              {tickLabel(mark, marks)}
            </text>
          </g>
        ))}
        <line x1={x(from)} y1={y(from)} x2={x(to)} y2={y(to)} class="saew-agree" />
        {rows.map((row) => (
          // biome-ignore lint/a11y/noStaticElementInteractions: the ranking has the same, by keyboard
          <g
            key={`${row.f}`}
            class={`${row.top ? "saew-point" : "saew-point saew-random"} ${row.f === feature ? "saew-point-on" : ""}`}
            onPointerEnter={() => onHover(row.f)}
            onPointerLeave={() => onHover(null)}
            onClick={() => onPick(row.f)}
          >
            <title>{`${row.f} ${textOf(row)}\nattribution ${num(row.value)}, true effect ${num(row.effect)}, activation ${num(row.act)}`}</title>
            {row.top ? (
              <circle cx={x(row.value)} cy={y(row.effect)} r={4} />
            ) : (
              <path d={`M${x(row.value)} ${y(row.effect) - 5}l5 5l-5 5l-5 -5z`} />
            )}
          </g>
        ))}
        <text x={width - PAD.right} y={HEIGHT - 3} text-anchor="end">
          {"attribution \u2192"}
        </text>
        <text x={PAD.left + 4} y={PAD.top + 8}>
          {"\u2191 true effect"}
        </text>
      </svg>
    </div>
  );
}

/** By what is ranked, how well it tells the effect: over all that were checked, and over the random ones alone. */
function Correlations({ json }: { json: CheckJson }) {
  const of = (measure: string, among: string) =>
    json.correlations.find((one) => one.measure === measure && one.among === among);
  const cell = (value: number | null | undefined) => <Num>{value == null ? "\u2013" : num(value)}</Num>;
  const all = of("attribution", "all");
  const random = of("attribution", "random");
  return (
    <>
      <Table head={["correlation with the true effect", `>all ${all?.n ?? 0}`, `>rank`, `>random ${random?.n ?? 0}`]}>
        {["attribution", "activation", "activation, size"].map((measure) => (
          <tr key={measure}>
            <th scope="row">{measure === "activation, size" ? "activation (with the effect\u2019s size)" : measure}</th>
            {cell(of(measure, "all")?.pearson)}
            {cell(of(measure, "all")?.spearman)}
            {cell(of(measure, "random")?.pearson)}
          </tr>
        ))}
      </Table>
      <Small>{`Pearson, and by rank Spearman; ${json.rows.length} of ${json.total} active features were taken out. \u25cf the first, \u25c7 random ones: the first were chosen by attribution, which stretches its correlation.`}</Small>
    </>
  );
}
