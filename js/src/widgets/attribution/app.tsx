/** The attribution panel: what is asked, the prompts, the ranking, and the checks beside it. */

import { useMemo, useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { Footer } from "../../controls/footer";
import { num, percent } from "../../controls/format";
import { StatusLines } from "../../controls/status";
import { HoverCard, type Pointed } from "../../feature/card";
import { useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { usePalette } from "../../tokens/palette";
import { label } from "../../tokens/visible";
import { Asking } from "./asking";
import { Check } from "./check";
import { Layers } from "./layers";
import { Predictions, Without } from "./prediction";
import { Ranking } from "./ranking";
import { usePanel } from "./state";
import { TokensView } from "./tokensview";
import type { Found } from "./wire";

export function App({ model, root, prefix, themeVersion }: ViewProps) {
  const state = usePanel(model, root);
  const palette = usePalette(root, themeVersion);
  const feature = useTrait<number | null>(model, "feature");
  const indexed = useTrait<string[]>(model, "indexed");
  const [hovered, setHovered] = useState<number | null>(null);
  const [card, setCard] = useState<Pointed | null>(null);
  const { kernel, found, rank } = state;
  const onHover = (f: number | null, at?: HTMLElement) => {
    setHovered(f);
    const sae = found?.json.sae;
    setCard(sae !== undefined && indexed.includes(sae) && f !== null && at ? { f, at, beside: { sae } } : null);
  };
  const { busy, progress, error, offline } = kernel.of("attribution");
  const dismiss = () => kernel.dismiss("attribution");
  const ranking = useMemo(
    () => found && <Ranking model={model} found={found} rank={rank} onHover={onHover} />,
    [model, found, rank, indexed],
  );
  return (
    <>
      <Asking {...{ model, root, prefix, state }} />
      <StatusLines status={{ busy, progress, error: error ?? kernel.error, offline, dismiss }} unit="tokens" />
      {found ? (
        <>
          {state.missing !== "" && <p class="saew-note">{state.missing}</p>}
          {state.failed && <p class="saew-note">What is shown is of the question before.</p>}
          <Head found={found} />
          <div class={state.failed ? "saew-attribution-body saew-off" : "saew-attribution-body"}>
            <div>
              <TokensView {...{ model, root, prefix, palette, found }} shown={hovered ?? feature} />
              {rank && rank.layers.length > 1 && <Layers model={model} layers={rank.layers} shown={found.json.sae} />}
              {ranking}
              <ChannelStatus kernel={kernel} channel="rank" />
            </div>
            <div class="saew-attribution-side">
              <Check {...{ model, state, found }} onHover={setHovered} />
              <Without {...{ model, state, found }} />
              <Predictions {...{ model, state }} />
            </div>
          </div>
          <Footer notes={found.json.notes} provenance={found.json.provenance} />
          {indexed.length > 0 && <HoverCard {...{ model, root, palette, prefix }} pointed={card} />}
        </>
      ) : (
        <>
          {state.missing !== "" && <p class="saew-empty">{state.missing}</p>}
          <Predictions {...{ model, state }} />
        </>
      )}
    </>
  );
}

/** The number that is explained, how, and how much of it the features cannot be asked for. */
function Head({ found }: { found: Found }) {
  const { json } = found;
  const share = json.error_share;
  return (
    <div class="saew-attribution-head">
      <p>
        <bdi>{label(json.said.length === 1 ? (json.said[0] ?? json.metric) : json.metric)}</bdi>
        {json.std === null ? " = " : ", mean of the prompts "}
        <b>{num(json.mean)}</b>
        {json.std !== null && ` \u00b1 ${num(json.std)}`}
      </p>
      <div
        class="saew-share"
        title={
          "\u03a3|err\u00b7g| / \u03a3(|err\u00b7g| + |features| + |bias\u00b7g|), over the tokens that count: what of the gradient\u2019s flow the dictionary does not reconstruct"
        }
      >
        <span>{share === null ? "no share of the error" : `error share ${percent(share)}`}</span>
        <span class="saew-meter" aria-hidden="true">
          <span style={{ width: `${((share ?? 0) * 100).toFixed(1)}%` }} />
        </span>
      </div>
      <p class="saew-small">
        {`attribution = activation \u00d7 ${json.steps > 1 ? `mean gradient over ${json.steps} steps` : "gradient"}, the gradient passing the dictionary unchanged`}
        {json.held.length > 0 && `; held fixed: ${json.held.join("; ")}`}
      </p>
    </div>
  );
}
