/** Which feature this is, how often it fires, and the ways to others. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { num } from "../../controls/format";
import type { Said } from "../../feature/said";
import type { FeatureJson } from "../../feature/wire";
import { save, useTrait } from "../../kernel/traits";
import type { Model } from "../../kernel/types";
import { label as visible } from "../../tokens/visible";
import type { Answers } from "./state";

const SORTS: Record<string, string> = {
  index: "index",
  density: "density",
  max: "max activation",
  mean: "mean activation",
  label: "label",
};

interface NavProps {
  model: Model;
  json: FeatureJson | null;
  answers: Answers;
  onGo: (f: number) => void;
}

export function Navigation({ model, json, answers, onGo }: NavProps) {
  const sort = useTrait<string>(model, "sort");
  const list = useTrait<number[]>(model, "features");
  const order = json?.order;
  const step = (to: number | null | undefined) => typeof to === "number" && onGo(to);
  const random = () =>
    answers.ask<{ f: number }>("random", { f: json?.f ?? null, list }, { done: ({ r }) => onGo(r.f) });
  return (
    <nav class="saew-nav" aria-label="Features">
      <span class="saew-navgroup">
        <button type="button" disabled={answers.past.length === 0} title={backTo(answers.past)} onClick={answers.back}>
          {"\u2190 Back"}
        </button>
        <fieldset class="saew-segments" aria-label="Step through the features">
          <button
            type="button"
            disabled={order?.previous == null}
            title={order?.previous == null ? undefined : `Feature ${order.previous}`}
            onClick={() => step(order?.previous)}
          >
            {"\u2039 Previous"}
          </button>
          <button
            type="button"
            disabled={order?.next == null}
            title={order?.next == null ? undefined : `Feature ${order.next}`}
            onClick={() => step(order?.next)}
          >
            {"Next \u203a"}
          </button>
        </fieldset>
        <button type="button" title="A random feature that fires" onClick={random}>
          Random
        </button>
      </span>
      <span class="saew-navgroup">
        <Jump model={model} onGo={onGo} />
        <label>
          <span class="saew-small">order </span>
          <select value={sort} onChange={(event) => save(model, { sort: event.currentTarget.value })}>
            {Object.entries(SORTS).map(([name, text]) => (
              <option key={name} value={name}>
                {text}
              </option>
            ))}
          </select>
        </label>
      </span>
      {order && (
        <span class="saew-small saew-position">
          {order.position === null
            ? `not among the ${order.total.toLocaleString("en")} ${list.length > 0 ? "listed" : "ordered"} features`
            : `${(order.position + 1).toLocaleString("en")} of ${order.total.toLocaleString("en")} by ${sort}`}
          {list.length > 0 && order.position !== null && " in the list"}
        </span>
      )}
    </nav>
  );
}

function backTo(past: number[]): string | undefined {
  const to = past.at(-1);
  return to === undefined ? undefined : `Back to feature ${to}`;
}

function Jump({ model, onGo }: { model: Model; onGo: (f: number) => void }) {
  const feature = useTrait<number | null>(model, "feature");
  const [draft, setDraft] = useState("");
  // In the layout, before the next click or key: what a quick hand did is not taken back.
  useLayoutEffect(() => setDraft(""), [feature]);
  return (
    <span class="saew-jump">
      <label>
        <span class="saew-small">go to </span>
        <input
          type="text"
          inputMode="numeric"
          pattern="\s*[0-9]+\s*"
          aria-label="Number of the feature to go to"
          placeholder={"number \u21b5"}
          value={draft}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            const { value } = event.currentTarget;
            if (/^\s*\d+\s*$/.test(value)) onGo(Number(value));
          }}
        />
      </label>
    </span>
  );
}

export function Title({ json, answers }: { json: FeatureJson; answers: Answers }) {
  return (
    <header class="saew-title">
      <h2>{`Feature ${json.f}`}</h2>
      <Label json={json} answers={answers} />
      <Sayings said={json.said} />
      <Facts json={json} />
    </header>
  );
}

/** What others say of the feature, and what is made of its counts; further explanations on demand. */
function Sayings({ said }: { said: Said[] }) {
  const [all, setAll] = useState(false);
  const shown = all ? said : said.slice(0, 1);
  return (
    <div class="saew-sayings">
      {shown.map((one, i) => (
        <p key={`${i} ${one.by}`} class={`saew-${one.kind}`}>
          <bdi>{visible(one.text)}</bdi>
          <span class="saew-small">{` ${one.by}`}</span>
        </p>
      ))}
      {said.length > 1 && (
        <button type="button" class="saew-link" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? "less" : `${said.length - 1} more`}
        </button>
      )}
    </div>
  );
}

