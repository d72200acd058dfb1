/** What went wrong, where the user looks: type, message, and the traceback to copy. Never in the way of the last result. */

import { useState } from "preact/hooks";
import type { WireError } from "../kernel/types";
import { copyText } from "./clipboard";

export function ErrorBanner({ error, onDismiss }: { error: WireError; onDismiss: () => void }) {
  const [copied, setCopied] = useState(false);
  return (
    <div class="saew-banner saew-banner-error" role="alert">
      <div class="saew-banner-text">
        <strong>{error.type}</strong> {error.message}
      </div>
      <button
        type="button"
        onClick={async (event) => {
          const details = `${error.type}: ${error.message}\n\n${error.traceback}`;
          setCopied(await copyText(details, event.currentTarget as HTMLElement));
        }}
      >
        {copied ? "Copied" : "Copy details"}
      </button>
      <button type="button" aria-label="Dismiss the error" onClick={onDismiss}>
        {"\u00d7"}
      </button>
    </div>
  );
}

export function Notice({ text, onDismiss }: { text: string; onDismiss?: () => void }) {
  return (
    <div class="saew-banner" role="status">
      <div class="saew-banner-text">{text}</div>
      {onDismiss && (
        <button type="button" aria-label="Dismiss the notice" onClick={onDismiss}>
          {"\u00d7"}
        </button>
      )}
    </div>
  );
}
