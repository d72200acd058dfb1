/** Loading the SAE that is shown: how far it is, what came of it, and what to do where it failed. */

import { useLayoutEffect, useState } from "preact/hooks";
import { ErrorBanner, Notice } from "../../controls/banner";
import type { Kernel } from "../../kernel/kernel";
import type { Json } from "../../kernel/types";
import { isSame, type Named, type Ready } from "./wire";

export interface Options {
  device: string;
  dtype: string;
}

/** The first one is what is taken if nothing is chosen. */
const DEVICES = ["", "cpu", "cuda"];
const DTYPES = ["float32", "bfloat16", "float16"];

interface Props {
  kernel: Kernel;
  shown: Named;
  /** The user's own model; "": the SAE's is loaded with it. */
  own: string;
  ready: Ready | null;
  options: Options;
  onOptions: (options: Options) => void;
}

export function Loading({ kernel, shown, own, ready, options, onOptions }: Props) {
  const [asked, setAsked] = useState<Named | null>(null);
  const [step, setStep] = useState("");
  const [stopped, setStopped] = useState(false);
  const { busy, error, offline } = kernel.of("load");
  const here = isSame(asked, shown);
  // What went wrong with one SAE is not said of another. In the layout, before the next click or key: what a quick hand
  // did is not taken back.
  useLayoutEffect(() => {
    if (!busy && !here) kernel.dismiss("load");
    setStopped(false);
  }, [shown.release, shown.sae_id]);
  const load = () => {
    setAsked({ release: shown.release, sae_id: shown.sae_id });
    setStep("");
    setStopped(false);
    kernel.ask(
      "load",
      { release: shown.release, sae_id: shown.sae_id, ...options },
      {
        done: () => setStep(""),
        onPart: (part) => setStep(stepOf(part)),
        failed: (failure) => {
          setStopped(failure.type === "Cancelled");
          return false;
        },
      },
    );
  };
  const is = isSame(ready, shown);
  return (
    <section class="saew-catalog-load" aria-label="Loading">
      <div class="saew-catalog-line">
        <button type="button" class="saew-catalog-go" disabled={busy} onClick={load}>
          {is ? "Load again" : own ? "Load into your model" : "Load with its model"}
        </button>
        <label>
          <span class="saew-small">on </span>
          <select
            aria-label="Device"
            title={own ? "Where the SAE is put" : "auto: CUDA if there is a device, else the CPU"}
            value={options.device}
            onChange={(event) => onOptions({ ...options, device: event.currentTarget.value })}
          >
            {DEVICES.map((name) => (
              <option key={name} value={name}>
                {name || (own ? "model's device" : "auto")}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span class="saew-small">as </span>
          <select
            aria-label="dtype"
            title={own ? "Number format of the SAE" : "Number format of SAE and model"}
            value={options.dtype}
            onChange={(event) => onOptions({ ...options, dtype: event.currentTarget.value })}
          >
            {DTYPES.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </div>
      {busy && (
        <div class="saew-catalog-line">
          <progress aria-label="Loading" />
          <span role="status" class="saew-catalog-step">{`Loading ${step || "\u2026"}`}</span>
          <button
            type="button"
            title="Stops before the next step. A download that runs goes on to its end."
            onClick={() => kernel.stop("load")}
          >
            Stop
          </button>
        </div>
      )}
      {stopped && !busy && (
        <p class="saew-small" role="status">
          Stopped. A download that was running goes on to its end, and stays in the cache.
        </p>
      )}
      {error && <ErrorBanner error={error} onDismiss={() => kernel.dismiss("load")} />}
      {offline && (
        <Notice
          text="Loading needs a kernel: run the notebook, or copy the code below."
          onDismiss={() => kernel.dismiss("load")}
        />
      )}
      {ready && !busy && (
        <p class={is ? "saew-catalog-ready" : "saew-small"} role="status">
          {is ? (
            <>
              {"The engine is ready: "}
              <code>browser.engine</code>
              {` (${ready.dtype}, ${ready.device})`}
            </>
          ) : (
            <>
              <code>browser.engine</code>
              {` has ${ready.release}, ${ready.sae_id}; loading another takes its place.`}
            </>
          )}
        </p>
      )}
    </section>
  );
}

function stepOf(part: Json): string {
  const step = part !== null && typeof part === "object" && !Array.isArray(part) ? part.step : "";
  return typeof step === "string" ? step : "";
}
