/** Which feature is tested, and what is said of it: chosen before the first answer, as a score is of one description. */

import { useLayoutEffect, useState } from "preact/hooks";
import { Button, Small } from "../../controls/small";
import { useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { label as visible } from "../../tokens/visible";
import type { State } from "./state";
import type { Said, TestJson } from "./wire";

const NAMES: Record<Said["kind"], string> = {
  label: "label",
  explanation: "explanation",
  automatic: "automatic description",
};

export function Head({ model, state, json, live }: { model: Model; state: State; json: TestJson; live: boolean }) {
  return (
    <header class="saew-title">
      <h2>{`Feature ${json.f}`}</h2>
      <Small>blind test</Small>
      {live && <Jump model={model} features={json.features} onGo={state.go} />}
      <Described model={model} state={state} json={json} live={live} />
    </header>
  );
}

function Jump({ model, features, onGo }: { model: Model; features: number; onGo: (f: number) => void }) {
  const feature = useTrait<number>(model, "feature");
  const [draft, setDraft] = useState("");
  useLayoutEffect(() => setDraft(""), [feature]);
  const wanted = /^\s*\d+\s*$/.test(draft) ? Number(draft) : null;
  const wrong = draft.trim() !== "" && (wanted === null || wanted >= features);
  return (
    <label class="saew-jump" title={wrong ? `Features are 0 to ${features - 1}.` : undefined}>
      <Small>{"another feature "}</Small>
      <input
        type="text"
        inputMode="numeric"
        aria-label="Number of the feature to test"
        aria-invalid={wrong}
        placeholder={"number \u21b5"}
        value={draft}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          if (wanted !== null && !wrong) onGo(wanted);
        }}
      />
    </label>
  );
}

function Described({ model, state, json, live }: { model: Model; state: State; json: TestJson; live: boolean }) {
  const { said, result } = json;
  const description = useTrait<number>(model, "description");
  const chosen = description < 0 ? undefined : said[description];
  const shown = result ? tested(result) : chosen;
  const begun = state.answered > 0;
  const fixed = begun || result !== null || !live;
  return (
    <div class="saew-said">
      {shown ? (
        <p class="saew-said-text">
          <bdi>{visible(shown.text)}</bdi>
          <span class={`saew-tag saew-tag-${shown.kind}`}>{NAMES[shown.kind]}</span>
          {shown.source && shown.kind === "explanation" && <Small>{visible(shown.source)}</Small>}
        </p>
      ) : (
        <p class="saew-said-text saew-none">
          {said.length === 0 && !result ? "Nothing is said of this feature." : "No description is shown."}
        </p>
      )}
      {shown?.kind === "automatic" && (
        <p class="saew-small">Counted over this corpus, the texts of this test included: expect it to do well.</p>
      )}
      {!fixed && said.length > 0 && (
        <label>
          <Small>{"test "}</Small>
          <select
            aria-label="Which description to test"
            value={String(chosen ? description : -1)}
            onChange={(event) => state.describe(Number(event.currentTarget.value))}
          >
            {said.map((one, i) => (
              <option key={`${one.kind} ${one.source} ${one.text}`} value={String(i)}>
                {`${NAMES[one.kind]}${one.source && one.kind === "explanation" ? `, ${visible(one.source)}` : ""}: ${visible(one.text)}`}
              </option>
            ))}
            <option value="-1">no description: the texts alone</option>
          </select>
        </label>
      )}
      {begun && live && !result && (
        <Button class="saew-link" onClick={state.clear}>
          Take all answers back
        </Button>
      )}
    </div>
  );
}

/** What was shown, which may not be said of the feature any more. */
function tested(result: { kind: Said["kind"] | "nothing"; description: string; source: string }): Said | undefined {
  const { kind, description, source } = result;
  return kind === "nothing" ? undefined : { kind, text: description, source };
}
