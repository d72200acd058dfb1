/** All features in a table: search and sliders above it, what is selected below, the card of the clicked one beside it. */

import { useLayoutEffect, useMemo, useState } from "preact/hooks";
import { ChannelStatus } from "../../controls/channelstatus";
import { Footer } from "../../controls/footer";
import { num } from "../../controls/format";
import { HoverCard, PinnedCard, type Pointed } from "../../feature/card";
import { Name } from "../../feature/said";
import { SelectedBar } from "../../feature/selected";
import { type Kernel, useKernel } from "../../kernel/kernel";
import { save, useRevision, useTrait } from "../../kernel/traits";
import type { Json, Model, Reply } from "../../kernel/types";
import type { ViewProps } from "../../page/mount";
import { betweens, type Filters, written } from "../../table/ranges";
import { type Column, OPENED, VirtualTable } from "../../table/virtual";
import { type Distribution, distributions, type Row } from "../../table/wire";
import { usePalette } from "../../tokens/palette";
import { SELECTED, Toolbar } from "./toolbar";
import type { BrowserJson, FeatureRow, RowsJson } from "./wire";

export function App({ model, root, prefix, themeVersion }: ViewProps) {
  const kernel = useKernel(model, root);
  const [told, setTold] = useState<RowsJson | null>(null);
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const { summary, columns, again } = useSummary(kernel, model);
  const feature = useTrait<number | null>(model, "feature");
  const selected = useTrait<number[]>(model, "selected_features");
  const card = useTrait<boolean>(model, "card");
  const descending = useTrait<boolean>(model, "descending");
  const filters = useTrait<Filters>(model, "filters");
  const query = useTrait<string>(model, "query");
  const by = useTrait<string>(model, "by");
  const only = useTrait<string>(model, "only");
  const trait = useTrait<string>(model, "sort");
  const revision = useRevision(model);
  const palette = usePalette(root, themeVersion);
  const searching = query.trim() !== "";
  const sort = searching ? trait || "match" : trait && trait !== "match" ? trait : "density";
  const ticked = useMemo(() => new Set(selected), [selected]);
  const shown = useMemo(
    () => columnsOf(columns, [...(summary?.shown ?? []), sort, ...Object.keys(filters)], searching ? by : ""),
    [columns, summary, sort, filters, searching, by],
  );
  const open = ({ number }: Row<FeatureRow>) => {
    save(model, { feature: number("feature") });
    // To whatever holds the browser, such as a workbench.
    root.dispatchEvent(new CustomEvent(OPENED, { bubbles: true }));
  };
  const chosen: Json = {
    query,
    by,
    sort: trait,
    descending,
    filters: betweens(filters),
    only,
    selected: only === SELECTED ? selected : [],
  };
  return (
    <>
      <Toolbar model={model} columns={columns} lists={summary?.lists ?? []} />
      <ChannelStatus kernel={kernel} channel="summary" />
      <ChannelStatus kernel={kernel} channel="rows" />
      <p class="saew-small" role="status">
        {told ? counted(told, searching, sort, descending) : "Reading the features\u2026"}
      </p>
      <div class={card && feature !== null ? "saew-browse saew-browse-card" : "saew-browse"}>
        <VirtualTable<FeatureRow>
          {...{ kernel, chosen, revision, sort, descending, prefix, ticked }}
          columns={shown}
          current={feature}
          keyOf={({ number }) => number("feature")}
          onOpen={open}
          onSort={(name) => save(model, sorted(name, sort, descending))}
          onTick={(features, first) => {
            // Of now, and not of when it was drawn: hands are quick.
            const held = model.get("selected_features") as number[];
            const rest = held.filter((f) => !features.includes(f));
            const all = [...held, ...features.filter((f) => !held.includes(f))];
            save(model, { selected_features: held.includes(first) ? rest : all });
          }}
          onPoint={(row, at) =>
            setPointed((before) => {
              if (!row || !at) return null;
              const f = row.number("feature");
              return before?.f === f && before.at === at ? before : { f, at };
            })
          }
          onTold={(window) => setTold(window as RowsJson)}
          name="Features"
          empty={emptyOf(searching, only, selected.length)}
        />
        {card && feature !== null && (
          <aside aria-label={`Feature ${feature}`}>
            <PinnedCard {...{ model, root, palette, prefix }} feature={feature} />
          </aside>
        )}
      </div>
      <SelectedBar
        {...{ model, kernel, prefix }}
        lists={summary?.lists ?? []}
        hint="Tick features to collect them."
        onAdded={again}
      />
      <HoverCard
        {...{ model, root, palette, prefix }}
        pointed={pointed && !(card && pointed.f === feature) ? pointed : null}
      />
      {summary && <Footer notes={summary.notes} provenance={summary.provenance} />}
    </>
  );
}

