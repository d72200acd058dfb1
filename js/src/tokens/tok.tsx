/** A token's name in a table: with its leading spaces as signs, since " the" and "the" are two tokens. */

import { alone } from "./visible";

export function Tok({ t }: { t: string }) {
  if (t === "") return <bdi>{"\u2025"}</bdi>;
  const spaces = t.length - t.replace(/^ +/, "").length;
  return (
    <bdi>
      {spaces > 0 && <span class="saew-space">{"\u2423".repeat(spaces)}</span>}
      {alone(t.slice(spaces))}
    </bdi>
  );
}

/** The same as plain text. */
export function tokenName(t: string): string {
  const spaces = t.length - t.replace(/^ +/, "").length;
  return t === "" ? "\u2025" : "\u2423".repeat(spaces) + alone(t.slice(spaces));
}
