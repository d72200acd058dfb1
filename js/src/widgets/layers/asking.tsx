/** What is asked: the text, the token that the grid is shaded by, and how much is listed. */

import { useState } from "preact/hooks";
import { NumberBox } from "../../controls/numberbox";
import { Button } from "../../controls/small";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { Editor } from "../../tokens/editor";
import { tokenName } from "../../tokens/tok";

// A position in the old text means nothing in the new one.
const ALONG = { position: null };

export function Asking({ model, wrong }: { model: Model; wrong: string }) {
  const live = useTrait<boolean>(model, "live");
  const k = useTrait<number>(model, "k");
  const top = useTrait<number>(model, "top_features");
  return (
    <>
      <div class="saew-top">
        <Editor model={model} along={ALONG} />
        <div class="saew-layers-tools">
          <Target model={model} live={live} wrong={wrong !== ""} />
          {live && (
            <>
              <NumberBox
                name="Likeliest tokens of each cell"
                says="tokens"
                value={k}
                min={1}
                max={20}
                whole
                onChange={(value) => save(model, { k: value })}
              />
              <NumberBox
                name="Features of each dictionary"
                says="features"
                value={top}
                min={0}
                max={50}
                whole
                onChange={(value) => save(model, { top_features: value })}
              />
            </>
          )}
        </div>
      </div>
      {wrong && (
        <p class="saew-note" role="status">
          {wrong}
        </p>
      )}
    </>
  );
}

/** What a box of one line can hold of a token; line breaks are shown in its placeholder. */
const oneLine = (text: string) => text.replace(/[\r\n]/g, "");

/** One token, set when it is complete: Enter, or left. */
function Target({ model, live, wrong }: { model: Model; live: boolean; wrong: boolean }) {
  const value = useTrait<string>(model, "target");
  const [draft, setDraft] = useState<string | null>(null);
  return (
    <label class="saew-nowrap">
      {"target "}
      <input
        type="text"
        size={10}
        spellcheck={false}
        autocomplete="off"
        readOnly={!live}
        aria-invalid={wrong}
        placeholder={value === "" ? "none" : tokenName(value)}
        title={
          live
            ? "A token as it is in the text: a word mostly begins with a space. The grid is shaded by its probability. A token of the list below can be clicked."
            : "This page shows a recorded target. Run it live to change it."
        }
        value={draft ?? oneLine(value)}
        onInput={(event) => setDraft(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") setDraft(null);
        }}
        onChange={(event) => {
          const text = event.currentTarget.value;
          setDraft(null);
          if (text !== oneLine(value)) save(model, { target: text });
        }}
      />
      {live && value !== "" && (
        <Button
          class="saew-quiet"
          aria-label={`No target instead of ${tokenName(value)}`}
          onClick={() => save(model, { target: "" })}
        >
          {"\u00d7"}
        </Button>
      )}
    </label>
  );
}
