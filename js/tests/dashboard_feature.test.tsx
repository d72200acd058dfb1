import { describe, expect, test } from "vitest";
import {
  all,
  button,
  eachStarts,
  el,
  find,
  model,
  panel,
  press,
  requests,
  rows,
  start,
  stop,
  title,
  type,
} from "./board";
import { settle } from "./fake";
import { answering, DEAD, examplesAnswer, featureAnswer, LINES } from "./fake_dashboard";

eachStarts();

describe("showing", () => {
  test("header, tables, notes", () => {
    expect(title()).toBe("Feature 17");
    expect(find(".saew-name")?.textContent).toBe("the article");
    expect(find(".saew-facts")?.textContent).toContain("0.312% 385 of 123,456 counted tokens");
    expect(find(".saew-position")?.textContent).toBe("18 of 999 by density");
    expect(panel("Fires on")?.textContent).toContain("3003.00025%");
    expect(panel("Correlated neurons")?.textContent).toContain("No neurons were recorded with this index.");
    expect(panel("Logit weights")?.textContent).toContain("kurtosis 3.100");
    expect(find(".saew-footer")?.textContent).toContain("model: tiny");
    expect(requests("feature").map((m) => m.p)).toEqual([{ f: 17, sort: "density", list: [] }]);
    expect(requests("examples").map((m) => m.p)).toEqual([
      { f: 17, group: "all", range: [], view: "snippet", window: 5, token: "", where: [] },
    ]);
  });

  test("examples: token in the middle, cuts, folded repeats", () => {
    expect(rows().length).toBe(2);
    const [first, second] = rows();
    expect(first?.querySelector(".saew-bold")?.textContent).toBe(" the");
    expect(first?.querySelector(".saew-before")?.textContent).toBe("\u2026on top of");
    expect(first?.querySelector(".saew-after")?.textContent).toBe(" old hill\u21b5");
    expect(second?.querySelector(".saew-more")?.textContent).toBe("\u00d74");
  });

  test("where not every repetition is known, a count says so", async () => {
    start({}, (m) => (m.ch === "examples" ? examplesAnswer(m.id, 17, LINES, "top", false) : answering(m)));
    await settle();
    const folded = rows()[1]?.querySelector<HTMLElement>(".saew-more");
    expect(folded?.textContent).toBe("\u2265\u20094\u00d7");
    expect(folded?.title).toContain("at least 4 examples with this snippet");
  });

  test("a dead feature: why there is nothing, and its weights", async () => {
    start({ feature: DEAD });
    await settle();
    expect(find(".saew-dead")?.textContent).toBe("This feature never fires on this corpus (123,456 tokens).");
    expect(panel("Activation histogram")).toBeNull();
    expect(panel("Logit weights")?.querySelectorAll("rect").length).toBeGreaterThan(10);
    expect(panel("Neuron alignment")?.textContent).toContain("\u22120.310");
    expect(panel("Correlated features")?.textContent).toContain("It never fires.");
  });

  test("of another tool's file: what its density is of, and that what is not in it need not be silent", async () => {
    const ofFile = { stated: true, complete: false, kept: 12, counted: 3, density: 0.0255, count: null };
    start({}, (m) => {
      if (m.ch !== "feature") return answering(m);
      return featureAnswer(m.id, 17, { ...ofFile, tokens: [], density_of: "of all tokens, says its file" });
    });
    await settle();
    expect(panel("Fires on")?.textContent).toContain("Its file does not say.");
    const facts = find(".saew-facts")?.textContent;
    expect(facts).toContain("2.55% of all tokens, says its file");
    expect(facts).toContain("of the file with 12 activations");
    expect(facts).not.toContain("counted");
    const silent = "Feature 17 is not in the files: nothing is known of it.";
    start({}, (m) => {
      if (m.ch !== "feature") return answering(m);
      return featureAnswer(m.id, 17, { ...ofFile, density: null, max: null, histogram: null, silent });
    });
    await settle();
    expect(find(".saew-dead")?.textContent).toBe(silent);
    expect(find(".saew-facts")).toBeNull();
    expect(el.textContent).not.toContain("never fires");
  });

  test("no feature", async () => {
    start({ feature: null });
    await settle();
    expect(model.sent).toEqual([]);
    expect(find(".saew-empty")?.textContent).toContain("No feature is chosen");
    button("Random")?.click();
    await settle();
    expect(title()).toBe("Feature 99");
  });

  test("hostile tokens and labels are text nodes", async () => {
    const hostile = ["<img src=x onerror=alert(1)>", "</script>", "\u202eabc", "\u0000", "", "a\nb", "\t"];
    const label = "<b>bold</b>\u202e";
    for (const view of ["snippet", "full"]) {
      start({ view }, (m) => {
        if (m.ch === "examples") return examplesAnswer(m.id, 17, [hostile]);
        if (m.ch === "feature")
          return featureAnswer(m.id, 17, {
            label,
            tokens: hostile.map((t, id) => ({ t, id, count: 1, about: null, mean: 1, share: 1 })),
            logits: null,
            logits_missing: "<i>none</i>",
          });
        return answering(m);
      });
      await settle();
      expect(el.querySelector("img, script, .saew-name b, .saew-missing i")).toBeNull();
      const end = view === "full" ? "\u21b5\n" : "\u21b5";
      expect(all(".saew-ex .saew-t").map((t) => t.textContent)).toEqual([
        "<img src=x onerror=alert(1)>",
        "</script>",
        "U+202Eabc",
        "U+0000",
        "\u2025",
        `a${end}b`,
        view === "full" ? "\t" : "\u21e5",
      ]);
      expect(find(".saew-name")?.textContent).toBe("<b>bold</b>U+202E");
    }
  });

  test("an answer whose parts do not fit is an error, not a guess", async () => {
    model.answer = (m) => {
      const answer = answering(m);
      if (m.ch === "examples" && answer?.t === "res" && answer.ok) answer.arrays.pop();
      return answer;
    };
    model.push({ group: "top" });
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("different numbers");
  });
});

