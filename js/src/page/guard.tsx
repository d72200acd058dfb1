/** A fault of the front-end itself is shown like any other error, instead of an empty cell and a line in the console. */

import type { ComponentChildren } from "preact";
import { useErrorBoundary } from "preact/hooks";
import { ErrorBanner } from "../controls/banner";
import { asWireError } from "../kernel/types";

export function Guard({ children }: { children: ComponentChildren }) {
  const [error, again] = useErrorBoundary();
  if (error === undefined) return <>{children}</>;
  // Dismissing draws the widget anew.
  return <ErrorBanner error={asWireError(error)} onDismiss={again} />;
}
