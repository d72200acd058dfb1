/** What is known of the token under the pointer: its activation, and what ablation does to it. */

import { num, signed } from "../../../controls/format";
import { Tip } from "../../../controls/tip";
import type { ExampleJson, ExamplesAnswer, TextAnswer, TokenData } from "../../../feature/wire";
import { remarks } from "../../../tokens/flags";
import { Tok } from "../../../tokens/tok";
import { label } from "../../../tokens/visible";
import type { Change, Effects, EffectsState } from "./effects";
import { type Hover, useHover } from "./hover";

interface Props {
  hover: Hover;
  root: HTMLElement;
  unit: string;
  examples: ExamplesAnswer | null;
  text: TextAnswer | null;
  effects: EffectsState;
}

interface Pointed {
  data: TokenData;
  where: string;
  effects: Effects | null;
  /** The token's place in its effects. */
  at: number;
}

export function Tooltip({ hover, root, unit, examples, text, effects }: Props) {
  const pointed = useHover(hover);
  if (!pointed) return null;
  const { token } = pointed;
  const found = pointed.source === "text" ? inText(text, token, effects) : inExamples(examples, token, effects);
  if (!found || token >= found.data.act.length) return null;
  const flags = found.data.flags[token] ?? 0;
  return (
    <Tip at={pointed.at} root={root}>
      <div>
        <b class="saew-mono">
          <Tok t={found.data.str[token] ?? ""} />
        </b>
        <span class="saew-small">{` ${found.where}`}</span>
      </div>
      {remarks(flags).map((remark) => (
        <div class="saew-small" key={remark}>
          {remark}
        </div>
      ))}
      <div>
        {`${unit} `}
        <b>{num(found.data.act[token] ?? Number.NaN)}</b>
      </div>
      {found.effects && <Told effects={found.effects} at={found.at} />}
    </Tip>
  );
}

function inText(text: TextAnswer | null, token: number, effects: EffectsState): Pointed | null {
  return text && { data: text, where: `token ${token}`, effects: effects.text, at: token };
}

function inExamples(answer: ExamplesAnswer | null, token: number, effects: EffectsState): Pointed | null {
  const example = answer && exampleOf(answer, token);
  if (!answer || !example) return null;
  const at = token - example.start;
  return {
    data: answer,
    where: `token ${example.at + at - example.b} of document ${label(example.doc)}`,
    effects: effects.examples.get(example.id) ?? null,
    at,
  };
}

function exampleOf(answer: ExamplesAnswer, token: number): ExampleJson | undefined {
  for (const group of answer.json.groups)
    for (const example of group.examples)
      if (token >= example.start && token < example.start + example.n) return example;
  return undefined;
}

/** The effects on one token: on itself, and on what comes after it. What an effect is stands beside its switch. */
function Told({ effects, at }: { effects: Effects; at: number }) {
  const delta = effects.delta[at] ?? Number.NaN;
  const direct = effects.direct[at] ?? Number.NaN;
  const clean = effects.clean[at] ?? Number.NaN;
  const ablated = effects.ablated[at] ?? Number.NaN;
  const { lowered, raised } = effects.changes(at);
  return (
    <>
      {Number.isFinite(delta) && (
        <>
          <div class="saew-tip-head">This token without the feature</div>
          <table>
            <tbody>
              <tr>
                <td>full effect</td>
                <td class="saew-num">{signed(delta)}</td>
                <td class="saew-small">log-probability</td>
              </tr>
              {Number.isFinite(direct) && (
                <tr>
                  <td>direct effect</td>
                  <td class="saew-num">{signed(direct)}</td>
                  <td class="saew-small">log-probability</td>
                </tr>
              )}
            </tbody>
          </table>
          {Number.isFinite(clean) && Number.isFinite(ablated) && (
            <div>
              {"probability "}
              <b>{`${probability(clean)} \u2192 ${probability(ablated)}`}</b>
            </div>
          )}
        </>
      )}
      {(lowered.length > 0 || raised.length > 0) && (
        <>
          <div class="saew-tip-head">Next token without the feature</div>
          <div class="saew-tip-changes">
            <Changes title="lowered" changes={lowered} />
            <Changes title="raised" changes={raised} />
          </div>
        </>
      )}
    </>
  );
}

function Changes({ title, changes }: { title: string; changes: Change[] }) {
  if (changes.length === 0) return null;
  return (
    <table>
      <tbody>
        <tr>
          <td class="saew-small" colSpan={2}>
            {title}
          </td>
        </tr>
        {changes.map((change, i) => (
          <tr key={`${i} ${change.t}`}>
            <td class="saew-mono">
              <Tok t={change.t} />
            </td>
            <td class="saew-num">{signed(change.value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function probability(p: number): string {
  return p >= 0.001 ? `${(p * 100).toPrecision(3)}%` : p.toExponential(1);
}
