/** The toy's view. */

import { useEffect, useState } from "preact/hooks";
import { StatusLines } from "../../../js/src/controls/status";
import { Num, Table } from "../../../js/src/table/table";
import { useTogether } from "../../../js/src/kernel/together";
import { save, useTrait } from "../../../js/src/kernel/traits";
import { type ViewProps, widget } from "../../../js/src/page/mount";

function App({ model, root }: ViewProps) {
  const base = useTrait<number>(model, "base");
  const [rows, setRows] = useState<number[]>([]);
  const { ask, status } = useTogether(model, root);
  useEffect(() => ask<{ rows: number[] }>("powers", { base }, { done: ({ r }) => setRows(r.rows) }), [base]);
  return (
    <>
      <button type="button" onClick={() => save(model, { base: base + 1 })}>{`base ${base}`}</button>
      <StatusLines status={status} />
      <Table head={[">power"]}>{rows.map((row) => [<tr key={row}><Num>{row}</Num></tr>])}</Table>
    </>
  );
}

export default widget("toy", App);
