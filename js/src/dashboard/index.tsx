/** FeatureDashboard's front-end (kernel side: src/saewidgets/widgets/dashboard.py). */

import { render as mount } from "preact";
import { Guard } from "../shared/guard";
import { followTheme } from "../shared/theme";
import type { Model } from "../shared/types";
import { App } from "./app";

interface Context {
  model: Model;
  el: HTMLElement;
  signal?: AbortSignal;
}

function render({ model, el, signal }: Context): () => void {
  const root = el.ownerDocument.createElement("div");
  root.className = "saew saew-dashboard";
  // JupyterLab would take keys typed here for its own shortcuts.
  root.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  const prefix = `saew-${Math.random().toString(36).slice(2)}`;
  let themeVersion = 0;
  const draw = () =>
    mount(
      <Guard>
        <App model={model} root={root} prefix={prefix} themeVersion={themeVersion} />
      </Guard>,
      root,
    );
  const onTheme = () => {
    themeVersion += 1;
    draw();
  };
  let stopTheme = followTheme(root, () => model.get("theme"), onTheme);
  const themeChanged = () => {
    stopTheme();
    stopTheme = followTheme(root, () => model.get("theme"), onTheme);
  };
  model.on("change:theme", themeChanged);
  draw();
  let stopped = false;
  const stop = () => {
    if (stopped) return;
    stopped = true;
    signal?.removeEventListener("abort", stop);
    model.off("change:theme", themeChanged);
    stopTheme();
    mount(null, root);
    root.remove();
  };
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  return stop;
}

export default { render };
