/** From which tokens, by which heads, the activation of one example came: beside the list that it is chosen in. */

import { useLayoutEffect, useRef } from "preact/hooks";
import { Sources } from "../../../feature/sources";
import type { ExampleJson } from "../../../feature/wire";
import type { Model } from "../../../kernel/types";
import type { Palette } from "../../../tokens/palette";
import { label } from "../../../tokens/visible";

interface Props {
  model: Model;
  root: HTMLElement;
  prefix: string;
  palette: Palette;
  feature: number;
  example: ExampleJson;
  onClose: () => void;
}

export function Origins({ feature, example, onClose, ...view }: Props) {
  const box = useRef<HTMLDivElement>(null);
  // It stands above the list, which may be scrolled past it.
  useLayoutEffect(() => box.current?.scrollIntoView?.({ block: "nearest" }), [example.id]);
  return (
    <div ref={box} class="saew-origins">
      <div class="saew-head">
        <span class="saew-small">{`Selected example: token ${example.at} of document ${label(example.doc)}`}</span>
        <button type="button" class="saew-quiet" aria-label="Close the sources" onClick={onClose}>
          {"\u00d7"}
        </button>
      </div>
      <Sources {...view} of={{ f: feature, text: null, token: null, example: example.id, sae: null }} />
    </div>
  );
}
