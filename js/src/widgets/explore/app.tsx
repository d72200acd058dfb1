/**
 * The bar of a workbench: it stands in a box beside the views, and arranges them. Where there is room two are in sight,
 * each behind tabs of its own; else one. The box is the notebook's: it is only marked, and explore.css does the rest.
 */

import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { Name, type Named } from "../../feature/said";
import { useLookup } from "../../kernel/lookup";
import { save, useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { OPENED } from "../../table/virtual";

const LEFT: Record<string, string> = {
  browser: "Features",
  map: "Map",
  heatmap: "Text",
  comparison: "Compare",
  layers: "Layers",
};
const RIGHT: Record<string, string> = {
  dashboard: "Dashboard",
  steering: "Steering",
  attribution: "Why",
  subspace: "Shape",
  beside: "Pair",
};
/** Two views need so many pixels. */
const WIDE = 1150;
export const BOX = ".saew-explore";

export function App({ model, root }: ViewProps) {
  const left = useTrait<string>(model, "left");
  const right = useTrait<string>(model, "right");
  const front = useTrait<string>(model, "front");
  const feature = useTrait<number | null>(model, "feature");
  const box = useBox(root);
  const wide = useWide(box);
  useLayoutEffect(() => {
    if (!box) return;
    box.dataset.shown = wide ? `${left} ${right}` : front;
    box.dataset.wide = String(wide);
  }, [box, wide, left, right, front]);
  // Where one view is in sight, a row that is opened shows what it is about. By hand and at once: the kernel's word would come late.
  useEffect(() => {
    const opened = () => save(model, { front: "dashboard" });
    box?.addEventListener(OPENED, opened);
    return () => box?.removeEventListener(OPENED, opened);
  }, [model, box]);
  const said = useLookup<Named>(model, root, "said", feature === null ? null : { f: feature });
  const choose = (name: string) => save(model, { front: name, ...(name in LEFT ? { left: name } : { right: name }) });
  const tabs = (title: string, names: Record<string, string>, chosen: string) => (
    <Tabs {...{ title, names, chosen }} onChoose={choose} />
  );
  return (
    <div class="saew-bench-bar">
      {wide ? (
        <>
          {tabs("On the left", LEFT, left)}
          {tabs("On the right", RIGHT, right)}
        </>
      ) : (
        tabs("View", { ...LEFT, ...RIGHT }, front)
      )}
      <span class="saew-bench-feature" role="status">
        {feature === null ? "no feature selected" : <b>{`Feature ${feature}`}</b>}{" "}
        {said?.reply && <Name of={said.reply.r} />}
      </span>
    </div>
  );
}

interface TabsProps {
  title: string;
  names: Record<string, string>;
  chosen: string;
  onChoose: (name: string) => void;
}

/** Buttons and no tabs in ARIA's sense: what they show stands elsewhere, in the notebook's own elements. */
function Tabs({ title, names, chosen, onChoose }: TabsProps) {
  return (
    <fieldset class="saew-segments" aria-label={title}>
      {Object.entries(names).map(([name, text]) => (
        <button type="button" key={name} aria-pressed={name === chosen} onClick={() => onChoose(name)}>
          {text}
        </button>
      ))}
    </fieldset>
  );
}

/** The box that the bar stands in, once it does: a notebook puts it there after it was drawn. */
function useBox(root: HTMLElement): HTMLElement | null {
  const [box, setBox] = useState<HTMLElement | null>(null);
  useEffect(() => {
    const look = () => setBox(root.closest<HTMLElement>(BOX));
    look();
    const observer = new ResizeObserver(look);
    observer.observe(root);
    return () => observer.disconnect();
  }, [root]);
  return box;
}

function useWide(box: HTMLElement | null): boolean {
  const [wide, setWide] = useState(false);
  useEffect(() => {
    if (!box) return;
    const measure = () => box.clientWidth > 0 && setWide(box.clientWidth >= WIDE);
    measure();
    const observer = new ResizeObserver(() => requestAnimationFrame(measure));
    observer.observe(box);
    return () => observer.disconnect();
  }, [box]);
  return wide;
}
