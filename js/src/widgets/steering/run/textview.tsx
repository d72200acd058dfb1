/** The texts, pair by pair: as the model is, and with the recipe; coloured, and marked from where they differ. */

import { useRef, useState } from "preact/hooks";
import { ChannelStatus } from "../../../controls/channelstatus";
import { Footer } from "../../../controls/footer";
import { count } from "../../../controls/format";
import { Segments } from "../../../controls/segments";
import { Small, SmallLine } from "../../../controls/small";
import type { Kernel } from "../../../kernel/kernel";
import { save, useTrait } from "../../../kernel/traits";
import type { Palette } from "../../../tokens/palette";
import { TokenBox } from "../../../tokens/tokenbox";
import type { State } from "../state";
import type { PromptJson } from "../wire";
import type { Changes } from "./changes";
import { ChangeKey, SurpriseKey } from "./colourkeys";
import { change, surprise } from "./colours";
import { type Generation, isStale } from "./generation";
import type { Run, Side } from "./run";
import { describeToken, type Pointed, TextTip } from "./texttip";

export type Color = "none" | "surprise" | "change";
const SIDES: Record<Side, [string, string]> = {
  baseline: ["Baseline", "the model as it is"],
  edited: ["Edited", "with the recipe"],
};

interface Props {
  state: State;
  kernel: Kernel;
  generation: Generation;
  changes: Changes;
  root: HTMLElement;
  prefix: string;
  palette: Palette;
}

export function TextView(props: Props) {
  const { state, kernel, generation, changes, root } = props;
  const { run, busy } = generation;
  const color = useTrait<Color>(state.model, "color");
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const stale = run !== null && !busy && isStale(run, state);
  return (
    <>
      <div class="saew-bar-line">
        <Small>colour</Small>
        <Segments
          name="Colour of the tokens"
          values={["none", "surprise", "change"]}
          value={color}
          onChange={(value) => save(state.model, { color: value })}
        />
        <Key color={color} changes={changes} run={run} palette={props.palette} />
      </div>
      <ChannelStatus kernel={kernel} channel="generate" />
      {run ? (
        <>
          <p class="saew-state" role="status">
            {stateOf(run, busy, stale)}
          </p>
          {run.prompt && <PromptLine {...props} run={run} prompt={run.prompt} color={color} onPoint={setPointed} />}
          <div class="saew-pairs">
            {(["baseline", "edited"] as const).map((side) => (
              <div class="saew-pair-head" key={side}>
                <h3>{SIDES[side][0]}</h3>
                <Small>{SIDES[side][1]}</Small>
              </div>
            ))}
            {run.baseline.map((_, sample) => (
              <Pair key={sample} {...props} run={run} sample={sample} color={color} onPoint={setPointed} />
            ))}
          </div>
          <RunFacts run={run} />
        </>
      ) : (
        !busy && (
          <p class="saew-empty">
            Nothing was generated yet. Generate writes the model’s text as it is and with the recipe, side by side.
          </p>
        )
      )}
      {run && pointed && <TextTip run={run} pointed={pointed} changes={changes} root={root} />}
    </>
  );
}

function stateOf(run: Run, busy: boolean, stale: boolean): string {
  if (busy) return "Writing\u2026";
  const said = [];
  if (run.plain)
    said.push(`Run ${run.id} of the history: its texts only, without tokens and colours. Generate to have them again.`);
  if (run.stopped) said.push("Stopped before the end.");
  if (stale) said.push("The recipe, prompt or settings have changed since: these texts are of the earlier ones.");
  return said.join(" ");
}

interface PartProps extends Props {
  run: Run;
  color: Color;
  onPoint: (pointed: Pointed | null) => void;
}

/** The prompt, once above all texts: dimmed, underlined where it was edited. */
function PromptLine({ run, prompt, color, changes, palette, prefix, onPoint }: PartProps & { prompt: PromptJson }) {
  const tokens = useTokens(prompt);
  const shown = color === "change" ? changes.prompt : undefined;
  return (
    <div class="saew-prompt">
      <span class="saew-small">
        {`Prompt, ${count(prompt.str.length, "token")}`}
        {prompt.edited.some(Boolean) && (
          <>
            {" ("}
            <span class="saew-edited">underlined</span>
            {": edited)"}
          </>
        )}
      </span>
      <TokenBox
        tokens={tokens}
        name="Prompt"
        id={`${prefix}-prompt`}
        className="saew-prompt-text"
        classes={(token) => (prompt.edited[token] ? "saew-edited" : "")}
        look={(token) => (shown ? change(shown[token], changes.most, palette) : "")}
        lookKey={`${color} ${changes.version} ${palette.ink}`}
        describe={(token) => describeToken(run, { side: null, sample: 0, token })}
        onPoint={(token, at) => onPoint(at && { side: null, sample: 0, token, at })}
      />
    </div>
  );
}

