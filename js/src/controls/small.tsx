/** What many parts of the panel say in the same way. */

import type { ComponentChildren, ComponentProps } from "preact";
import { Tok } from "../tokens/tok";
import { num, trueMinus } from "./format";

/** ChannelStatus aside. */
export function Small({ children }: { children: ComponentChildren }) {
  return <span class="saew-small">{children}</span>;
}

/** A line said aside. */
export function SmallLine({ children }: { children: ComponentChildren }) {
  return <p class="saew-small">{children}</p>;
}

/** A button that submits nothing. */
export function Button(props: ComponentProps<"button">) {
  return <button type="button" {...props} />;
}

export function Token({ t }: { t: string | undefined }) {
  return (
    <span class="saew-mono">
      <Tok t={t ?? ""} />
    </span>
  );
}

/** A number with a true minus; a dash where there is none. */
export function minus(value: number | null | undefined): string {
  return trueMinus(num(value ?? Number.NaN));
}

/** A strength, as short as it is exact. */
export function short(value: number): string {
  return trueMinus(String(Number(value.toPrecision(4))));
}

/** A probability with three digits, always in percent: of two units in a column nobody knows which is meant. */
export function chance(p: number | undefined): string {
  const percent = (p ?? Number.NaN) * 100;
  if (!Number.isFinite(percent)) return "\u2013";
  const small = percent > 0 && percent < 0.001;
  return `${small ? trueMinus(percent.toExponential(1)) : Number(percent.toPrecision(3))}%`;
}

export interface Head {
  title: string;
  children?: ComponentChildren;
}

/** A panel's title, and what stands beside it. */
export function Heading({ title, children }: Head) {
  return (
    <div class="saew-head">
      <h3>{title}</h3>
      {children}
    </div>
  );
}
