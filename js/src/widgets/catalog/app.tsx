/** The published SAEs as a table: what narrows it above, the selected one beside it. */

import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { Footer } from "../../controls/footer";
import { short } from "../../controls/small";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { save, useRevision, useTrait } from "../../kernel/traits";
import type { Json, Model, Reply } from "../../kernel/types";
import type { ViewProps } from "../../page/mount";
import { betweens, type Filters, written } from "../../table/ranges";
import { type Column, VirtualTable } from "../../table/virtual";
import { distributions, type Row } from "../../table/wire";
import { Details } from "./details";
import { Toolbar } from "./toolbar";
import { type CatalogJson, isSame, type RowsJson, type SaeRow } from "./wire";

const NONE: ReadonlySet<number> = new Set();
/** The selected row goes by this, the others by their places: a window does not say where in it the selected one is. */
const SELECTED = -1;

export function App({ model, root, prefix }: ViewProps) {
  const kernel = useKernel(model, root);
  const [told, setTold] = useState<RowsJson | null>(null);
  const revision = useRevision(model);
  const { summary, columns } = useSummary(kernel, model);
  const selected = useTrait<SaeRow | null>(model, "selected");
  const sort = useTrait<string>(model, "sort");
  const descending = useTrait<boolean>(model, "descending");
  const filters = useTrait<Filters>(model, "filters");
  const chosen: Json = {
    query: useTrait<string>(model, "query"),
    model: useTrait<string>(model, "of_model"),
    architecture: useTrait<string>(model, "architecture"),
    sort,
    descending,
    filters: betweens(filters),
  };
  const own = summary?.model ?? "";
  return (
    <>
      <Toolbar model={model} columns={columns} summary={summary} />
      <ChannelStatus kernel={kernel} channel="summary" />
      <ChannelStatus kernel={kernel} channel="rows" />
      <p class="saew-small saew-catalog-count" role="status">
        {told ? counted(told, sort, descending) : "Reading the directory\u2026"}
      </p>
      <div class={selected ? "saew-catalog-both" : ""}>
        <VirtualTable<SaeRow>
          {...{ kernel, chosen, sort, descending, prefix }}
          // The rows do not change with what is loaded.
          revision={0}
          columns={COLUMNS}
          keyOf={({ row, at }) => (isSame(row, selected) ? SELECTED : at)}
          current={selected ? SELECTED : null}
          ticked={NONE}
          onOpen={({ row }) => save(model, { selected: row })}
          onSort={(name) => save(model, sorted(name, sort, descending))}
          onTold={(window) => setTold(window as RowsJson)}
          name="Published SAEs"
          empty="No SAE has all of this."
        />
        {selected && <Details {...{ model, kernel, own, revision }} shown={selected} />}
      </div>
      {!selected && told && told.total > 0 && (
        <p class="saew-small">Click an SAE to read what it is, to load it, and for its code.</p>
      )}
      {summary && <Footer notes={summary.notes} provenance={summary.provenance} />}
    </>
  );
}

function useSummary(kernel: Kernel, model: Model) {
  const revision = useTrait<number>(model, "revision");
  const [reply, setReply] = useState<Reply<CatalogJson> | null>(null);
  useLayoutEffect(() => {
    kernel.ask<CatalogJson>("summary", {}, { done: setReply });
  }, [revision]);
  const columns = useMemo(() => (reply ? distributions(reply) : []), [reply]);
  return { summary: reply?.r ?? null, columns };
}

type Text = "model" | "release" | "sae_id" | "hook_name";
type Numeric = "layer" | "width" | "l0" | "variance_explained";

function text(name: Text, title: string, says: string, width: string): Column<SaeRow> {
  const cell = ({ row, number }: Row<SaeRow>) => (
    <span title={row[name] ?? "unknown"} class={number("fits") === 0 ? "saew-catalog-other" : undefined}>
      {row[name] ?? "\u2013"}
    </span>
  );
  return { name, title, says, width, cell };
}

function numeric(name: Numeric, title: string, says: string, width: string, form: string): Column<SaeRow> {
  const cell = ({ row }: Row<SaeRow>) => {
    const value = row[name];
    if (value === null) return "\u2013";
    // As it was published: no digits that nobody measured.
    return form === "num" ? short(value) : written({ form }, value);
  };
  return { name, title, says, width, number: true, cell };
}

const COLUMNS: Column<SaeRow>[] = [
  text("model", "model", "The language model that the SAE was trained on", "minmax(80px, 2fr)"),
  text("release", "release", "The set of SAEs that it was published in", "minmax(100px, 4fr)"),
  text("sae_id", "id", "Its name in the release", "minmax(190px, 6fr)"),
  text("hook_name", "hook", "Where in the model it reads; \u2013: known once it is loaded", "minmax(100px, 3fr)"),
  numeric("layer", "layer", "The block of the hook, counted from 0", "44px", "whole"),
  numeric("width", "width", "How many features it has (d_sae)", "70px", "count"),
  numeric("l0", "L0", "Features active on a token, on average, as its authors measured", "52px", "num"),
  numeric("variance_explained", "var. expl.", "Variance explained, as its authors measured: 1 is all", "64px", "num"),
];
const IS_NUMBER = new Set(COLUMNS.filter(({ number }) => number).map(({ name }) => name));
const TITLES: Record<string, string> = {
  ...Object.fromEntries(COLUMNS.map(({ name, title }) => [name, title])),
  variance_explained: "variance explained",
};

/** A click on a head: sorts by it, and the next one the other way round. Numbers begin with the largest. */
function sorted(name: string, sort: string, descending: boolean): Record<string, unknown> {
  return { sort: name, descending: name === sort ? !descending : IS_NUMBER.has(name) };
}

function counted({ total, of }: RowsJson, sort: string, descending: boolean): string {
  const n = total === of ? of.toLocaleString("en") : `${total.toLocaleString("en")} of ${of.toLocaleString("en")}`;
  if (sort === "") return `${n} SAEs, by model and release`;
  const order = IS_NUMBER.has(sort)
    ? `${descending ? "largest" : "smallest"} first`
    : descending
      ? "from Z to A"
      : "from A to Z";
  return `${n} SAEs, by ${TITLES[sort] ?? sort}, ${order}`;
}
