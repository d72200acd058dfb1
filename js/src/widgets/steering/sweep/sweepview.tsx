/** Dose-response: one strength after another, what each does to the text and to the model, beside controls that should do less. */

import { useState } from "preact/hooks";
import { MAX_CONTROLS, MAX_SWEEP_SAMPLES } from "../../../../../src/saewidgets/widgets/constants.json";
import { useWidth } from "../../../charts/width";
import { ChannelStatus } from "../../../controls/channelstatus";
import { Notes } from "../../../controls/footer";
import { NumberBox } from "../../../controls/numberbox";
import { Button, Small, SmallLine, short } from "../../../controls/small";
import type { Kernel } from "../../../kernel/kernel";
import { label, pieces } from "../../../tokens/visible";
import { complete, type Intervention, KINDS, same, summary, UNITS } from "../recipe/recipe";
import type { State } from "../state";
import { MEASURES, OFFLINE, type SweepBand } from "../wire";
import { LineChart, nearest } from "./linechart";
import type { Sweep, SweepState } from "./sweepdata";

interface Props {
  state: State;
  kernel: Kernel;
  sweeping: SweepState;
}

export function SweepView({ state, kernel, sweeping }: Props) {
  const { recipe, offline } = state;
  const { sweep, row, controls, samples, set } = sweeping;
  const { busy } = kernel.of("sweep");
  const rows = recipe.interventions;
  const varied = rows[row];
  const can = varied !== undefined && varied.kind !== "ablate";
  return (
    <>
      <fieldset class="saew-plain" disabled={offline} title={offline ? OFFLINE : undefined}>
        <div class="saew-bar-line">
          {rows.length > 1 && (
            <label>
              <Small>vary </Small>
              <select value={row} onChange={(event) => set({ row: Number(event.currentTarget.value) })}>
                {rows.map((one, i) => (
                  <option key={i} value={i}>
                    {label(summary(one))}
                  </option>
                ))}
              </select>
            </label>
          )}
          <Strengths sweeping={sweeping} />
          <NumberBox
            name="Number of texts at each strength"
            says="texts each"
            title="Texts at each strength, with the same dice at every strength"
            value={samples}
            min={1}
            max={MAX_SWEEP_SAMPLES}
            whole
            onChange={(n) => set({ samples: n })}
          />
          <NumberBox
            name="Number of controls of each kind"
            says="controls"
            title="Other features, and random directions of the same size, so many each: what they do as well is not the feature's doing"
            value={controls}
            min={0}
            max={MAX_CONTROLS}
            whole
            onChange={(n) => set({ controls: n })}
          />
          <Button
            class="saew-primary"
            disabled={!can && !busy}
            onClick={() => (busy ? kernel.stop("sweep") : sweeping.run())}
          >
            {busy ? "Stop" : "Run the sweep"}
          </Button>
        </div>
      </fieldset>
      {!can && <p class="saew-missing">{missing(varied !== undefined)}</p>}
      <ChannelStatus kernel={kernel} channel="sweep" unit="texts" />
      {sweep && <SweepResult key={sweep.json.strengths.join()} state={state} sweep={sweep} />}
      {!sweep && can && !busy && !offline && (
        <p class="saew-empty">
          Writes several texts at each strength with the same dice, and measures how strongly the feature comes out, how
          far the model is pushed, and whether the texts fall apart; and, without sampling, what the edit does to the
          prompt.
        </p>
      )}
    </>
  );
}

function missing(ablates: boolean): string {
  return ablates
    ? "An ablation has no strength to vary: choose another kind or intervention."
    : "The recipe has no intervention to vary.";
}

/** The strengths to try: the kernel's choice, or a list. */
function Strengths({ sweeping }: { sweeping: SweepState }) {
  const { strengths, set } = sweeping;
  const [text, setText] = useState(strengths?.join(", ") ?? "");
  const read = numbers(text);
  return (
    <label>
      <Small>strengths </Small>
      <input
        type="text"
        class="saew-strengths"
        placeholder="chosen for you"
        title="Such as -2, 0, 1, 4, in the intervention's unit; empty: chosen for you"
        aria-invalid={read === null}
        spellcheck={false}
        value={text}
        onInput={(event) => {
          const { value } = event.currentTarget;
          setText(value);
          const found = numbers(value);
          if (found) set({ strengths: found.length > 0 ? found : null });
        }}
      />
    </label>
  );
}

function numbers(text: string): number[] | null {
  const parts = text
    .replaceAll("\u2212", "-")
    .split(/[\s,;]+/)
    .filter(Boolean);
  const out = parts.map(Number);
  return out.every(Number.isFinite) ? out : null;
}

/** The measures of texts, and those of the prompt itself. */
const PARTS = [MEASURES.slice(0, 4), MEASURES.slice(4)];

