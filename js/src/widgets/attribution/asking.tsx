/** What is asked: the prompt, the target and what it is compared with, what is held fixed, and the way back from a feature. */

import { useState } from "preact/hooks";
import { PRESETS as HELD } from "../../../../src/saewidgets/widgets/constants.json";
import { Segments } from "../../controls/segments";
import { Layer } from "../../feature/layer";
import { useLookup } from "../../kernel/lookup";
import { save, useTrait } from "../../kernel/traits";
import type { Json, Model } from "../../kernel/types";
import { Editor } from "../../tokens/editor";
import { tokenName } from "../../tokens/tok";
import { label } from "../../tokens/visible";
import { explain, type State } from "./state";
import type { Step } from "./wire";

const ALONG = { selected_tokens: [], path: [] };
const PRESETS: Record<string, string[]> = { none: [], RelP: HELD.relp, "circuit-tracer": HELD["circuit-tracer"] };

interface Props {
  model: Model;
  root: HTMLElement;
  prefix: string;
  state: State;
}

export function Asking({ model, root, prefix, state }: Props) {
  const measure = useTrait<string>(model, "measure");
  const given = useTrait<string>(model, "given");
  const editable = useTrait<boolean>(model, "editable");
  const measures = given === "" ? ["logits", "logprob"] : ["logits", "logprob", "given"];
  const next = state.predictions?.texts.flatMap((text) => text.next) ?? [];
  const offered = next.filter(({ typed }) => typed).map(({ str }) => str);
  return (
    <div class="saew-asking">
      <Editor
        model={model}
        trait="prompt"
        along={ALONG}
        called="Prompt"
        asks="Type a prompt; its next token is explained"
      />
      <div class="saew-asking-line">
        <Segments
          name="What is explained"
          values={measures}
          texts={["logit difference", "log-probability", given].slice(0, measures.length)}
          value={measure}
          onChange={(value) => explain(model, { measure: value })}
        />
        {measure !== "given" && (
          <>
            <TokenChoice
              {...{ model, root, editable, offered }}
              trait="target"
              id={`${prefix}-target`}
              asks="a token"
            />
            {measure === "logits" && (
              <TokenChoice {...{ model, root, editable, offered }} trait="foil" id={`${prefix}-foil`} asks="none" />
            )}
          </>
        )}
        <Method model={model} />
        <Layer model={model} resets={{ feature: null, chosen: [] }} />
      </div>
      <Path model={model} />
    </div>
  );
}

interface ChoiceProps {
  model: Model;
  root: HTMLElement;
  editable: boolean;
  /** Tokens that the model itself would say, for an empty box. */
  offered: string[];
  trait: "target" | "foil";
  id: string;
  asks: string;
}

/** A token of the vocabulary, typed or taken from a list. It is set when it is complete: taken, Enter, or left. */
function TokenChoice({ model, root, editable, offered, trait, id, asks }: ChoiceProps) {
  const value = useTrait<string>(model, trait);
  const [draft, setDraft] = useState<string | null>(null);
  const query = draft ?? "";
  const looked = useLookup<{ tokens: { id: number; str: string }[] }>(
    model,
    root,
    "complete",
    query.trim() === "" ? null : { q: query },
  );
  const found = looked?.reply?.r.tokens.map(({ str }) => str) ?? [];
  const options = [...new Set(query === "" ? offered : found)].filter((text) => text === oneLine(text));
  const put = (text: string) => {
    setDraft(null);
    if (text !== oneLine(value)) explain(model, { [trait]: text });
  };
  return (
    <label>
      {`${trait} `}
      <input
        type="text"
        class="saew-token-choice"
        list={`${id}-list`}
        size={12}
        spellcheck={false}
        autocomplete="off"
        readOnly={!editable}
        placeholder={value === "" ? asks : tokenName(value)}
        title="A token as it is in the text: a word mostly begins with a space. The list completes it."
        value={draft ?? oneLine(value)}
        onInput={(event) => {
          const text = event.currentTarget.value;
          // Taken from the list, and not typed, pasted, or what deleting has left.
          const { inputType = "" } = event as InputEvent;
          if (options.includes(text) && ["", "insertReplacementText"].includes(inputType)) put(text);
          else setDraft(text);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") setDraft(null);
        }}
        onChange={(event) => put(event.currentTarget.value)}
      />
      <datalist id={`${id}-list`}>
        {options.map((text) => (
          <option key={text} value={text} />
        ))}
      </datalist>
    </label>
  );
}

/** What a box of one line can hold of a token: line breaks are shown in its placeholder, and chosen from the predictions. */
const oneLine = (text: string) => text.replace(/[\r\n]/g, "");

function Method({ model }: { model: Model }) {
  const linearised = useTrait<string[]>(model, "linearised");
  const steps = useTrait<number>(model, "steps");
  const same = (held: string[]) => JSON.stringify(held) === JSON.stringify(linearised);
  const preset = Object.keys(PRESETS).find((name) => same(PRESETS[name] ?? []));
  return (
    <>
      <label title="What is held fixed while the gradient is taken. None: the true gradient.">
        {"held fixed "}
        <select
          value={preset ?? "own"}
          onChange={(event) => save(model, { linearised: PRESETS[event.currentTarget.value] ?? linearised })}
        >
          {Object.keys(PRESETS).map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
          {preset === undefined && <option value="own">{linearised.join(", ")}</option>}
        </select>
      </label>
      <label title="The gradient as the model is, or its mean on the way to no features at all (integrated gradients, slower).">
        {"gradient "}
        <select value={String(steps)} onChange={(event) => save(model, { steps: Number(event.currentTarget.value) })}>
          {[...new Set([1, 10, steps])]
            .sort((a, b) => a - b)
            .map((n) => (
              <option key={n} value={String(n)}>
                {n === 1 ? "here" : `mean of ${n} steps`}
              </option>
            ))}
        </select>
      </label>
    </>
  );
}

/** From the prediction to the feature that is explained, each a step to go back to. */
function Path({ model }: { model: Model }) {
  const path = useTrait<Step[]>(model, "path");
  const prompt = useTrait<Json>(model, "prompt");
  const [first] = path;
  if (!first) return null;
  /** Back to what step `to` was explained by: its features, the one that was followed among them. */
  const back = (steps: Step[], to: Step) =>
    save(model, { path: steps, selected_tokens: [], sae: to.sae, feature: to.feature, chosen: [] });
  return (
    <nav class="saew-path" aria-label="What is explained">
      <button type="button" class="saew-link" onClick={() => back([], first)}>
        the prediction
      </button>
      {path.map((step, i) => {
        const where = step.position < 0 ? `${-step.position} from the end` : step.position;
        const of = Array.isArray(prompt) && prompt.length > 1 ? ` of prompt ${step.text + 1}` : "";
        const says = `feature ${step.feature} of ${label(step.sae)} at position ${where}${of}`;
        const next = path[i + 1];
        return (
          <span key={`${i} ${says}`}>
            {" \u2190 "}
            {next ? (
              <button type="button" class="saew-link" onClick={() => back(path.slice(0, i + 1), next)}>
                {says}
              </button>
            ) : (
              <b>{says}</b>
            )}
          </span>
        );
      })}
    </nav>
  );
}
