/** How a channel stands, where its result would be: busy and how far, what failed, what a page has not recorded. */

import type { Channels } from "../kernel/channels";
import { ErrorBanner, Notice } from "./banner";

interface Props {
  channels: Channels;
  channel: string;
  /** What progress counts. */
  unit?: string;
}

export function ChannelStatus({ channels, channel, unit }: Props) {
  const { busy, progress, error, offline } = channels.of(channel);
  const dismiss = () => channels.dismiss(channel);
  return (
    <>
      {error && <ErrorBanner error={error} onDismiss={dismiss} />}
      {offline && <Notice text={offline} />}
      {busy && unit && (
        <p class="saew-small saew-far" role="status">
          {progress && <progress aria-label={`${unit} computed`} max={progress.total} value={progress.done} />}
          {progress ? ` ${progress.done} of ${progress.total} ${unit}` : "Computing\u2026"}
        </p>
      )}
    </>
  );
}
