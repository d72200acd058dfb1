/** What frames the result: the view's switch and the copy buttons above it, provenance and notes below. */

import { useState } from "preact/hooks";
import { copyText } from "../shared/clipboard";
import { save } from "../shared/traits";
import type { Model } from "../shared/types";
import { asJson, asPython } from "./copy";
import type { TextData } from "./data";
import type { Shown } from "./state";

export function Toolbar({
  model,
  shown,
  root,
  view,
}: {
  model: Model;
  shown: Shown | null;
  root: HTMLElement;
  view: string;
}) {
  const [copied, setCopied] = useState("");
  const copy = async (what: string, text: string) => {
    setCopied((await copyText(text, root)) ? what : "failed");
    setTimeout(() => setCopied(""), 1500);
  };
  return (
    <div class="saew-toolbar">
      <fieldset class="saew-segments" aria-label="View">
        {["text", "matrix", "both"].map((name) => (
          <button type="button" key={name} aria-pressed={view === name} onClick={() => save(model, { view: name })}>
            {name}
          </button>
        ))}
      </fieldset>
      <button type="button" disabled={!shown} onClick={() => shown && copy("json", asJson(model, shown))}>
        {copied === "json" ? "Copied" : "Copy JSON"}
      </button>
      <button type="button" onClick={() => copy("python", asPython(model))}>
        {copied === "python" ? "Copied" : "Copy Python"}
      </button>
      {copied === "failed" && <span role="alert">The clipboard is blocked here.</span>}
    </div>
  );
}

export function Footer({ data }: { data: TextData }) {
  return (
    <div class="saew-footer">
      {data.json.notes.map((note) => (
        <p class="saew-note" key={note}>
          {note}
        </p>
      ))}
      {!data.json.complete && (
        <p class="saew-note">{`Hovering shows the ${data.json.top} strongest features of a token; colours and the list are complete.`}</p>
      )}
      <p class="saew-small">{data.json.provenance.map(([key, value]) => `${key}: ${value}`).join(" \u00b7 ")}</p>
    </div>
  );
}
