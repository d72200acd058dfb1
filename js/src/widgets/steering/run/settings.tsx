/** How text is sampled, and the button that does it. */

import { useState } from "preact/hooks";
import { MAX_SAMPLES } from "../../../../../src/saewidgets/widgets/constants.json";
import { NumberBox } from "../../../controls/numberbox";
import { Button, SmallLine } from "../../../controls/small";
import { useDraft } from "../../../kernel/typing";
import type { State } from "../state";
import { type Setting as Name, OFFLINE } from "../wire";
import type { Generation } from "./generation";

const SEEDS = 2 ** 31;

interface BoxProps {
  state: State;
  trait: Name;
  says: string;
  title: string;
  min: number;
  max?: number;
  step?: number;
  whole?: boolean;
}

function Setting({ state, trait, ...box }: BoxProps) {
  const [value, change] = useDraft<number>(state.model, trait);
  return <NumberBox name={box.title} value={value} onChange={change} {...box} />;
}

export function SettingsView({ state, generation }: { state: State; generation: Generation }) {
  const { model, settings, facts, offline } = state;
  const [more, setMore] = useState(false);
  const { busy } = generation;
  const given = { state };
  const roll = () => {
    const seed = Math.floor(Math.random() * SEEDS);
    model.set("seed", seed);
    model.save_changes();
    return seed;
  };
  const used = [settings.top_p !== 1, settings.top_k !== 0, settings.repetition_penalty !== 1].filter(Boolean).length;
  return (
    <section class="saew-panel" aria-label="Generate">
      <fieldset class="saew-plain" disabled={offline} title={offline ? OFFLINE : undefined}>
        <div class="saew-settings">
          <Setting
            {...given}
            trait="n_tokens"
            says="tokens"
            title="Number of tokens to generate"
            min={1}
            max={Math.max(1, facts.context)}
            whole
          />
          <Setting
            {...given}
            trait="temperature"
            says="temperature"
            title="Temperature; 0 takes the likeliest token"
            min={0}
            step={0.1}
          />
          <Setting
            {...given}
            trait="samples"
            says="samples"
            title="Number of pairs of texts"
            min={1}
            max={MAX_SAMPLES}
            whole
          />
          <span class="saew-nowrap">
            <Setting {...given} trait="seed" says="seed" title="Seed of the random numbers" min={0} whole />
            <Button class="saew-quiet saew-die" title="A new seed" aria-label="A new seed" onClick={roll}>
              {"\u2684"}
            </Button>
          </span>
          <Button class="saew-link" aria-expanded={more} onClick={() => setMore(!more)}>
            {`${more ? "\u25be" : "\u25b8"} more${used > 0 ? ` (${used} set)` : ""}`}
          </Button>
        </div>
        {more && (
          <div class="saew-settings">
            <Setting
              {...given}
              trait="top_p"
              says="top-p"
              title="Share of the probability that is sampled from; 1: all of it"
              min={0.001}
              max={1}
              step={0.05}
            />
            <Setting
              {...given}
              trait="top_k"
              says="top-k"
              title="Number of tokens that are sampled from; 0: all"
              min={0}
              whole
            />
            <Setting
              {...given}
              trait="repetition_penalty"
              says="repetition penalty"
              title="Repetition penalty; 1: none"
              min={1}
              step={0.1}
            />
          </div>
        )}
        <div class="saew-go">
          <Button
            class="saew-primary"
            onClick={() => (busy ? generation.stop() : generation.start())}
            title={busy ? "Keep what there is" : "Write both texts: as the model is, and with the recipe"}
          >
            {busy ? "Stop" : "Generate"}
          </Button>
          <Button
            disabled={busy}
            title="The same once more, with other random numbers"
            onClick={() => generation.start({ ...settings, seed: roll() })}
          >
            Again, with a new seed
          </Button>
        </div>
      </fieldset>
      {offline && <SmallLine>A recorded page: it shows what was computed. Run it live for anything else.</SmallLine>}
    </section>
  );
}
