/** The blind test: what is said of a feature, texts to judge, and what came of it. The kernel judges. */

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Notice } from "../../controls/banner";
import { Footer, Notes } from "../../controls/footer";
import { num } from "../../controls/format";
import { Button, Small, Token } from "../../controls/small";
import { StatusLines } from "../../controls/status";
import { Tip } from "../../controls/tip";
import { useTrait } from "../../kernel/traits";
import type { ViewProps } from "../../page/mount";
import { type Palette, usePalette } from "../../tokens/palette";
import { Card, type Pointed, useKeys } from "./cards";
import { Head } from "./head";
import { Outcome } from "./outcome";
import { type State, useTest } from "./state";
import type { ResultJson, Test } from "./wire";

export function App({ model, root, themeVersion }: ViewProps) {
  const state = useTest(model, root);
  const live = useTrait<boolean>(model, "live");
  const palette = usePalette(root, themeVersion);
  /** Whether the keyboard goes on into the next test. */
  const goesOn = useRef(false);
  const { test, status } = state;
  if (!live && status.offline)
    return (
      <Notice text="This test was not finished. It needs a running notebook: only the kernel knows the answers." />
    );
  return (
    <>
      {test && <Head model={model} state={state} json={test.json} live={live} />}
      <StatusLines status={status} />
      {test ? (
        <Body
          key={`${test.json.f} ${test.json.seed} ${test.json.window} ${test.texts.length}`}
          {...{ state, test, live, palette, root, goesOn }}
        />
      ) : (
        !status.error && <div class="saew-skeleton" aria-hidden="true" />
      )}
    </>
  );
}

interface BodyProps {
  state: State;
  test: Test;
  live: boolean;
  palette: Palette;
  root: HTMLElement;
  goesOn: RefObject<boolean>;
}

function Body({ state, test, live, palette, root, goesOn }: BodyProps) {
  const { json, texts } = test;
  const { result } = json;
  const { answers, answered } = state;
  const n = texts.length;
  const box = useRef<HTMLElement>(null);
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const { current, setCurrent, onKey } = useKeys(box, state);
  useEffect(() => {
    if (goesOn.current) box.current?.querySelector<HTMLElement>(".saew-card")?.focus();
    goesOn.current = false;
  }, []);
  const again = () => {
    goesOn.current = true;
    state.again();
  };
  if (json.why) return <p class="saew-missing">{json.why}</p>;
  return (
    <section ref={box} class={state.stale ? "saew-off" : ""} aria-label="Test" onKeyDown={onKey}>
      {result ? (
        <Outcome result={result} takeFocus={within(box.current)} />
      ) : (
        <p class="saew-task">
          {`In which of these ${n} texts does the feature fire, on any token? It does in half of them. `}
          <Small>
            <kbd>{"\u2191"}</kbd> <kbd>{"\u2193"}</kbd> or <kbd>j</kbd> <kbd>k</kbd> move, <kbd>y</kbd> fires,{" "}
            <kbd>n</kbd> does not
          </Small>
        </p>
      )}
      <Notes notes={json.notes} />
      {result && <Legend result={result} palette={palette} />}
      <ol class="saew-cards" aria-label="Texts">
        {texts.map((text, i) => (
          <Card
            key={i}
            number={i + 1}
            of={n}
            text={text}
            answer={answers[i] ?? null}
            current={i === current}
            result={result}
            palette={palette}
            onAnswer={(answer) => state.put(i, answer)}
            onFocus={() => setCurrent(i)}
            onPoint={setPointed}
          />
        ))}
      </ol>
      <div class="saew-actions">
        {result ? (
          live && (
            <Button class="saew-again" onClick={again}>
              {"Again, with other texts"}
            </Button>
          )
        ) : (
          <>
            <Button class="saew-check" aria-disabled={answered < n} onClick={state.check}>
              Check
            </Button>
            <progress aria-label="Texts answered" max={n} value={answered} />
            <span role="status">{`${answered} of ${n} answered`}</span>
          </>
        )}
      </div>
      <Footer notes={[]} provenance={json.provenance} />
      {pointed && (
        <Tip at={pointed.at} root={root}>
          <Token t={pointed.token} />
          {` ${result?.activation_name ?? "activation"} ${num(pointed.activation)}`}
        </Tip>
      )}
    </section>
  );
}

function Legend({ result, palette }: { result: ResultJson; palette: Palette }) {
  const ramp = `linear-gradient(90deg, rgb(${palette.hues[0]} / 0.02), rgb(${palette.hues[0]} / ${palette.strength}))`;
  return (
    <p class="saew-small">
      <span class="saew-ramp" style={{ background: ramp }} />
      {` ${result.activation_name}, 0 to ${num(result.scale)}, the feature's largest on this corpus`}
    </p>
  );
}

/** Whether the keyboard is in here: only then does it go to the result. */
function within(box: HTMLElement | null): boolean {
  return box?.contains(box.ownerDocument.activeElement) === true;
}