function Facts({ json }: { json: FeatureJson }) {
  if (json.silent !== null) return <p class="saew-dead">{json.silent}</p>;
  const facts: [string, string, string][] = [];
  if (json.density !== null) facts.push(["density", `${(json.density * 100).toPrecision(3)}%`, json.density_of]);
  if (json.max !== null) facts.push(["max", num(json.max), ""]);
  if (json.min !== null && json.min < 0) facts.push(["min", num(json.min), ""]);
  if (json.mean !== null) facts.push(["mean", num(json.mean), "when active"]);
  return (
    <ul class="saew-facts">
      {facts.map(([name, value, more]) => (
        <li key={name}>
          <span class="saew-fact">{name}</span>
          <span>
            <b>{value}</b>
            {more && <span class="saew-small">{` ${more}`}</span>}
          </span>
        </li>
      ))}
      {!json.complete && (
        <li>
          <span class="saew-fact">examples</span>
          <span>
            <b>{json.stated ? "of the file" : "sampled"}</b>
            <span class="saew-small">
              {json.stated
                ? ` with ${json.kept.toLocaleString("en")} activations`
                : ` from ${json.kept.toLocaleString("en")} active tokens`}
            </span>
          </span>
        </li>
      )}
    </ul>
  );
}

/** The label; a click makes it a box. Enter saves, Escape leaves it as it was. */
function Label({ json, answers }: { json: FeatureJson; answers: Answers }) {
  const [draft, setDraft] = useState<string | null>(null);
  const box = useRef<HTMLInputElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  // In the layout, before the next click or key: what a quick hand did is not taken back.
  useLayoutEffect(() => setDraft(null), [json.f]);
  useEffect(() => {
    if (draft !== null && box.current?.ownerDocument.activeElement !== box.current) box.current?.select();
  }, [draft === null]);
  const close = () => {
    setDraft(null);
    // Not before the button is there again.
    setTimeout(() => opener.current?.focus());
  };
  const keep = (wanted: string) => {
    const { f } = json;
    const text = wanted.trim();
    close();
    if (text !== (json.label ?? ""))
      answers.ask<{ f: number; label: string | null }>(
        "label",
        { f, label: text },
        { done: ({ r }) => answers.setLabel(r.f, r.label || null) },
      );
  };
  if (draft !== null) {
    return (
      <span class="saew-labelbox">
        <input
          ref={box}
          type="text"
          aria-label="Label"
          placeholder="label"
          value={draft}
          onInput={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") keep(event.currentTarget.value);
            else if (event.key === "Escape") close();
            else return;
            event.preventDefault();
            event.stopPropagation();
          }}
        />
        <button type="button" onClick={() => keep(draft)}>
          Save
        </button>
        <button type="button" class="saew-quiet" onClick={close}>
          Cancel
        </button>
      </span>
    );
  }
  return (
    <span class="saew-labelbox">
      {json.label && <bdi class="saew-name">{visible(json.label)}</bdi>}
      {json.can_label && (
        <button ref={opener} type="button" class="saew-link" onClick={() => setDraft(json.label ?? "")}>
          {json.label ? "edit" : "add a label"}
        </button>
      )}
    </span>
  );
}
