/**
 * A number to type. What is being typed stands until the box is left, also while it is no number yet ("-", "1."); only
 * numbers within bounds go out. Not type="number": browsers clear what they cannot read, and take commas differently.
 */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Small } from "./small";

interface Props {
  name: string;
  /** What stands before the box. */
  says?: string;
  value: number | null;
  onChange: (value: number) => void;
  /** Of an empty box, where one may be empty. */
  onClear?: () => void;
  min?: number;
  max?: number;
  step?: number;
  whole?: boolean;
  invalid?: boolean;
  placeholder?: string;
  title?: string | undefined;
}

export function NumberBox(props: Props) {
  const { name, value, onChange, onClear, says, step = 1, invalid = false } = props;
  const [text, setText] = useState(say(value));
  const typed = read(text);
  const allowed = typed === null ? text.trim() === "" && onClear !== undefined : fits(typed, props);
  // What comes back of one's own typing is no news.
  const sent = useRef<number | null>(null);
  // In the layout, before the next key: what a quick hand typed stays.
  useLayoutEffect(() => {
    if (value !== sent.current && value !== read(text)) setText(say(value));
    sent.current = null;
  }, [value]);
  const put = (next: string) => {
    setText(next);
    const number = read(next);
    if (number !== null && fits(number, props)) {
      sent.current = number;
      onChange(number);
    } else if (number === null && next.trim() === "") onClear?.();
  };
  return (
    <label title={props.title}>
      {says && <Small>{`${says} `}</Small>}
      <input
        type="text"
        inputMode={props.whole && (props.min ?? -1) >= 0 ? "numeric" : "decimal"}
        class="saew-number"
        role="spinbutton"
        aria-label={name}
        aria-valuenow={value ?? undefined}
        aria-invalid={invalid || !allowed}
        title={allowed ? props.title : bounds(props)}
        placeholder={props.placeholder}
        spellcheck={false}
        value={text}
        onInput={(event) => put(event.currentTarget.value)}
        onBlur={() => setText(say(value))}
        onKeyDown={(event) => {
          if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
          event.preventDefault();
          const next = (value ?? 0) + (event.key === "ArrowUp" ? step : -step);
          put(say(Number(next.toPrecision(12))));
        }}
      />
    </label>
  );
}

function fits(
  value: number,
  { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY, whole }: Props,
): boolean {
  return value >= min && value <= max && (!whole || Number.isInteger(value));
}

function bounds({ min, max, whole }: Props): string {
  const kind = whole ? "A whole number" : "A number";
  if (min === undefined) return `${kind}.`;
  return max === undefined ? `${kind}, at least ${min}.` : `${kind} from ${min} to ${max}.`;
}

function say(value: number | null): string {
  return value === null ? "" : String(value);
}

function read(text: string): number | null {
  const plain = text.trim().replace(",", ".").replace("\u2212", "-");
  if (!/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}