/** Heads, distributions and lists; asked again when names or weights changed, or a list. */
function useSummary(kernel: Kernel, model: Model) {
  const revision = useRevision(model);
  const [times, setTimes] = useState(0);
  const [reply, setReply] = useState<Reply<BrowserJson> | null>(null);
  useLayoutEffect(() => {
    kernel.ask<BrowserJson>("summary", {}, { done: setReply });
  }, [revision, times]);
  const columns = useMemo(() => (reply ? distributions(reply) : []), [reply]);
  return { summary: reply?.r ?? null, columns, again: () => setTimes((n) => n + 1) };
}

function columnsOf(columns: Distribution[], wanted: string[], by: string): Column<FeatureRow>[] {
  const numbers = columns
    .filter(({ name }) => wanted.includes(name))
    .map((column) => ({
      name: column.name,
      title: column.title,
      says: column.says,
      width: "66px",
      number: true,
      cell: ({ number }: Row<FeatureRow>) => written(column, number(column.name)),
    }));
  const match: Column<FeatureRow>[] = by
    ? [
        {
          name: "match",
          title: by === "meaning" ? "cosine" : "match",
          says:
            by === "meaning"
              ? "Cosine of the meaning of what is said with that of the query"
              : "How the words were found: themselves, as beginnings of words, with typos forgiven",
          width: by === "meaning" ? "64px" : "minmax(70px, 120px)",
          number: by === "meaning",
          cell: ({ row, number }) => (by === "meaning" ? num(number("match")) : (row.how ?? "")),
        },
      ]
    : [];
  return [
    {
      name: "feature",
      title: "feature",
      says: "The feature's index",
      width: "62px",
      number: true,
      cell: ({ number }) => <b>{number("feature")}</b>,
    },
    {
      name: "said",
      title: "description",
      width: "minmax(170px, 1fr)",
      sortable: false,
      cell: ({ row }) => <Name of={row} />,
    },
    ...match,
    ...numbers,
  ];
}

/** A click on a head: sorts by it, and the next one the other way round. Numbers begin with the largest. */
function sorted(name: string, sort: string, descending: boolean): Record<string, unknown> {
  if (name === sort) return name === "match" ? { sort: name } : { sort: name, descending: !descending };
  return { sort: name, descending: name !== "feature" };
}

function emptyOf(searching: boolean, only: string, selected: number): string {
  if (only === SELECTED && selected === 0) return "No feature is selected.";
  return searching ? "Nothing that is said of a feature matches." : "No feature passes the filters.";
}

function counted({ total, of, capped }: RowsJson, searching: boolean, sort: string, descending: boolean): string {
  const n = total.toLocaleString("en");
  const all = of.toLocaleString("en");
  const how = sort === "match" ? "best first" : `by ${sort}, ${descending ? "largest" : "smallest"} first`;
  if (searching) return `${capped ? `The best ${n}` : n} of ${all} features, ${how}`;
  return total === of ? `${all} features, ${how}` : `${n} of ${all} features, ${how}`;
}
