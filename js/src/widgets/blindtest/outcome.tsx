/** What came of the test: the score with its baseline and interval, of what it is, and the tests before. */

import { useEffect, useRef } from "preact/hooks";
import { count } from "../../controls/format";
import { Small } from "../../controls/small";
import { label as visible } from "../../tokens/visible";
import type { Earlier, ResultJson } from "./wire";

const EARLIER = 5;
const KINDS: Record<Earlier["kind"], string> = {
  label: "label",
  explanation: "explanation",
  automatic: "automatic description",
  nothing: "no description",
};

export function Outcome({ result, takeFocus }: { result: ResultJson; takeFocus: boolean }) {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    if (takeFocus) box.current?.focus();
  }, []);
  const n = result.active + result.silent;
  const right = result.true_positives + result.true_negatives;
  return (
    <section class="saew-outcome" aria-label="Result" tabIndex={-1} ref={box}>
      <p class="saew-score">
        <b>{result.score.toFixed(2)}</b>
        <span>
          {`balanced accuracy; guessing gives ${result.chance}`}
          <br />
          <Small>{`${right} of ${n} right; 95% interval of that share ${result.low.toFixed(2)} to ${result.high.toFixed(2)} (Wilson)`}</Small>
        </span>
      </p>
      <ul class="saew-rates">
        <li>
          {`True positive rate ${result.tpr.toFixed(2)} `}
          <Small>{`of ${count(result.active, "text")} in which it fires, ${result.true_positives} found`}</Small>
        </li>
        <li>
          {`True negative rate ${result.tnr.toFixed(2)} `}
          <Small>{`of ${count(result.silent, "text")} in which it does not, ${result.true_negatives} told so`}</Small>
        </li>
      </ul>
      <p class="saew-small">
        {"Kept as "}
        {`\u201c${result.measure}\u201d`}
        {result.kind === "nothing" ? ", with no description shown." : ` with the ${KINDS[result.kind]} that was shown.`}
      </p>
      {result.note && <p class="saew-note">{result.note}</p>}
      {result.earlier.length > 0 && (
        <details>
          <summary>{count(result.earlier.length, "earlier test")}</summary>
          <ul class="saew-earlier">
            {result.earlier.slice(0, EARLIER).map((one) => (
              <li key={one.at}>
                <b>{one.score.toFixed(2)}</b>
                <Small>
                  {` n=${one.n}, ${one.at.slice(0, 10)}, ${KINDS[one.kind]}`}
                  {one.description && (
                    <>
                      {": "}
                      <bdi>{visible(one.description)}</bdi>
                    </>
                  )}
                </Small>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
