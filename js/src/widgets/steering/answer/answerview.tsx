/** What each way of intervening does to one answer: its rank and probability, and what the model would say instead. */

import { useState } from "preact/hooks";
import { ChannelStatus } from "../../../controls/channelstatus";
import { Notes } from "../../../controls/footer";
import { chance, minus, Small, SmallLine, Token } from "../../../controls/small";
import { useFollow } from "../../../kernel/follow";
import type { Kernel } from "../../../kernel/kernel";
import { useDraft } from "../../../kernel/typing";
import { Num, Table } from "../../../table/table";
import type { State } from "../state";
import { type AnswerJson, type AnswerRow, json, OFFLINE } from "../wire";

const ASK_MS = 400;

export function useAnswer(state: State, kernel: Kernel, answer: string, on: boolean): AnswerJson | null {
  const [found, setFound] = useState<AnswerJson | null>(null);
  const { asked, revision } = state;
  const wanted = on && answer !== "";
  useFollow<AnswerJson>(kernel, "answer", json({ ...asked, answer }), { on: wanted, wait: ASK_MS, revision }, ({ r }) =>
    setFound(r),
  );
  return answer === "" ? null : found;
}

interface Props {
  state: State;
  kernel: Kernel;
  found: AnswerJson | null;
}

export function AnswerView({ state, kernel, found }: Props) {
  const [answer, setAnswer] = useDraft<string>(state.model, "answer");
  return (
    <>
      <label class="saew-bar-line">
        <Small>answer that the prompt asks for</Small>
        <input
          type="text"
          class="saew-answer"
          placeholder="such as: Paris"
          title={state.offline ? OFFLINE : "As it goes on after the prompt, with its leading space if it has one"}
          spellcheck={false}
          readOnly={state.offline}
          value={answer}
          onInput={(event) => setAnswer(event.currentTarget.value)}
        />
      </label>
      <ChannelStatus kernel={kernel} channel="answer" unit="forward passes" />
      {answer === "" && (
        <p class="saew-empty">
          Type an answer to see its rank and probability right after the prompt: for the model as it is, with the
          recipe, and with each of its features alone.
        </p>
      )}
      {found && <AnswerRows found={found} />}
    </>
  );
}

const HEAD = ["model", ">rank", ">probability", ">logit", ">log-prob. of the whole, nats", "likeliest next tokens"];

function AnswerRows({ found }: { found: AnswerJson }) {
  const { ids, str } = found.answer;
  return (
    <>
      <SmallLine>
        {"Read as "}
        {str.map((token, i) => (
          <span key={`${i} ${token}`}>
            {i > 0 && " + "}
            <span class="saew-answer-token">
              <Token t={token} />
            </span>
            {` (id ${ids[i]})`}
          </span>
        ))}
        {found.first_only
          ? ". Rank, probability and logit are of its first token, right after the prompt; the log-probability is of all of it. "
          : ". "}
        Rank 0 is the likeliest next token.
      </SmallLine>
      <div class="saew-wide">
        <Table head={HEAD} className="saew-answers">
          {found.rows.map((row, i) => (
            <Line key={`${i} ${row.name}`} row={row} />
          ))}
        </Table>
      </div>
      <Notes notes={found.notes} />
    </>
  );
}

function Line({ row }: { row: AnswerRow }) {
  return (
    <tr class={`saew-answer-${row.kind}`}>
      <th scope="row">{row.name}</th>
      <Num>
        <b>{row.rank.toLocaleString("en")}</b>
      </Num>
      <td class="saew-num saew-by">
        <i class="saew-bar" style={{ width: `${Math.min(100, row.probability * 100).toFixed(1)}%` }} />
        <span>{chance(row.probability)}</span>
      </td>
      <Num>{minus(row.logit)}</Num>
      <Num>{minus(row.logprob)}</Num>
      <td class="saew-small">
        {row.top.map(([token, p], i) => (
          <span key={`${i} ${token}`} class="saew-top">
            <Token t={token} />
            {` ${chance(p)}`}
          </span>
        ))}
      </td>
    </tr>
  );
}
