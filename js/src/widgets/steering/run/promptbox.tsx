/** What is continued: a text, one message of a user, or a conversation that Python gave. */

import { Segments } from "../../../controls/segments";
import { Button, Small } from "../../../controls/small";
import { save } from "../../../kernel/traits";
import { label } from "../../../tokens/visible";
import type { State } from "../state";
import { OFFLINE } from "../wire";

export function PromptBox({ state }: { state: State }) {
  const { model, asked, facts, offline, setPrompt } = state;
  const { messages } = asked;
  return (
    <section class="saew-panel" aria-label="Prompt">
      <div class="saew-head">
        <h3>Prompt</h3>
        {facts.has_chat && messages.length === 0 && (
          <fieldset class="saew-plain" disabled={offline} title={offline ? OFFLINE : undefined}>
            <Segments
              name="How the prompt is read"
              values={["text", "chat"]}
              texts={["text to continue", "message in a chat"]}
              value={asked.chat ? "chat" : "text"}
              onChange={(value) => save(model, { chat: value === "chat" })}
            />
          </fieldset>
        )}
      </div>
      {messages.length > 0 ? (
        <>
          <ol class="saew-messages">
            {messages.map(({ role, content }, i) => (
              <li key={i}>
                <Small>{label(role)}</Small>
                <bdi>{content.split("\n").map((line, k) => (k === 0 ? label(line) : `\n${label(line)}`))}</bdi>
              </li>
            ))}
          </ol>
          <Button
            class="saew-link"
            disabled={offline}
            title={offline ? OFFLINE : "Drop the conversation and write a prompt"}
            onClick={() => save(model, { messages: [] })}
          >
            Clear the conversation
          </Button>
        </>
      ) : typeof asked.prompt !== "string" ? (
        <textarea
          aria-label="Token ids to continue"
          title="Token ids, as they were given. A prompt is set from Python."
          rows={3}
          readOnly
          value={asked.prompt.join(" ")}
        />
      ) : (
        <textarea
          aria-label={asked.chat ? "Message of the user" : "Text to continue"}
          placeholder={asked.chat ? "What the user says" : "A text to continue"}
          rows={3}
          spellcheck={false}
          value={asked.prompt}
          readOnly={offline}
          title={offline ? OFFLINE : undefined}
          onInput={(event) => setPrompt(event.currentTarget.value)}
        />
      )}
    </section>
  );
}
