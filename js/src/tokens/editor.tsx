/** The boxes of a trait that holds a text, or a list of them to add to and take from; or token ids, only to be seen. */

import { useTrait } from "../kernel/traits";
import type { Json, Model } from "../kernel/types";
import { useDraft } from "../kernel/typing";

/** A text, several, or token ids of one or several, which only Python sets. */
export type Text = string | string[] | number[] | number[][];

interface Props {
  model: Model;
  /** The trait. */
  trait?: string;
  /** Traits that go with the old text, and what they become. */
  along?: Record<string, Json>;
  /** What a text is called, and what an empty box asks for. */
  called?: string;
  asks?: string;
}

// Positions in the old text mean nothing in the new one.
const ALONG = { selected_tokens: [] };

export function Editor({ model, trait = "text", along = ALONG, called = "Text", asks = "Type a text" }: Props) {
  const editable = useTrait<boolean>(model, "editable");
  const [draft, change] = useDraft<Text>(model, trait, along);
  const ids = tokenIds(draft);
  if (ids) return <Ids texts={ids} />;
  const list = (Array.isArray(draft) ? draft : [draft]) as string[];
  const put = (i: number, value: string) =>
    change(Array.isArray(draft) ? list.map((old, k) => (k === i ? value : old)) : value);
  return (
    <div class="saew-editor">
      {list.map((value, i) => (
        <div class="saew-editor-row" key={i}>
          <textarea
            aria-label={Array.isArray(draft) ? `${called} ${i + 1}` : called}
            placeholder={asks}
            rows={1}
            spellcheck={false}
            value={value}
            readOnly={!editable}
            title={editable ? undefined : "This page shows a recorded text. Run it live to edit it."}
            ref={grow}
            onInput={(event) => {
              grow(event.currentTarget);
              put(i, event.currentTarget.value);
            }}
          />
          {Array.isArray(draft) && editable && (
            <button
              type="button"
              class="saew-quiet"
              aria-label={`Remove ${called.toLowerCase()} ${i + 1}`}
              onClick={() => change(list.filter((_, k) => k !== i))}
            >
              {"\u00d7"}
            </button>
          )}
        </div>
      ))}
      {Array.isArray(draft) && editable && (
        <button type="button" class="saew-quiet" onClick={() => change([...list, ""])}>
          {`+ Add ${called.toLowerCase()}`}
        </button>
      )}
    </div>
  );
}

/** The token ids of each text, if it is these that were given. */
export function tokenIds(text: Text): number[][] | null {
  if (!Array.isArray(text) || text.length === 0 || typeof text[0] === "string") return null;
  return typeof text[0] === "number" ? [text as number[]] : (text as number[][]);
}

function Ids({ texts }: { texts: number[][] }) {
  return (
    <div class="saew-editor">
      {texts.map((ids, i) => (
        <div class="saew-editor-row" key={i}>
          <textarea
            aria-label={texts.length > 1 ? `Token ids of text ${i + 1}` : "Token ids"}
            title="Token ids, as they were given. A text is set from Python."
            rows={1}
            readOnly
            value={ids.join(" ")}
          />
        </div>
      ))}
    </div>
  );
}

/** As high as its text, where the style sheet's field-sizing cannot do it (measuring forces a layout). */
function grow(area: HTMLTextAreaElement | null): void {
  if (!area || globalThis.CSS?.supports?.("field-sizing", "content")) return;
  area.style.height = "auto";
  if (area.scrollHeight > 0) area.style.height = `${Math.min(area.scrollHeight + 2, 180)}px`;
}
