/** Rows of which one is a stop of the tab key: up and down move between them, Home and End to the first and last. */

export function rove(event: KeyboardEvent, selector: string): void {
  if (!["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key)) return;
  const body = event.currentTarget as HTMLElement;
  const stops = [...body.querySelectorAll<HTMLElement>(selector)];
  const at = stops.indexOf(event.target as HTMLElement);
  if (at < 0) return;
  event.preventDefault();
  const last = stops.length - 1;
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: last }[event.key] ?? at;
  stops[Math.max(0, Math.min(last, next))]?.focus();
}
