/** Which theme the surroundings have: every front-end says it differently, and some say it wrongly. */

const DARK = "(prefers-color-scheme: dark)";
const FORCED = "(forced-colors: active)";
const MORE = "(prefers-contrast: more)";
const PRINT = "print";
const WATCHED = "class style theme data-theme data-jp-theme-light data-jp-theme-name".split(" ");

export type Theme = "light" | "dark" | "contrast";

/** The theme for `root`; `wanted` is the widget's trait, over which only a system goes that forces its colours on all. */
export function themeOf(root: HTMLElement, wanted: unknown): Theme {
  // A page of our own is printed on paper.
  if (root.closest("#saew-root") && asked(root, PRINT)?.matches) return "light";
  if (asked(root, FORCED)?.matches) return "contrast";
  if (wanted === "light" || wanted === "dark" || wanted === "contrast") return wanted;
  if (asked(root, MORE)?.matches) return "contrast";
  const { body } = root.ownerDocument;
  if (/vscode-high-contrast/.test(body.className) || /high contrast/i.test(body.dataset.jpThemeName ?? ""))
    return "contrast";
  return surroundings(root);
}

/** What the system says. */
function asked(root: HTMLElement, query: string): MediaQueryList | undefined {
  return root.ownerDocument.defaultView?.matchMedia?.(query);
}

/** Whether what is around `root` is light or dark. */
function surroundings(root: HTMLElement): "light" | "dark" {
  const { body } = root.ownerDocument;
  const jupyter = body.dataset.jpThemeLight;
  if (jupyter !== undefined) return jupyter === "true" ? "light" : "dark";
  // The light high contrast theme has the name of the dark one as well.
  if (/vscode-(high-contrast-)?light/.test(body.className)) return "light";
  if (/vscode-(high|dark)/.test(body.className)) return "dark";
  for (let el: Element | null = root; el; el = parentOf(el)) {
    const said = el.getAttribute("data-theme") ?? el.getAttribute("theme");
    if (el !== root && (said === "dark" || el.classList.contains("dark"))) return "dark";
    if (el !== root && said === "light") return "light";
  }
  const behind = luminanceBehind(root);
  if (behind !== null) return behind < 0.4 ? "dark" : "light";
  return asked(root, DARK)?.matches ? "dark" : "light";
}

/** Parents through shadow roots (marimo). */
function parentOf(el: Element): Element | null {
  if (el.parentElement) return el.parentElement;
  const root = el.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}

function luminanceBehind(root: HTMLElement): number | null {
  for (let el = parentOf(root); el; el = parentOf(el)) {
    const color = root.ownerDocument.defaultView?.getComputedStyle(el).backgroundColor ?? "";
    const parts = color.match(/[\d.]+/g)?.map(Number) ?? [];
    const [r, g, b, a = 1] = parts;
    if (r !== undefined && g !== undefined && b !== undefined && a > 0.5)
      return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  }
  return null;
}

/** Keep `root` in the theme of its surroundings; returns how to stop. */
export function followTheme(root: HTMLElement, wanted: () => unknown, onChange: () => void): () => void {
  const apply = () => {
    const theme = themeOf(root, wanted());
    // The system's colours, which the contrast theme is made of, follow the colour scheme.
    const scheme = theme === "contrast" ? surroundings(root) : theme;
    // VS Code's variables are of its own theme, whatever a forced one says.
    const host = wanted() !== theme && body.dataset.vscodeThemeKind ? "vscode" : "";
    const { dataset } = root;
    if (dataset.theme === theme && dataset.host === host && root.style.colorScheme === scheme) return;
    dataset.theme = theme;
    dataset.host = host;
    root.style.colorScheme = scheme;
    onChange();
  };
  const { documentElement, body } = root.ownerDocument;
  const observer = new MutationObserver(apply);
  for (const el of [documentElement, body])
    observer.observe(el, {
      attributes: true,
      attributeFilter: WATCHED,
    });
  const media = [DARK, FORCED, MORE, PRINT].map((query) => asked(root, query));
  for (const list of media) list?.addEventListener("change", apply);
  apply();
  return () => {
    observer.disconnect();
    for (const list of media) list?.removeEventListener("change", apply);
  };
}
