/** Copy text, also where the asynchronous clipboard is blocked (some webviews and sandboxed frames). */

export async function copyText(text: string, near: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = near.ownerDocument.createElement("textarea");
    area.value = text;
    area.className = "saew-offscreen";
    near.append(area);
    area.select();
    const done = near.ownerDocument.execCommand?.("copy") ?? false;
    area.remove();
    return done;
  }
}
