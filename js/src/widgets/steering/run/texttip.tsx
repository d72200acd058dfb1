/** What is known of the token under the pointer, in both texts of a pair: id, log-probability, entropy. */

import { signed } from "../../../controls/format";
import { minus, Small, Token } from "../../../controls/small";
import { Tip } from "../../../controls/tip";
import { Num, Table } from "../../../table/table";
import { label } from "../../../tokens/visible";
import type { Changes } from "./changes";
import type { Run, Side } from "./run";

export interface Place {
  /** Null: the prompt. */
  side: Side | null;
  sample: number;
  token: number;
}

export interface Pointed extends Place {
  at: HTMLElement;
}

/** For those who hear it. */
export function describeToken(run: Run, { side, sample, token }: Place): string {
  const { prompt } = run;
  const text = side && run.text(side, sample);
  const named = `token \u2018${label((text ?? prompt)?.str[token] ?? "")}\u2019`;
  if (!text) return `${named}, position ${token}${prompt?.edited[token] ? ", edited here" : ""}`;
  const from = run.diverge[sample] === token ? ", the texts differ from here" : "";
  return `${named}, step ${token + 1}, log-probability ${minus(text.logprob[token])} nats${from}`;
}

interface Props {
  run: Run;
  pointed: Pointed;
  changes: Changes;
  root: HTMLElement;
}

export function TextTip({ run, pointed, changes, root }: Props) {
  const { side, sample, token, at } = pointed;
  const { prompt } = run;
  const shown = side ? run.text(side, sample) : prompt;
  if (!at.isConnected || !shown || token >= shown.str.length) return null;
  const delta = (side ? changes.of(side, sample) : changes.prompt)?.[token] ?? Number.NaN;
  const position = token + (side ? (prompt?.str.length ?? 0) : 0);
  return (
    <Tip at={at} root={root}>
      <div>
        <b>
          <Token t={shown.str[token]} />
        </b>
        <Small>{` position ${position}${side ? `, step ${token + 1}` : `, id ${shown.ids[token]}`}`}</Small>
      </div>
      {side ? (
        <>
          <Table head={["at this step", "token", ">id", ">log-prob.", ">entropy"]}>
            {(["baseline", "edited"] as const).map((one) => (
              <Numbers key={one} run={run} side={one} sample={sample} token={token} own={one === side} />
            ))}
          </Table>
          <Small>nats, each under the model that wrote it</Small>
        </>
      ) : (
        <Small>{prompt?.edited[token] ? "edited here" : "not edited here"}</Small>
      )}
      {Number.isFinite(delta) && (
        <div>
          <Small>log-probability of this token, by the recipe: </Small>
          <b>{signed(delta)}</b>
          <Small> nats</Small>
        </div>
      )}
    </Tip>
  );
}

interface NumbersProps {
  run: Run;
  side: Side;
  sample: number;
  token: number;
  own: boolean;
}

function Numbers({ run, side, sample, token, own }: NumbersProps) {
  const text = run.text(side, sample);
  const there = text !== undefined && token < text.str.length;
  return (
    <tr>
      <td>{own ? <b>{side}</b> : side}</td>
      <td>{there ? <Token t={text.str[token]} /> : "\u2013"}</td>
      <Num>{there && text.ids[token]}</Num>
      <Num>{there && minus(text.logprob[token])}</Num>
      <Num>{there && minus(text.entropy[token])}</Num>
    </tr>
  );
}
