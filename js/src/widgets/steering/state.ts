/** The panel's state that several of its parts read: what is on screen to ask with, and what the units come to. */

import { useState } from "preact/hooks";
import { useFollow } from "../../kernel/follow";
import type { Kernel } from "../../kernel/kernel";
import { useRevision, useTrait, useTraits } from "../../kernel/traits";
import type { Json, Model } from "../../kernel/types";
import { useDraft } from "../../kernel/typing";
import { complete, type Recipe } from "./recipe/recipe";
import { type Asked, type Facts, json, type Message, type Scales, SETTINGS, type Settings } from "./wire";

const SCALES_MS = 150;

export interface State {
  model: Model;
  facts: Facts;
  offline: boolean;
  /** What questions are asked with: the traits as they are. */
  asked: Asked;
  settings: Settings;
  /** The recipe with what is missing filled in. */
  recipe: Recipe;
  /** Change the recipe, from what it is by then: two changes may come before one is drawn. */
  edit: (change: (recipe: Recipe) => Recipe) => void;
  setPrompt: (next: string | number[]) => void;
  revision: number;
}

export function usePanel(model: Model): State {
  const facts = useTrait<Facts>(model, "facts");
  const [recipe, putRecipe] = useDraft<Json>(model, "recipe");
  const [prompt, setPrompt] = useDraft<string | number[]>(model, "prompt");
  const chat = useTrait<boolean>(model, "chat");
  const messages = useTrait<Message[]>(model, "messages");
  const [settings] = useTraits(model, SETTINGS);
  const revision = useRevision(model);
  const asked = { recipe: recipe as unknown as Recipe, prompt, chat, messages };
  return {
    model,
    facts,
    offline: facts.offline === true,
    asked,
    settings: settings as Settings,
    recipe: complete(asked.recipe),
    edit: (change) => putRecipe(json(change(complete(model.get("recipe") as Recipe)))),
    setPrompt,
    revision,
  };
}

/** What the units of each row come to; the last answer stays while the next is on its way. */
export function useScales(state: State, kernel: Kernel): Scales | null {
  const [scales, setScales] = useState<Scales | null>(null);
  const { asked, revision } = state;
  useFollow<Scales>(kernel, "scales", json(asked), { on: true, wait: SCALES_MS, revision }, ({ r }) => setScales(r));
  return scales;
}
