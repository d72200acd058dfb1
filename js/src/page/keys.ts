/**
 * Keys that a widget uses stay in it. VS Code listens for keydown on the window of its notebooks: Home would scroll the
 * notebook away under a text box, Shift+Enter run a cell and take the typed text with it.
 */

const MINE = /^(Arrow|Home|End|Page|Esc|Enter| $)/;

/** From what is inside `root`, after whoever handles it there: what moves, confirms or leaves goes no further. */
export function keepKeys(root: HTMLElement): void {
  root.addEventListener("keydown", (event) => {
    // Alt and Meta are the host's and the system's; Ctrl+Page changes its tabs.
    const theirs = event.altKey || event.metaKey || (event.ctrlKey && /^P/.test(event.key));
    if (MINE.test(event.key) && !theirs) event.stopPropagation();
  });
}
