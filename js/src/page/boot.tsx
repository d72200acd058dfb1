/** A page begins: its data are read, each view gets a model of its own, and what is linked in the kernel is linked here. */

import { fromBase64 } from "../kernel/arrays";
import { save } from "../kernel/traits";
import type { Json } from "../kernel/types";
import { type ChoiceJson, choices } from "./choices";
import { RecordedModel } from "./host";
import { type Widget, widget } from "./mount";
import type { Recorded } from "./offline";
import { type PartsJson, parts } from "./parts";
import { followAddress } from "./permalink";
import { expanded } from "./sharing";

const VERSION = 2;

interface ViewJson {
  name: string;
  widget: string;
  state: Record<string, Json>;
  recorded: Recorded[];
  choices: ChoiceJson[];
  /** Why it is not there. */
  missing: string;
}

interface BundleJson {
  views: ViewJson[];
  /** (view, trait) of traits that have one value. */
  links: [string, string][][];
  parts: PartsJson | null;
}

interface Opened {
  model: RecordedModel;
  /** The traits that open a feature in it. */
  opens: (feature: number) => Record<string, unknown>;
}

/** Show the page's recorded widgets in #saew-root and hide its static picture. */
export function boot(widgets: Record<string, Widget>): void {
  start(widgets).catch((error: unknown) => {
    // The static picture stays; only say why the live one did not come.
    const said = document.createElement("p");
    said.textContent = `The interactive view could not start: ${String(error)}`;
    document.getElementById("saew-root")?.append(said);
  });
}

async function start(widgets: Record<string, Widget>): Promise<void> {
  const root = document.getElementById("saew-root");
  const data = document.getElementById("saew-data");
  if (!root || !data) throw new Error("The page lacks its data.");
  const outer = JSON.parse(data.textContent ?? "") as { version: number; gz: string };
  if (outer.version !== VERSION)
    throw new Error(`The page has data of version ${outer.version}; this script reads version ${VERSION}.`);
  const bundle = await unpack<BundleJson>(outer.gz);
  const late = bundle.parts ? parts(bundle.parts, unpack<Recorded[]>) : undefined;
  const several = bundle.views.length > 1;
  const opened = new Map<string, Opened>();
  for (const view of bundle.views) {
    const found = widgets[view.widget];
    if (!found) throw new Error(`This script has no widget ${view.widget}.`);
    const model = new RecordedModel(view, found.offline, late);
    const opens = found.offline?.opens;
    opened.set(view.name, {
      model,
      opens: (feature) => opens?.(feature, (name) => model.get(name)) ?? { feature },
    });
    const el = several ? root.appendChild(document.createElement("div")) : root;
    if (view.missing) missing(view.widget, view.missing).render({ model, el });
    else {
      if (view.choices.length > 0) choices(view.choices).render({ model, el });
      found.render({ model, el });
    }
  }
  for (const ends of bundle.links) link(ends.flatMap(([name, trait]) => endOf(opened.get(name), trait)));
  const [first] = opened.values();
  if (first && first.model.get("feature") !== undefined)
    followAddress(first.model, (feature) => save(first.model, first.opens(feature)));
  document.getElementById("saew-static")?.setAttribute("hidden", "");
}

interface End {
  opened: Opened;
  trait: string;
}

function endOf(opened: Opened | undefined, trait: string): End[] {
  return opened && opened.model.get(trait) !== undefined ? [{ opened, trait }] : [];
}

/** One value for all of them, as the kernel's traits are linked; that one view has no feature is its own matter. */
function link(ends: End[]): void {
  let busy = false;
  for (const { opened, trait } of ends)
    opened.model.on(`change:${trait}`, () => {
      const value = opened.model.get(trait);
      if (busy || value === null) return;
      busy = true;
      for (const other of ends)
        if (other.opened !== opened && other.opened.model.get(other.trait) !== value)
          save(
            other.opened.model,
            trait === "feature" ? other.opened.opens(value as number) : { [other.trait]: value },
          );
      busy = false;
    });
}

/** In place of a view: why it is not there. */
function missing(name: string, why: string): Widget {
  return widget(name, () => <p class="saew-empty">{why}</p>);
}

async function unpack<T>(gz: string): Promise<T> {
  const stream = new Blob([fromBase64(gz) as BlobPart]).stream().pipeThrough(new DecompressionStream("gzip"));
  const { shared, value } = JSON.parse(await new Response(stream).text()) as { shared: Json[]; value: T };
  return expanded(shared, value);
}
