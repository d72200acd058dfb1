/**
 * What a notebook front-end or a page calls to show a widget, made once for all of them: a root in the theme of its
 * surroundings, a guard around the view, and an end that leaves nothing behind.
 */

import { type ComponentType, render as mount } from "preact";
import { Gone } from "../kernel/gone";
import type { Model } from "../kernel/types";
import { FullScreen } from "./full";
import { Guard } from "./guard";
import { keepKeys } from "./keys";
import type { Offline } from "./offline";
import { followTheme } from "./theme";

export interface Context {
  model: Model;
  el: HTMLElement;
  signal?: AbortSignal;
}

/** What every widget's view is given. */
export interface ViewProps {
  model: Model;
  /** The widget's element: themes, tooltips and the clipboard hang on it. */
  root: HTMLElement;
  /** For ids, different in every view of the page. */
  prefix: string;
  /** Changes with the theme. */
  themeVersion: number;
}

export interface Widget {
  render: (context: Context) => () => void;
  /** What its page knows beside the recorded answers. */
  offline: Offline | undefined;
}

/** The widget `name`; its style sheet says `.saew-<name>`. `fills`: which element full screen is of, if not its own; "" for none. */
export function widget(name: string, View: ComponentType<ViewProps>, offline?: Offline, fills = ".saew"): Widget {
  return { render: (context) => show(context, name, View, fills), offline };
}

function show({ model, el, signal }: Context, name: string, View: ComponentType<ViewProps>, fills: string): () => void {
  const root = el.ownerDocument.createElement("div");
  root.className = `saew saew-${name}`;
  // JupyterLab would take keys typed here for its own shortcuts.
  root.dataset.lmSuppressShortcuts = "true";
  keepKeys(root);
  el.append(root);
  const prefix = `saew-${Math.random().toString(36).slice(2)}`;
  let themeVersion = 0;
  const draw = () =>
    mount(
      <Guard>
        <Gone model={model} root={root} />
        {fills && <FullScreen root={root} fills={fills} />}
        <View model={model} root={root} prefix={prefix} themeVersion={themeVersion} />
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
