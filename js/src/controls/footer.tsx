/** What stands below a result: the kernel's notes about it, and where it comes from. */

import type { ComponentChildren } from "preact";

export function Notes({ notes }: { notes: string[] }) {
  return (
    <>
      {notes.map((note) => (
        <p class="saew-note" key={note}>
          {note}
        </p>
      ))}
    </>
  );
}

interface FooterProps {
  notes: string[];
  provenance: [string, string][];
  /** Notes of the front-end's own. */
  children?: ComponentChildren;
}

export function Footer({ notes, provenance, children }: FooterProps) {
  return (
    <div class="saew-footer">
      <Notes notes={notes} />
      {children}
      <p class="saew-small">{provenance.map(([key, value]) => `${key}: ${value}`).join(" \u00b7 ")}</p>
    </div>
  );
}