/** The prompt, the same object for the same prompt. */
function useTokens(prompt: PromptJson): PromptJson {
  const held = useRef(prompt);
  if (held.current.ids.join() !== prompt.ids.join()) held.current = prompt;
  return held.current;
}

function Pair(props: PartProps & { sample: number }) {
  const { run, sample } = props;
  const several = run.baseline.length > 1;
  return (
    <>
      {(["baseline", "edited"] as const).map((side) => (
        <div class="saew-pair" key={side}>
          {/* Narrow, the texts stand below each other, far from the heads. */}
          <span class={several ? "saew-small saew-which" : "saew-small saew-which saew-which-one"}>
            <span class="saew-which-side">{SIDES[side][0]}</span>
            {several && ` ${sample + 1}`}
          </span>
          <TextOf {...props} side={side} />
        </div>
      ))}
    </>
  );
}

function TextOf(props: PartProps & { sample: number; side: Side }) {
  const { run, sample, side, color, changes, palette, prefix, generation, onPoint } = props;
  const text = run.text(side, sample);
  const [listen] = useState(() => (listener: () => void) => run.listen(listener));
  if (!text) return null;
  const delta = color === "change" ? changes.of(side, sample) : undefined;
  const look = (token: number) => {
    if (run.plain) return "";
    if (color === "surprise") return surprise(text.logprob[token], palette);
    return delta ? change(delta[token], changes.most, palette) : "";
  };
  return (
    <>
      <TokenBox
        tokens={text}
        name={`${SIDES[side][0]} text${run.baseline.length > 1 ? ` ${sample + 1}` : ""}`}
        id={`${prefix}-${side}${sample}`}
        className="saew-text"
        look={look}
        lookKey={`${color} ${changes.version} ${palette.ink} ${generation.version}`}
        from={() => run.diverge[sample] ?? null}
        says="differs from here"
        listen={listen}
        describe={(token) => (run.plain ? "" : describeToken(run, { side, sample, token }))}
        onPoint={(token, at) => onPoint(at && !run.plain ? { side, sample, token, at } : null)}
      />
      {text.ended && run.answer && <span class="saew-ended saew-small">ended here</span>}
    </>
  );
}

function Key({ color, changes, run, palette }: { color: Color; changes: Changes; run: Run | null; palette: Palette }) {
  if (color === "none") return null;
  if (run?.plain) return <Small>Texts out of the history have no colours.</Small>;
  if (color === "surprise") return <SurpriseKey palette={palette} />;
  if (changes.error) return <Small>{`No colours: ${changes.error.message}`}</Small>;
  if (run && !run.answer) return <Small>Coloured once the texts are written.</Small>;
  if (changes.busy && changes.most === 0) return <Small>{"Computing\u2026"}</Small>;
  return <ChangeKey most={changes.most} palette={palette} />;
}

/** What the numbers and texts are, and where they come from. */
function RunFacts({ run }: { run: Run }) {
  const { answer } = run;
  if (!answer)
    return (
      <div class="saew-footer">
        {run.notes.map((note) => (
          <p class="saew-note" key={note}>
            {note}
          </p>
        ))}
      </div>
    );
  const lines = answer.amounts.split("\n");
  return (
    <Footer notes={run.notes} provenance={Object.entries(answer.provenance)}>
      <SmallLine>
        {"Both texts draw from the same random numbers; they differ only where the distributions do. "}
        {run.diverge.every((at) => at === null) && "Here they do not differ. "}
        {`Seed ${run.settings.seed}, temperature ${run.settings.temperature}`}
        {answer.seconds === undefined ? "." : `; ${answer.seconds.toFixed(1)} s.`}
      </SmallLine>
      {lines.filter(Boolean).map((line) => (
        <p class="saew-small" key={line}>
          {line}
        </p>
      ))}
    </Footer>
  );
}
