/** The runs so far. One of them can be fetched back, with its recipe and settings: an afternoon's trail of attempts. */

import { Button, Small } from "../../../controls/small";
import { label } from "../../../tokens/visible";
import { complete, summaryOf } from "../recipe/recipe";
import type { Remembered } from "../wire";
import type { Generation } from "./generation";

const WORDS = 70;

export function History({ generation, revision }: { generation: Generation; revision: number }) {
  const { history, run, restore } = generation;
  if (history.length === 0) return null;
  return (
    <section class="saew-panel saew-past" aria-label="History">
      <div class="saew-head">
        <h3>History</h3>
        <Small>newest first; a click brings back recipe, prompt and settings</Small>
      </div>
      <ol class="saew-history">
        {[...history].reverse().map((past) => (
          <li key={past.id}>
            <Button aria-current={run?.id === past.id ? "true" : undefined} onClick={() => restore(past)}>
              <span class="saew-history-head">
                <b>{`#${past.id}`}</b>
                <span class="saew-history-recipe">{summaryOf(complete(past.recipe))}</span>
                <span class="saew-small saew-nowrap">{`seed ${past.settings.seed}${past.stopped ? ", stopped" : ""}${(past.revision ?? 0) < revision ? ", before the last refresh" : ""}`}</span>
              </span>
              <bdi class="saew-history-text">{words(past)}</bdi>
            </Button>
          </li>
        ))}
      </ol>
    </section>
  );
}

/** How the prompt ends, and how the edited text begins. */
function words({ prompt, messages, edited }: Remembered): string {
  const before = messages.at(-1)?.content ?? (typeof prompt === "string" ? prompt : prompt.join(" "));
  const tail = Array.from(before).slice(-28).join("");
  const first = Array.from(edited[0] ?? "")
    .slice(0, WORDS)
    .join("");
  return label(`${tail.length < before.length ? "\u2026" : ""}${tail} \u2192 ${first}`);
}