function SweepResult({ state, sweep }: { state: State; sweep: Sweep }) {
  const { json, curves } = sweep;
  const row = state.recipe.interventions[json.row];
  const [measure, width] = useWidth();
  const [at, setAt] = useState(() => nearest(json.strengths, middle(json.bands) ?? row?.value ?? 0));
  const [sample, setSample] = useState(0);
  const strength = json.strengths[at] ?? 0;
  const varied = complete(sweep.asked.recipe).interventions[json.row];
  const unit = varied && KINDS[varied.kind].units.length === 0 ? "(a factor)" : UNITS[json.unit];
  const stale = !same(withoutValue(sweep, json.row), withoutValue({ asked: state.asked }, json.row));
  const shown = `${short(strength)} ${unit}`;
  const columns = width > 560 ? 2 : 1;
  return (
    <>
      {stale && <p class="saew-state">The recipe or prompt has changed since: this sweep is of the earlier ones.</p>}
      <div ref={measure}>
        {PARTS.map((names, i) => (
          <section key={i} class="saew-sweep-part">
            <SmallLine>{label(json.about[i] ?? "")}</SmallLine>
            <div class={`saew-figures${columns > 1 ? " saew-two" : ""}`}>
              {names.map((name) => (
                <LineChart
                  key={name}
                  title={label(json.titles[name])}
                  curve={curves[name]}
                  strengths={json.strengths}
                  bands={json.bands}
                  at={at}
                  width={columns === 1 ? width : (width - 24) / 2}
                  spread={name === "perplexity"}
                  floating={name === "promoted"}
                  onPick={setAt}
                />
              ))}
            </div>
          </section>
        ))}
      </div>
      <p class="saew-small saew-chart-key">
        <span class="saew-key-curve" /> the recipe
        <span class="saew-key-control" />
        {json.controls.length > 0
          ? ` controls: ${json.controls.map(({ name }) => label(name)).join(", ")}`
          : " no controls"}
        <span class="saew-key-base" /> unedited
        {json.bands.length > 0 && (
          <>
            <span class="saew-key-band" /> usable
          </>
        )}
      </p>
      <p class="saew-small saew-verdict">
        <b>{json.verdict}</b>
        {` A strength is usable where ${json.band_rule}`}
      </p>
      <div class="saew-dose">
        <label>
          <Small>strength </Small>
          <input
            type="range"
            aria-label="Strength to look at"
            aria-valuetext={shown}
            min={0}
            max={json.strengths.length - 1}
            step={1}
            value={at}
            onInput={(event) => setAt(Number(event.currentTarget.value))}
          />
        </label>
        <output>{shown}</output>
        {json.n > 1 && (
          <label>
            <Small>text </Small>
            <select
              aria-label="Text to look at"
              title="The same dice at every strength"
              value={sample}
              onChange={(event) => setSample(Number(event.currentTarget.value))}
            >
              {json.baseline.map((_, i) => (
                <option key={i} value={i}>{`${i + 1} of ${json.n}`}</option>
              ))}
            </select>
          </label>
        )}
        <Button
          disabled={state.offline || !row}
          title={state.offline ? OFFLINE : "Put it into the recipe"}
          onClick={() =>
            state.edit((now) => {
              const { row: varies, unit: its } = json;
              const put = (old: Intervention, i: number) =>
                i === varies ? { ...old, value: strength, unit: its } : old;
              return { ...now, interventions: now.interventions.map(put) };
            })
          }
        >
          Use this strength
        </Button>
      </div>
      <div class="saew-pairs">
        <Plain name="Baseline" says="the model as it is" text={json.baseline[sample] ?? ""} />
        <Plain name="Edited" says={`at ${shown}`} text={json.texts[at]?.[sample] ?? ""} />
      </div>
      <Notes notes={json.notes} />
    </>
  );
}

function Plain({ name, says, text }: { name: string; says: string; text: string }) {
  return (
    <div class="saew-plain-text">
      <div class="saew-pair-head">
        <h3>{name}</h3>
        <Small>{says}</Small>
      </div>
      <div class="saew-text">
        {pieces(text).map((piece, i) =>
          piece.kind === "code" ? (
            <i class="saew-code" key={i}>
              {piece.text}
            </i>
          ) : (
            piece.text
          ),
        )}
      </div>
    </div>
  );
}

/** What a sweep is of: everything but the value that it varies. */
function withoutValue({ asked }: Pick<Sweep, "asked">, row: number): unknown {
  const recipe = complete(asked.recipe);
  return { ...asked, recipe: recipe.interventions.map((one, i) => (i === row ? { ...one, value: null } : one)) };
}

/** The middle of the widest band. */
function middle(bands: SweepBand[]): number | null {
  const [widest] = [...bands].sort((a, b) => b.high - b.low - (a.high - a.low));
  return widest ? (widest.low + widest.high) / 2 : null;
}
