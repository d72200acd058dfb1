/** What a feature is called, or else what is said of it (its twin is src/saewidgets/widgets/feature/said.py). */

import { label } from "../tokens/visible";

export interface Said {
  text: string;
  kind: string;
  /** Who says it. */
  by: string;
}

export interface Named {
  label: string | null;
  said?: Said | null;
}

/** What is said of several, by number. */
export type Names = Map<number, Named>;
export const NAMELESS: Named = { label: null };

/** A name as it is; an explanation with whose it is; what nobody wrote is told apart by its slant. */
export function Name({ of }: { of: Named }) {
  const text = textOf(of);
  if (text === "") return null;
  return (
    <bdi
      class={of.said ? `saew-label saew-${of.said.kind}` : "saew-label"}
      title={of.said ? `${text}\n(${of.said.by})` : text}
    >
      {text}
    </bdi>
  );
}

/** The same in one line of plain text; "" if nothing is said. */
export function textOf({ label: name, said }: Named): string {
  return label(name ?? said?.text ?? "");
}
