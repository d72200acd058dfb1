/** The text boxes. What is typed is computed at once; the trait follows, and its echo never overwrites what is typed. */

import { useEffect, useRef, useState } from "preact/hooks";
import { useTrait } from "../shared/traits";
import type { Model } from "../shared/types";
import type { Text } from "./state";

const REMEMBERED = 64;
const SAVE_MS = 250;
/** For so long after a key, an earlier text of one's own is taken for an echo; later, for somebody's wish. */
const ECHO_MS = 3000;

export function Editor({ model }: { model: Model }) {
  const text = useTrait<Text>(model, "text");
  const editable = useTrait<boolean>(model, "editable");
  const [draft, setDraft] = useState<Text>(text);
  const sent = useRef<string[]>([]);
  const typed = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const saveSoon = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => model.save_changes(), SAVE_MS);
  };

  useEffect(() => {
    const value = JSON.stringify(text);
    if (value === sent.current.at(-1)) return;
    // The front-end echoes earlier texts while one goes on typing: what is in the box stands, and is said again.
    if (sent.current.includes(value) && Date.now() - typed.current < ECHO_MS) {
      model.set("text", draft);
      saveSoon();
      return;
    }
    sent.current = [];
    setDraft(text);
  }, [JSON.stringify(text)]);

  const change = (next: Text) => {
    setDraft(next);
    sent.current = [...sent.current, JSON.stringify(next)].slice(-REMEMBERED);
    typed.current = Date.now();
    // The question goes out at once (the trait changed here); Python learns of the text when the typing pauses.
    model.set("text", next);
    model.set("selected_tokens", []);
    saveSoon();
  };
  useEffect(
    () => () => {
      clearTimeout(timer.current);
      model.save_changes();
    },
    [model],
  );

  const list = Array.isArray(draft) ? draft : [draft];
  const put = (i: number, value: string) =>
    change(Array.isArray(draft) ? draft.map((old, k) => (k === i ? value : old)) : value);
  return (
    <div class="saew-editor">
      {list.map((value, i) => (
        <div class="saew-editor-row" key={i}>
          <textarea
            aria-label={Array.isArray(draft) ? `Text ${i + 1}` : "Text"}
            placeholder="Type a text"
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
              aria-label={`Remove text ${i + 1}`}
              onClick={() => change(list.filter((_, k) => k !== i))}
            >
              {"\u00d7"}
            </button>
          )}
        </div>
      ))}
      {Array.isArray(draft) && editable && (
        <button type="button" class="saew-quiet" onClick={() => change([...list, ""])}>
          + Add text
        </button>
      )}
    </div>
  );
}

/** As high as its text, where the style sheet's field-sizing cannot do it (measuring forces a layout). */
function grow(area: HTMLTextAreaElement | null): void {
  if (!area || globalThis.CSS?.supports?.("field-sizing", "content")) return;
  area.style.height = "auto";
  if (area.scrollHeight > 0) area.style.height = `${Math.min(area.scrollHeight + 2, 180)}px`;
}
