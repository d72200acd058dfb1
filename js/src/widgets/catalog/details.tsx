/** One SAE: what is known of it, field by field, loading it, and the code that does the same. */

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { copyText } from "../../controls/clipboard";
import { Segments } from "../../controls/segments";
import type { Kernel } from "../../kernel/kernel";
import { save } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { Loading, type Options } from "./load";
import { type DetailsJson, isSame, type Named } from "./wire";

interface Props {
  model: Model;
  kernel: Kernel;
  shown: Named;
  own: string;
  revision: number;
}

const FIRST: Options = { device: "", dtype: "float32" };

export function Details({ model, kernel, shown, own, revision }: Props) {
  const [told, setTold] = useState<DetailsJson | null>(null);
  const [options, setOptions] = useState(FIRST);
  const { release, sae_id } = shown;
  useEffect(() => {
    kernel.ask<DetailsJson>("details", { release, sae_id, ...options }, { done: ({ r }) => setTold(r) });
  }, [release, sae_id, options, revision]);
  const now = isSame(told, shown) ? told : null;
  return (
    <aside class="saew-catalog-details" aria-label="The selected SAE">
      <div class="saew-catalog-title">
        <div>
          <h3>{release}</h3>
          <p class="saew-mono">{sae_id}</p>
        </div>
        <button
          type="button"
          class="saew-quiet"
          aria-label="Close the details"
          onClick={() => save(model, { selected: null })}
        >
          {"\u00d7"}
        </button>
      </div>
      <ChannelStatus kernel={kernel} channel="details" />
      {now?.misfit && <p class="saew-note">{now.misfit}</p>}
      <Loading {...{ kernel, shown, own, options }} ready={told?.engine ?? null} onOptions={setOptions} />
      {now && (
        <>
          <Code now={now} />
          <dl>
            {now.fields.map(({ name, title, value, says }) => (
              <div key={name} class="saew-catalog-field" data-field={name}>
                <dt>{title}</dt>
                <dd class={value === null ? "saew-small" : "saew-mono"}>{value ?? "unknown"}</dd>
                <dd class="saew-small saew-catalog-says">{says}</dd>
              </div>
            ))}
          </dl>
          {now.later && <p class="saew-small">{now.later}</p>}
        </>
      )}
    </aside>
  );
}

function Code({ now }: { now: DetailsJson }) {
  const [way, setWay] = useState("saewidgets");
  const [said, setSaid] = useState("");
  const code = way === "saewidgets" ? now.code : now.sae_lens_code;
  // In the layout, before the next click: a word about this code is not taken back.
  useLayoutEffect(() => setSaid(""), [code]);
  return (
    <section aria-label="Code">
      <div class="saew-catalog-line">
        <button
          type="button"
          onClick={async (event) =>
            setSaid(
              (await copyText(code, event.currentTarget as HTMLElement)) ? "Copied" : "Select it and copy by hand",
            )
          }
        >
          Copy code
        </button>
        <Segments name="Code for" values={["saewidgets", "sae-lens"]} value={way} onChange={setWay} />
        <span class="saew-small" role="status">
          {said}
        </span>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls sideways, also by keyboard */}
      <section class="saew-catalog-code" aria-label="Python" tabIndex={0}>
        <pre class="saew-mono">{code}</pre>
      </section>
    </section>
  );
}
