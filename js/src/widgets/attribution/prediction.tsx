/** What the model says next: as it is, with the SAE's reconstruction in place, and without the features that are ticked. */

import { useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { num, signed } from "../../controls/format";
import { Button, chance, Heading, Token } from "../../controls/small";
import { Num, Table } from "../../controls/table";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { label } from "../../tokens/visible";
import type { State } from "./state";
import type { Found, WithoutJson } from "./wire";

interface Props {
  model: Model;
  state: State;
}

/** Next tokens, each of which can be the target or the foil. */
export function Predictions({ model, state }: Props) {
  const target = useTrait<string>(model, "target");
  const foil = useTrait<string>(model, "foil");
  const measure = useTrait<string>(model, "measure");
  const editable = useTrait<boolean>(model, "editable");
  const { predictions } = state;
  const spliced = predictions?.texts.some(({ next }) => next.some(({ after }) => after !== null));
  if (!predictions) return <ChannelStatus kernel={state.kernel} channel="predictions" />;
  return (
    <section aria-label="What comes next">
      <Heading title="What comes next" />
      <ChannelStatus kernel={state.kernel} channel="predictions" />
      {predictions.texts.map((text, i) => (
        <div key={`${i} ${text.prompt}`}>
          {predictions.texts.length > 1 && <p class="saew-small">{label(text.prompt)}</p>}
          <Table head={["token", ">as it is", ...(spliced ? [">with the SAE"] : []), ""]}>
            {text.next.map((one) => (
              <tr key={one.id} class={one.str === target ? "saew-chosen" : undefined}>
                <th scope="row">
                  <Token t={one.str} />
                </th>
                <Num>{chance(one.before)}</Num>
                {spliced && <Num>{chance(one.after ?? undefined)}</Num>}
                <td class="saew-nowrap">
                  {editable && measure !== "given" && (
                    <>
                      <Button
                        class="saew-quiet"
                        aria-pressed={one.str === target}
                        aria-label={`Explain ${one.str}`}
                        onClick={() => save(model, { target: one.str, path: [] })}
                      >
                        target
                      </Button>
                      {measure === "logits" && (
                        <Button
                          class="saew-quiet"
                          aria-pressed={one.str === foil}
                          aria-label={`Against ${one.str}`}
                          onClick={() => save(model, { foil: one.str === foil ? "" : one.str, path: [] })}
                        >
                          foil
                        </Button>
                      )}
                    </>
                  )}
                </td>
              </tr>
            ))}
          </Table>
        </div>
      ))}
    </section>
  );
}

/** The ticked features taken out together. */
export function Without({ model, state, found }: Props & { found: Found }) {
  const chosen = useTrait<number[]>(model, "chosen");
  const [made, setMade] = useState<{ key: string; json: WithoutJson } | null>(null);
  const { kernel } = state;
  const { busy } = kernel.of("without");
  const { key } = found.json;
  const json = made?.key === key ? made.json : null;
  const ask = () =>
    kernel.ask<WithoutJson>(
      "without",
      { of: state.question, features: chosen },
      { done: ({ r }) => setMade({ key, json: r }) },
    );
  return (
    <section aria-label="Without the ticked features">
      <Heading title="What if">
        <Button disabled={chosen.length === 0 && !busy} onClick={busy ? () => kernel.stop("without") : ask}>
          {busy ? "Stop" : `Take out ${chosen.length === 1 ? `feature ${chosen[0]}` : `${chosen.length} features`}`}
        </Button>
        {chosen.length > 0 && (
          <Button class="saew-link" onClick={() => save(model, { chosen: [] })}>
            untick
          </Button>
        )}
      </Heading>
      <ChannelStatus kernel={kernel} channel="without" unit="texts" />
      {json ? (
        json.texts.map((text, i) => (
          <div key={found.json.said[i] ?? i}>
            <p class="saew-small">
              {`Without ${json.removed.join(", ")}: ${label(found.json.said[i] ?? found.json.metric)} ${num(text.before)} \u2192 ${num(text.after)} (${signed(text.after - text.before)})`}
            </p>
            <Table head={["next token", ">as it is", ">without"]}>
              {text.next.map((one) => (
                <tr key={one.id}>
                  <th scope="row">
                    <Token t={one.str} />
                  </th>
                  <Num>{chance(one.before)}</Num>
                  <Num>{chance(one.after ?? undefined)}</Num>
                </tr>
              ))}
            </Table>
          </div>
        ))
      ) : (
        <p class="saew-small">Tick features in the ranking, and take them out of the model together.</p>
      )}
    </section>
  );
}
