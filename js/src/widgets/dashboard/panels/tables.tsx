/** The feature's relations, one small table each: tokens, neurons, other features. */

import type { ComponentChildren } from "preact";
import { num, percent, signed } from "../../../controls/format";
import { Name, type Named } from "../../../feature/said";
import type { FeatureJson, TokenRow } from "../../../feature/wire";
import { useRoving } from "../../../table/rove";
import { Num, Table } from "../../../table/table";
import { Tok } from "../../../tokens/tok";

interface RelationProps<R> {
  title: string;
  hint?: string;
  /** What the rows are of, if not of the whole corpus. */
  of?: string | null;
  head: string[];
  rows: R[];
  missing?: string | null;
  row: (row: R) => ComponentChildren;
}

function Relation<R>({ title, hint, of, head, rows, missing, row }: RelationProps<R>) {
  const roving = useRoving<HTMLElement>("button");
  const none = missing ?? (rows.length === 0 ? "There are none." : null);
  return (
    <section class="saew-panel" aria-label={title} {...roving}>
      <h3 title={hint}>{title}</h3>
      {of && <p class="saew-small saew-of">{of}</p>}
      {none !== null ? <p class="saew-missing">{none}</p> : <Table head={head}>{rows.map(row)}</Table>}
    </section>
  );
}

interface TokensProps {
  json: FeatureJson;
  /** The token that the examples are filtered by. */
  chosen: string;
  onToken: (token: string) => void;
}

export function FiresOn({ json, chosen, onToken }: TokensProps) {
  const most = Math.max(1, ...json.tokens.map((row) => row.count));
  const unsaid = json.stated && json.tokens.length === 0 ? "Its file does not say." : null;
  return (
    <Relation<TokenRow>
      title="Fires on"
      hint="Tokens that the feature is active on most often. A click shows examples of one."
      of={json.tokens_of}
      head={["token", ">count", ">mean", ">of token"]}
      rows={json.tokens}
      missing={json.count === 0 ? "It never fires." : unsaid}
      row={(row) => {
        const stripped = row.t.trim();
        const name = <Tok t={row.t} />;
        const sign = row.about === null ? "" : "\u2248 ";
        return (
          <tr key={row.id} class={stripped !== "" && stripped === chosen ? "saew-chosen" : undefined}>
            <th scope="row" class="saew-mono saew-tok">
              {stripped === "" ? (
                <span title={`id ${row.id}`}>{name}</span>
              ) : (
                <button
                  type="button"
                  class="saew-link"
                  title={`Show examples of this token (id ${row.id})`}
                  aria-pressed={stripped === chosen}
                  onClick={() => onToken(stripped === chosen ? "" : stripped)}
                >
                  {name}
                </button>
              )}
            </th>
            <td class={row.about === null ? "saew-num saew-by" : "saew-num saew-by saew-about"}>
              <span class="saew-bar" style={{ width: `${((row.count / most) * 100).toFixed(1)}%` }} />
              <span>{row.about ?? row.count.toLocaleString("en")}</span>
            </td>
            <Num>{sign + num(row.mean)}</Num>
            <td class="saew-num" title="The feature is active on this share of all occurrences of the token">
              {sign + percent(row.share)}
            </td>
          </tr>
        );
      }}
    />
  );
}

export function Neurons({ json }: { json: FeatureJson }) {
  return (
    <>
      <Relation
        title="Neuron alignment"
        hint={json.alignment_label}
        head={["neuron", ">value", ">% of L1"]}
        rows={json.alignment}
        row={({ i, v, share }) => (
          <tr key={i}>
            <th scope="row">{i}</th>
            <Num>{signed(v)}</Num>
            <Num>{percent(share)}</Num>
          </tr>
        )}
      />
      <Relation
        title="Correlated neurons"
        hint={json.neurons_label}
        head={["neuron", ">Pearson", ">cosine"]}
        rows={json.neurons}
        missing={json.neurons_missing}
        row={({ i, r, cos }) => (
          <tr key={i}>
            <th scope="row">{i}</th>
            <Num>{signed(r)}</Num>
            <Num>{signed(cos)}</Num>
          </tr>
        )}
      />
    </>
  );
}

interface RelatedProps {
  json: FeatureJson;
  onGo: (f: number) => void;
}

export function Related({ json, onGo }: RelatedProps) {
  const name = (row: Named & { f: number }) => (
    <th scope="row" class="saew-feature-cell">
      {/* Its click, by pointer or key, is the row's. */}
      <button type="button" class="saew-link" aria-label={`Go to feature ${row.f}`}>
        {row.f}
      </button>
      <Name of={row} />
    </th>
  );
  return (
    <>
      <Relation
        title="Correlated features"
        hint={json.correlated_label}
        of={json.correlated_of}
        head={["feature", ">Pearson", ">together"]}
        rows={json.correlated}
        missing={json.correlated_missing}
        row={(row) => (
          <tr key={row.f} class="saew-go" onClick={() => onGo(row.f)}>
            {name(row)}
            <Num>{signed(row.r)}</Num>
            <td class="saew-num" title="Tokens on which both are active">
              {row.together === null ? "?" : row.together.toLocaleString("en")}
            </td>
          </tr>
        )}
      />
      <Relation
        title="Decoder neighbours"
        hint="Features whose decoder rows have the largest cosine with this one's"
        head={["feature", ">cosine"]}
        rows={json.neighbours}
        row={(row) => (
          <tr key={row.f} class="saew-go" onClick={() => onGo(row.f)}>
            {name(row)}
            <Num>{signed(row.cos)}</Num>
          </tr>
        )}
      />
    </>
  );
}
