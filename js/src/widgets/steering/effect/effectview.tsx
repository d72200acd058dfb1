/** The effect on a text, token by token: a heatmap of what the recipe changes in its probabilities, and summary numbers. */

import { useLayoutEffect, useState } from "preact/hooks";
import { ChannelStatus } from "../../../controls/channelstatus";
import { Notes } from "../../../controls/footer";
import { signed } from "../../../controls/format";
import { Segments } from "../../../controls/segments";
import { minus, Small } from "../../../controls/small";
import type { Kernel } from "../../../kernel/kernel";
import { save, useTrait } from "../../../kernel/traits";
import { Num, Table } from "../../../table/table";
import type { Palette } from "../../../tokens/palette";
import { TokenBox } from "../../../tokens/tokenbox";
import { label } from "../../../tokens/visible";
import { AmountKey, ChangeKey } from "../run/colourkeys";
import { amount, change, largest } from "../run/colours";
import type { Run } from "../run/run";
import type { State } from "../state";
import { json, OFFLINE } from "../wire";
import type { Effect, EffectState, Which } from "./effectdata";
import { ActsTable, SideTable } from "./effecttables";
import { EffectTip } from "./effecttip";

interface Props {
  state: State;
  kernel: Kernel;
  effects: EffectState;
  run: Run | null;
  root: HTMLElement;
  prefix: string;
  palette: Palette;
}

type Shown = "delta" | "kl";

export function EffectView(props: Props) {
  const { state, kernel, effects, run } = props;
  const { effect } = effects;
  const freeze = useTrait<boolean>(state.model, "freeze");
  const [shown, setShown] = useState<Shown>("delta");
  const can = useRecorded(props, freeze);
  return (
    <>
      <div class="saew-bar-line">
        <label>
          <Small>text </Small>
          <select
            value={nameOf(effects.which)}
            onChange={(event) => {
              const { value } = event.currentTarget;
              effects.choose(textsOf(run).find((one) => nameOf(one) === value) ?? null);
            }}
          >
            {textsOf(run).map((one, i) => (
              <option key={nameOf(one)} value={nameOf(one)} disabled={!(can?.[i] ?? true)}>
                {sayText(one, run)}
                {can?.[i] === false ? " (not recorded)" : ""}
              </option>
            ))}
          </select>
        </label>
        <Segments
          name="What is coloured"
          values={["delta", "kl"]}
          texts={["log-probability", "KL divergence"]}
          value={shown}
          onChange={(value) => setShown(value as Shown)}
        />
        <label
          title={
            state.offline
              ? OFFLINE
              : "Also with every attention pattern as it is without the recipe: what is left is the effect through the values"
          }
        >
          <input
            type="checkbox"
            checked={freeze}
            disabled={state.offline}
            onChange={(event) => save(state.model, { freeze: event.currentTarget.checked })}
          />
          {" also with attention frozen"}
        </label>
      </div>
      <ChannelStatus kernel={kernel} channel="effect" unit="forward passes" />
      {effect && <EffectResult {...props} effect={effect} shown={shown} />}
      {!effect && !kernel.of("effect").busy && !kernel.of("effect").error && !kernel.of("effect").offline && (
        <p class="saew-empty">A prompt is needed to see what the recipe does to it.</p>
      )}
    </>
  );
}

function EffectResult({ effect, shown, root, prefix, palette }: Props & { effect: Effect; shown: Shown }) {
  const [pointed, setPointed] = useState<{ token: number; at: HTMLElement } | null>(null);
  const values = shown === "delta" ? effect.delta : effect.kl;
  const most = largest(values);
  const describe = (token: number) =>
    `token \u2018${label(effect.tokens.str[token] ?? "")}\u2019, position ${token}, ` +
    (shown === "delta"
      ? `change of log-probability ${signed(effect.delta[token] ?? Number.NaN)} nats`
      : `KL divergence ${minus(effect.kl[token])} nats`);
  const after = effect.json.n_prompt < effect.json.str.length ? effect.json.n_prompt : null;
  return (
    <>
      <Numbers effect={effect} />
      <div class="saew-heat-key">
        {shown === "delta" ? (
          <ChangeKey most={most} palette={palette} />
        ) : (
          <AmountKey most={most} palette={palette} what="KL(unedited || edited) of the prediction of the token" />
        )}
      </div>
      <TokenBox
        tokens={effect.tokens}
        name="Effect on each token"
        id={`${prefix}-effect`}
        className="saew-text saew-heat"
        look={(token) =>
          shown === "delta" ? change(values[token], most, palette) : amount(values[token], most, palette)
        }
        lookKey={`${shown} ${palette.ink}`}
        from={() => after}
        says="after the prompt"
        describe={describe}
        onPoint={(token, at) => setPointed(at && { token, at })}
      />
      {pointed?.at.isConnected && <EffectTip effect={effect} token={pointed.token} at={pointed.at} root={root} />}
      <Notes notes={effect.json.notes} />
      <div class="saew-tables">
        <ActsTable effect={effect} />
        <SideTable effect={effect} />
      </div>
    </>
  );
}

/** The text in a few numbers, each with its unit; with frozen attention beside. */
function Numbers({ effect }: { effect: Effect }) {
  const { loss, kl_mean } = effect.json;
  const frozen = loss.frozen !== null || kl_mean.frozen !== null;
  const head = ["mean per counted token, nats", ">unedited", ">edited", ...(frozen ? [">attention frozen"] : [])];
  return (
    <Table head={head} className="saew-sums">
      {[
        { says: "loss", more: " (\u2212log-probability of the text)", clean: minus(loss.clean), ...pair(loss) },
        { says: "KL(unedited || edited)", more: " of the predictions", clean: "0", ...pair(kl_mean) },
      ].map((line) => (
        <tr key={line.says}>
          <th scope="row">
            {line.says}
            <Small>{line.more}</Small>
          </th>
          <Num>{line.clean}</Num>
          <Num>
            <b>{line.edited}</b>
          </Num>
          {frozen && <Num>{line.frozen}</Num>}
        </tr>
      ))}
    </Table>
  );
}

function pair(of: { edited: number | null; frozen: number | null }): { edited: string; frozen: string } {
  return { edited: minus(of.edited), frozen: minus(of.frozen) };
}

/** The texts to choose from. */
function textsOf(run: Run | null): Which[] {
  if (!run?.answer) return [null];
  return [
    null,
    ...(["baseline", "edited"] as const).flatMap((side) => run[side].map((_, sample) => ({ side, sample }))),
  ];
}

function nameOf(which: Which): string {
  return which ? `${which.side} ${which.sample}` : "prompt";
}

function sayText(which: Which, run: Run | null): string {
  if (!which) return "the prompt";
  const number = (run?.[which.side].length ?? 0) > 1 ? ` ${which.sample + 1}` : "";
  return `prompt and ${which.side} text${number}`;
}

/** On a page without a kernel: which texts have an answer. Null elsewhere, and until it is known. */
function useRecorded({ state, kernel, effects, run }: Props, freeze: boolean): boolean[] | null {
  const [can, setCan] = useState<boolean[] | null>(null);
  const key = state.offline ? JSON.stringify([state.asked, freeze, run?.id, run?.answer !== null]) : "";
  useLayoutEffect(() => {
    if (!state.offline) return;
    const asks = textsOf(run).map((which) => ({ ch: "effect", p: effects.params(which) }));
    kernel.ask<boolean[]>("recorded", json(asks), { done: ({ r }) => setCan(r) });
  }, [key]);
  return can;
}
