/** What the model says next after each text, side by side. */

import { useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { signed } from "../../controls/format";
import { chance, Heading, Small } from "../../controls/small";
import { useFollow } from "../../kernel/follow";
import type { Kernel } from "../../kernel/kernel";
import { useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { Tok } from "../../tokens/tok";
import { label } from "../../tokens/visible";
import { Predicted, type PredictionsJson } from "./data";
import type { Texts } from "./state";

/** A person types faster than whole forward passes are worth. */
const WAIT_MS = 300;

interface Props {
  model: Model;
  kernel: Kernel;
  pair: readonly [number, number];
}

export function Predictions({ model, kernel, pair }: Props) {
  const texts = useTrait<Texts>(model, "texts");
  const revision = useTrait<number>(model, "revision");
  const [found, setFound] = useState<Predicted | null>(null);
  useFollow<PredictionsJson>(kernel, "predictions", { texts }, { on: true, wait: WAIT_MS, revision }, (reply) =>
    setFound(new Predicted(reply)),
  );
  return (
    <section class="saew-next" aria-label="Next token">
      <Heading title="Next token">
        <Small>the likeliest after each text; the change is of its log-probability</Small>
      </Heading>
      <ChannelStatus kernel={kernel} channel="predictions" />
      {found?.why && <p class="saew-empty">{found.why}</p>}
      <div class="saew-next-texts">
        {found?.top.map((places, text) => {
          const other = text === pair[0] ? pair[1] : pair[0];
          return (
            <table key={text}>
              <thead>
                <tr class="saew-small">
                  <th scope="col">{`after text ${text + 1}`}</th>
                  <th scope="col" class="saew-num">
                    p
                  </th>
                  <th
                    scope="col"
                    class="saew-num"
                    title={`log p after text ${text + 1} less log p after text ${other + 1}`}
                  >
                    {`vs text ${other + 1}`}
                  </th>
                </tr>
              </thead>
              <tbody>
                {places.map((place) => {
                  const p = Math.exp(found.logProb(text, place));
                  return (
                    <tr key={place}>
                      <th
                        scope="row"
                        class="saew-mono"
                        title={`${label(found.str[place] ?? "")} (id ${found.ids[place]})`}
                      >
                        <Tok t={found.str[place] ?? ""} />
                      </th>
                      <td class="saew-num saew-by">
                        <span class="saew-bar" style={{ width: `${(p * 100).toFixed(1)}%` }} />
                        <span>{chance(p)}</span>
                      </td>
                      <td class="saew-num">{signed(found.logProb(text, place) - found.logProb(other, place))}</td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          );
        })}
      </div>
      {!found && !kernel.of("predictions").error && <div class="saew-skeleton" aria-hidden="true" />}
    </section>
  );
}
