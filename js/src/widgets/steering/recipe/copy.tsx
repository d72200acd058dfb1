/** The recipe to take along, as JSON or as plain Python, and a recipe brought along. */

import { useEffect, useRef, useState } from "preact/hooks";
import { ChannelStatus } from "../../../controls/channelstatus";
import { copyText } from "../../../controls/clipboard";
import { Button } from "../../../controls/small";
import type { Kernel } from "../../../kernel/kernel";
import { asWireError } from "../../../kernel/types";
import type { State } from "../state";
import { json, OFFLINE, type Scales } from "../wire";
import { readRecipe } from "./recipe";

const SAID_MS = 2500;

export function CopyPaste({ state, kernel }: { state: State; kernel: Kernel }) {
  const { asked, settings, offline } = state;
  const [said, setSaid] = useState("");
  const [pasting, setPasting] = useState(false);
  const area = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const timer = setTimeout(() => setSaid(""), SAID_MS);
    return () => clearTimeout(timer);
  }, [said]);
  const put = async (text: string, what: string) => {
    if (!area.current) return;
    setSaid((await copyText(text, area.current)) ? `${what} copied.` : "The browser refuses to copy.");
  };
  const copy = (what: "json" | "python", says: string) => {
    // The recipe itself is here.
    if (offline && what === "json") return void put(JSON.stringify(asked.recipe, null, 1), says);
    kernel.ask<{ json: string; python: string }>("code", json({ ...asked, settings }), {
      done: ({ r }) => void put(r[what], says),
    });
  };
  return (
    <div ref={area}>
      <div class="saew-copy">
        <Button class="saew-link" onClick={() => copy("json", "JSON")}>
          Copy JSON
        </Button>
        <Button
          class="saew-link"
          title={offline ? OFFLINE : "Plain PyTorch, SAELens and TransformerLens, for this prompt"}
          disabled={offline}
          onClick={() => copy("python", "Python")}
        >
          Copy Python
        </Button>
        <Button
          class="saew-link"
          title={offline ? OFFLINE : "A recipe that was copied as JSON"}
          disabled={offline}
          aria-expanded={pasting}
          onClick={() => setPasting(!pasting)}
        >
          {"Paste JSON\u2026"}
        </Button>
        <span class="saew-small" role="status">
          {said}
        </span>
      </div>
      <ChannelStatus kernel={kernel} channel="code" />
      {pasting && <Paste state={state} kernel={kernel} onDone={() => setPasting(false)} />}
    </div>
  );
}

/** Pasted text becomes the recipe once the kernel has nothing against its rows. */
function Paste({ state, kernel, onDone }: { state: State; kernel: Kernel; onDone: () => void }) {
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState<string[]>([]);
  const box = useRef<HTMLTextAreaElement>(null);
  useEffect(() => box.current?.focus(), []);
  const use = () => {
    setWrong([]);
    try {
      const recipe = readRecipe(text);
      kernel.ask<Scales>("scales", json({ ...state.asked, recipe }), {
        done: ({ r }) => {
          const errors = r.rows.flatMap(({ error }, i) => (error ? [`Intervention ${i + 1}: ${error}`] : []));
          if (errors.length > 0) return setWrong(errors);
          state.edit(() => recipe);
          onDone();
        },
        failed: (error) => setWrong([error.message]),
      });
    } catch (error) {
      setWrong([asWireError(error).message]);
    }
  };
  return (
    <div class="saew-paste">
      <textarea
        ref={box}
        aria-label="Recipe as JSON"
        aria-invalid={wrong.length > 0}
        rows={4}
        spellcheck={false}
        placeholder={'{"interventions": [{"features": [7650], "kind": "add", "value": 2, "unit": "max"}]}'}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && onDone()}
      />
      {wrong.map((error) => (
        <p class="saew-wrong" role="alert" key={error}>
          {error}
        </p>
      ))}
      <Button disabled={text.trim() === ""} onClick={use}>
        Use this recipe
      </Button>
      <Button class="saew-quiet" onClick={onDone}>
        Cancel
      </Button>
    </div>
  );
}
