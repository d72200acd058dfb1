/** Tables of numbers: a head of small words, cells that align. */

import type { ComponentChildren } from "preact";

interface Props {
  /** Column heads; those of numbers begin with ">". */
  head: string[];
  className?: string;
  children: ComponentChildren;
}

export function Table({ head, className, children }: Props) {
  return (
    <table class={className}>
      <thead>
        <tr class="saew-small">
          {head.map((says) => (
            <th scope="col" key={says} class={says.startsWith(">") ? "saew-num" : undefined}>
              {says.replace(">", "")}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

export function Num({ children }: { children: ComponentChildren }) {
  return <td class="saew-num">{children}</td>;
}
