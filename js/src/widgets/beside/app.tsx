/** Two features side by side: what they are, both on one text, both on one corpus, and their dashboards. */

import { ErrorBanner } from "../../controls/banner";
import { ChannelStatus } from "../../controls/channelstatus";
import { Notes } from "../../controls/footer";
import { minus } from "../../controls/small";
import { useKernel } from "../../kernel/kernel";
import { save } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import { OnCorpus } from "./oncorpus";
import { OnText } from "./ontext";
import { Head, SideBoard } from "./side";
import { useAnswers, useOrder, useSide, useStale } from "./state";
import type { PairJson, Which } from "./wire";

export function App({ model, root, prefix, themeVersion }: ViewProps) {
  const kernel = useKernel(model, root);
  const shown = useAnswers(model, kernel);
  const order = useOrder(model);
  const palette = usePalette(root, themeVersion);
  const sides = { A: useSide(model, root, "A"), B: useSide(model, root, "B") };
  const part = { model, root, prefix, palette, order };
  const notes = [...(shown.text?.json.notes ?? []), ...(shown.pair?.note ? [shown.pair.note] : [])];
  return (
    <>
      {kernel.error && <ErrorBanner error={kernel.error} onDismiss={() => save(model, { error: null })} />}
      <div class="saew-pairs saew-side-heads">
        {order.map((which, i) => (
          <Head key={which} {...{ model, which }} looked={sides[which]} swap={i === 0} />
        ))}
      </div>
      <Cosine pair={shown.pair} />
      <Still model={model} of={shown.pair} />
      <ChannelStatus kernel={kernel} channel="pair" />
      <section class="saew-panel" aria-label="On one text">
        <OnText {...part} data={shown.text}>
          <Still model={model} of={shown.text?.json ?? null} />
        </OnText>
        <ChannelStatus kernel={kernel} channel="text" />
      </section>
      <section class="saew-panel" aria-label="On one corpus">
        <OnCorpus
          {...part}
          data={shown.corpus}
          waits={kernel.of("corpus").busy}
          names={{ A: nameOf("A"), B: nameOf("B") }}
        >
          <Still model={model} of={shown.corpus?.json ?? null} />
        </OnCorpus>
        <ChannelStatus kernel={kernel} channel="corpus" unit="tokens" />
      </section>
      <div class="saew-pairs">
        {order.map((which) => (
          <SideBoard key={which} {...{ which, palette, prefix }} looked={sides[which]} range={range()} />
        ))}
      </div>
      <div class="saew-footer">
        <Notes notes={notes} />
        {order.map((which) => {
          const facts = sides[which]?.reply?.r.provenance ?? [];
          return (
            facts.length > 0 && (
              <p class="saew-small" key={which}>
                <b>{which}</b>
                {` ${facts.map(([key, value]) => `${key}: ${value}`).join(" \u00b7 ")}`}
              </p>
            )
          );
        })}
      </div>
    </>
  );

  function nameOf(which: Which): string {
    return label(sides[which]?.reply?.r.name ?? which);
  }

  /** One axis for both histograms. */
  function range(): [number, number] | null {
    const found = order.map((which) => sides[which]?.reply?.r.card?.histogram).filter((one) => one != null);
    if (found.length === 0) return null;
    return [Math.min(...found.map(({ low }) => low)), Math.max(...found.map(({ high }) => high))];
  }
}

/** Under numbers that have to wait for the features that are named. */
function Still({ model, of }: { model: Model; of: { a: number; b: number } | null }) {
  const says = useStale(model, of);
  return says ? (
    <p class="saew-note" role="status">
      {says}
    </p>
  ) : null;
}

function Cosine({ pair }: { pair: PairJson | null }) {
  if (!pair) return null;
  return (
    <p class="saew-small saew-decoders">
      {pair.missing ? (
        label(pair.missing)
      ) : (
        <>
          {"Cosine of the decoder rows "}
          <b class="saew-strong">{minus(pair.cosine)}</b>
        </>
      )}
    </p>
  );
}
