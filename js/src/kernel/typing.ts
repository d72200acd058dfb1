/** Boxes that are typed into while their trait comes back from the kernel: an echo never overwrites what is in the box. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { save, useTrait } from "./traits";
import type { Json, Model } from "./types";

const REMEMBERED = 64;
const SAVE_MS = 250;
const FILTER_MS = 250;
/** For so long after a key, an earlier draft of one's own is taken for an echo; later, for somebody's wish. */
const ECHO_MS = 3000;

/**
 * A text that is computed with as it is typed: the trait changes here at once, so that views ask at once, and Python
 * learns of it (and of the traits in `along`) when the typing pauses.
 */
export function useDraft<T extends Json>(
  model: Model,
  name: string,
  along: Record<string, Json> = {},
): [T, (next: T) => void] {
  const value = useTrait<T>(model, name);
  const key = JSON.stringify(value);
  const [draft, setDraft] = useState<T>(value);
  const sent = useRef<string[]>([]);
  const typed = useRef(0);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const saveSoon = () => {
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      timer.current = undefined;
      model.save_changes();
    }, SAVE_MS);
  };
  // In the layout, before the next key: an effect that ran after it would take the draft of before that key for the last.
  useLayoutEffect(() => {
    if (key === sent.current.at(-1)) return;
    // The front-end echoes earlier drafts while one goes on typing: what is in the box stands, and is said again.
    if (sent.current.includes(key) && Date.now() - typed.current < ECHO_MS) {
      model.set(name, draft);
      saveSoon();
      return;
    }
    sent.current = [];
    setDraft(value);
  }, [key]);
  useEffect(
    () => () => {
      // Only what was typed at the end: a widget that was closed refuses whatever is saved.
      if (timer.current === undefined) return;
      clearTimeout(timer.current);
      try {
        model.save_changes();
      } catch {}
    },
    [model],
  );
  const change = (next: T) => {
    setDraft(next);
    sent.current = [...sent.current, JSON.stringify(next)].slice(-REMEMBERED);
    typed.current = Date.now();
    model.set(name, next);
    for (const [other, its] of Object.entries(along)) model.set(other, its);
    saveSoon();
  };
  return [draft, change];
}

/** A filter: nothing happens until the typing pauses, or until `now` says that it is complete. */
export function useFilter(
  model: Model,
  name: string,
  clean: (text: string) => string = (text) => text,
): [string, (text: string, now?: boolean) => void] {
  const value = useTrait<string>(model, name);
  const [draft, setDraft] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const own = useRef(value);
  useLayoutEffect(() => {
    if (value !== own.current) setDraft(value);
    own.current = value;
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const put = (text: string, now = false) => {
    setDraft(text);
    clearTimeout(timer.current);
    timer.current = setTimeout(
      () => {
        own.current = clean(text);
        save(model, { [name]: own.current });
      },
      now ? 0 : FILTER_MS,
    );
  };
  return [draft, put];
}
