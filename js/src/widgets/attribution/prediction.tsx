/** What the model says next: as it is, with the SAE's reconstruction in place, and without the features that are ticked. */

import { useLayoutEffect, useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { num, signed } from "../../controls/format";
import { Button, chance, Heading, Token } from "../../controls/small";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { useRoving } from "../../table/rove";
import { Num, Table } from "../../table/table";
import { tokenName } from "../../tokens/tok";
import { label } from "../../tokens/visible";
import { explain, type State } from "./state";
import type { Found, Next, WithoutJson } from "./wire";

interface Props {
  model: Model;
  state: State;
}

/** Next tokens, each of which can be the target or the foil. */
export function Predictions({ model, state }: Props) {
  const roving = useRoving<HTMLElement>(".saew-choose-target", ".saew-choose-foil");
  const target = useTrait<string>(model, "target");
  const foil = useTrait<string>(model, "foil");
  const measure = useTrait<string>(model, "measure");
  const editable = useTrait<boolean>(model, "editable");
  const choosing = editable && measure !== "given";
  const { predictions } = state;
  const spliced = predictions?.texts.some(({ next }) => next.some(({ after }) => after !== null));
  if (!predictions) return <ChannelStatus kernel={state.kernel} channel="predictions" />;
  return (
    <section class="saew-predicted" aria-label="What comes next" {...roving}>
      <Heading title="What comes next" />
      <ChannelStatus kernel={state.kernel} channel="predictions" />
      {spliced && (
        <p class="saew-small">
          {`With the SAE: what ${label(predictions.sae)} reconstructs stands in place of the model's own values, at every token; its error is dropped.`}
        </p>
      )}
      {predictions.texts.map((text, i) => (
        <div key={`${i} ${text.prompt}`}>
          {predictions.texts.length > 1 && <p class="saew-small">{label(text.prompt)}</p>}
          <Table head={["token", ">as it is", ...(spliced ? [">with the SAE"] : []), ...(choosing ? ["choose"] : [])]}>
            {text.next.map((one) => (
              <tr key={one.id} class={one.typed && one.str === target ? "saew-chosen" : undefined}>
                <th scope="row">
                  <Token t={one.str} />
                </th>
                <Num>{chance(one.before)}</Num>
                {spliced && <Num>{chance(one.after ?? undefined)}</Num>}
                {choosing && (
                  <td class="saew-nowrap">
                    <Choose
                      says="target"
                      one={one}
                      chosen={target}
                      onChoose={(str) => explain(model, { target: str })}
                    />
                    {measure === "logits" && (
                      <Choose
                        says="foil"
                        one={one}
                        chosen={foil}
                        onChoose={(str) => explain(model, { foil: str === foil ? "" : str })}
                      />
                    )}
                  </td>
                )}
              </tr>
            ))}
          </Table>
        </div>
      ))}
    </section>
  );
}

interface ChooseProps {
  says: "target" | "foil";
  one: Next;
  chosen: string;
  onChoose: (str: string) => void;
}

function Choose({ says, one, chosen, onChoose }: ChooseProps) {
  return (
    <Button
      class={`saew-quiet saew-choose saew-choose-${says}`}
      disabled={!one.typed}
      title={one.typed ? undefined : `No text is read as this token. In Python: metric=sw.logit(${one.id})`}
      aria-pressed={one.typed && one.str === chosen}
      aria-label={`${says}: ${tokenName(one.str)}`}
      onClick={() => onChoose(one.str)}
    >
      {says}
    </Button>
  );
}

const takeOut = (features: number[]) =>
  ["Take out", `Take out feature ${features[0]}`][features.length] ?? `Take out ${features.length} features`;

/** The ticked features taken out together. */
export function Without({ model, state, found }: Props & { found: Found }) {
  const chosen = useTrait<number[]>(model, "chosen");
  const editable = useTrait<boolean>(model, "editable");
  const [made, setMade] = useState<WithoutJson | null>(null);
  const { kernel } = state;
  const { busy } = kernel.of("without");
  const { key } = found.json;
  const json = made?.key === key ? made : null;
  const ask = (failed: () => boolean = () => false) =>
    kernel.ask<WithoutJson>(
      "without",
      { of: found.question, features: chosen },
      { done: ({ r }) => setMade(r), failed },
    );
  useLayoutEffect(() => {
    if (!editable && chosen.length > 0) ask(() => true); // a page shows what was recorded
    return () => kernel.stop("without");
  }, [key]);
  return (
    <section aria-label="Without the ticked features">
      <Heading title="What if">
        <Button disabled={chosen.length === 0 && !busy} onClick={() => (busy ? kernel.stop("without") : ask())}>
          {busy ? "Stop" : takeOut(chosen)}
        </Button>
        {chosen.length > 0 && (
          <Button class="saew-link" onClick={() => save(model, { chosen: [] })}>
            untick
          </Button>
        )}
      </Heading>
      <ChannelStatus kernel={kernel} channel="without" unit="texts" />
      {json ? (
        <>
          {json.silent.length > 0 && (
            <p class="saew-note">{`Silent here, so that nothing of it was taken out: ${json.silent.join(", ")}`}</p>
          )}
          {json.texts.map((text, i) => (
            <div key={`${i} ${text.before}`}>
              <p class="saew-small">
                {`Without ${json.removed.join(", ")}: ${label(found.json.said[i] ?? found.json.metric)} ${num(text.before)} \u2192 ${num(text.after)} (${signed(text.after - text.before)})`}
              </p>
              <Table
                head={[
                  `next after \u2018${tokenName(found.str[(found.json.texts[i]?.[0] ?? 0) + text.at] ?? "")}\u2019`,
                  ">as it is",
                  ">without",
                ]}
              >
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
          ))}
        </>
      ) : (
        <p class="saew-small">Tick features in the ranking, and take them out of the model together.</p>
      )}
    </section>
  );
}
