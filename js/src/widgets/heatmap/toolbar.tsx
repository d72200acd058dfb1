/** What frames the result: the view's switch and the copy buttons above it, provenance and notes below. */

import { useState } from "preact/hooks";
import { copyText } from "../../controls/clipboard";
import { Footer } from "../../controls/footer";
import { Segments } from "../../controls/segments";
import { Layer } from "../../feature/layer";
import { save } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { asJson, asPython } from "./copy";
import type { TextData } from "./data";
import type { Shown } from "./state";

const VIEWS = ["text", "matrix", "both"];

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
      <Layer model={model} resets={{ features: [], feature: null }} />
      <Segments name="View" values={VIEWS} value={view} onChange={(name) => save(model, { view: name })} />
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

export function Footnotes({ data: { json } }: { data: TextData }) {
  return (
    <Footer notes={json.notes} provenance={json.provenance}>
      {!json.complete && (
        <p class="saew-note">{`Hovering shows the ${json.top} strongest features of a token; colours and the list are complete.`}</p>
      )}
    </Footer>
  );
}