describe("going about", () => {
  test("next, back, rows of other features", async () => {
    expect(button("\u2190 Back")?.disabled).toBe(true);
    button("Next \u203a")?.click();
    await settle();
    expect([model.get("feature"), title()]).toEqual([18, "Feature 18"]);
    panel("Correlated features")?.querySelector("button")?.click();
    await settle();
    expect(title()).toBe("Feature 23");
    button("\u2190 Back")?.click();
    await settle();
    button("\u2190 Back")?.click();
    await settle();
    expect([model.get("feature"), title()]).toEqual([17, "Feature 17"]);
    expect(button("\u2190 Back")?.disabled).toBe(true);
  });

  test("random goes by the list", async () => {
    start({ features: [17, 99] });
    await settle();
    button("Random")?.click();
    await settle();
    expect(requests("random").at(-1)?.p).toEqual({ f: 17, list: [17, 99] });
    expect(title()).toBe("Feature 99");
  });

  test("jump; a number that is none of a feature is the kernel's error, and the last feature stays", async () => {
    const box = find<HTMLInputElement>(".saew-jump input");
    type(box, "40");
    press(box, "Enter");
    await settle();
    expect([model.get("feature"), title(), box?.value]).toEqual([40, "Feature 40", ""]);
    type(box, "5000");
    press(box, "Enter");
    await settle();
    expect(find(".saew-banner-error")?.textContent).toContain("There is no feature 5000");
    expect([model.get("feature"), title()]).toEqual([40, "Feature 40"]);
    button("Next \u203a")?.click();
    await settle();
    expect(find(".saew-banner-error")).toBeNull();
    button("\u2190 Back")?.click();
    await settle();
    expect(title()).toBe("Feature 40");
  });

  test("a late answer to an earlier question is not shown", async () => {
    model.answer = () => null;
    model.push({ feature: 20 });
    await settle();
    model.push({ feature: 17 });
    await settle();
    const late = requests("feature").at(-1);
    model.receive(featureAnswer(late?.id ?? "", 20) as never);
    await settle();
    expect(title()).toBe("Feature 17");
  });

  test("a new revision asks again", async () => {
    model.push({ revision: 1 });
    await settle();
    expect([requests("feature").length, requests("examples").length]).toEqual([2, 2]);
  });

  test("the label: Enter saves, Escape does not", async () => {
    button("edit")?.click();
    await settle();
    const box = () => find<HTMLInputElement>(".saew-labelbox input");
    expect(box()?.value).toBe("the article");
    type(box(), "nonsense");
    press(box(), "Escape");
    await settle();
    expect(requests("label")).toEqual([]);
    expect(find(".saew-name")?.textContent).toBe("the article");
    button("edit")?.click();
    await settle();
    type(box(), "articles");
    press(box(), "Enter");
    await settle();
    expect(requests("label").map((m) => m.p)).toEqual([{ f: 17, label: "articles" }]);
    expect(find(".saew-name")?.textContent).toBe("articles");
  });

  test("leaving removes every listener", async () => {
    start({ ablation: true, text: "the end" });
    await settle();
    expect(model.listeners()).toBeGreaterThan(0);
    stop();
    stop();
    await settle();
    expect(model.listeners()).toBe(0);
    expect(el.childElementCount).toBe(0);
  });
});
