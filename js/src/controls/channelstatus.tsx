/** How a channel stands, where its result would be: busy and how far, what failed, what a page has not recorded. */

import type { Kernel } from "../kernel/kernel";
import { ErrorBanner, Notice } from "./banner";

interface Props {
  kernel: Kernel;
  channel: string;
  /** What progress counts. */
  unit?: string;
}

export function ChannelStatus({ kernel, channel, unit }: Props) {
  const { busy, progress, error, offline } = kernel.of(channel);
  const dismiss = () => kernel.dismiss(channel);
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
