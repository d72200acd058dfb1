import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { num } from "../src/controls/format";
import { chance } from "../src/controls/small";
import { bytes, decode } from "../src/kernel/arrays";
import { Client, encodingFor } from "../src/kernel/rpc";
import { type ArraySpec, KernelError } from "../src/kernel/types";
import { themeOf } from "../src/page/theme";
import { label, pieces } from "../src/tokens/visible";
import { FakeModel } from "./fake";
import golden from "./wire_golden.json";

describe("arrays", () => {
  const values = Object.entries(golden.values).map(([name, list]) => [name, list.map((v) => v ?? Number.NaN)] as const);

  test("base64 as the kernel writes it", () => {
    const found = decode(golden.message.arrays as Parameters<typeof decode>[0], []);
    for (const [name, list] of values) expect([...(found[name] ?? [])]).toEqual(list);
  });

  test("binary, also where a view starts at an odd byte", () => {
    const raw = golden.message.arrays.map((a) => Uint8Array.from(atob(a.b64), (c) => c.charCodeAt(0)));
    const specs = golden.message.arrays.map(({ b64: _, ...rest }) => rest) as Parameters<typeof decode>[0];
    const shifted = raw.map((data) => {
      const room = new Uint8Array(data.length + 1);
      room.set(data, 1);
      return new DataView(room.buffer, 1);
    });
    for (const buffers of [raw, shifted, raw.map((r) => r.slice().buffer)]) {
      const found = decode(specs, buffers);
      for (const [name, list] of values) expect([...(found[name] ?? [])]).toEqual(list);
    }
  });

  test("a buffer of the wrong size is an error", () => {
    expect(() => decode([{ name: "a", dtype: "f32", shape: [2] }], [new Uint8Array(4)])).toThrow(/a has 4 bytes/);
    expect(() => bytes("no buffer")).toThrow(TypeError);
  });
});

describe("client", () => {
  let model: FakeModel;
  let silence: boolean[];
  let client: Client;
  beforeEach(() => {
    vi.useFakeTimers();
    model = new FakeModel({});
    silence = [];
    client = new Client(model, { encoding: "binary", onSilence: (silent) => silence.push(silent) });
  });
  afterEach(() => vi.useRealTimers());
  const ok = (id: string | undefined, r: string) => model.receive({ t: "res", id: id ?? "", ok: true, r, arrays: [] });
  const requests = () => model.sent.filter((m) => m.t === "req");

  test("one in flight per channel, the latest wins, and the one in flight is cancelled", async () => {
    const first = client.request("tokens", "1");
    const second = client.request("tokens", "2");
    const third = client.request("tokens", "3");
    const other = client.request("rank", "x");
    expect(requests().map((m) => m.p)).toEqual(["1", "x"]);
    expect(model.sent.filter((m) => m.t === "cancel").map((m) => m.id)).toEqual([requests()[0]?.id]);
    await expect(second).rejects.toThrow(/newer/);
    const e = { type: "Cancelled", message: "", traceback: "" };
    model.receive({ t: "res", id: requests()[0]?.id ?? "", ok: false, e });
    await expect(first).rejects.toBeInstanceOf(KernelError);
    expect(requests().map((m) => m.p)).toEqual(["1", "x", "3"]);
    ok(requests()[2]?.id, "three");
    ok(requests()[1]?.id, "ecks");
    expect((await third).r).toBe("three");
    expect((await other).r).toBe("ecks");
  });

  test("answers to other views are ignored", async () => {
    const twin = new Client(model, { encoding: "binary" });
    const mine = client.request("tokens", "a");
    const theirs = twin.request("tokens", "b");
    ok(requests()[1]?.id, "theirs");
    ok("nobody:1", "stray");
    model.receive({ t: "strange" } as never);
    ok(requests()[0]?.id, "mine");
    expect([(await mine).r, (await theirs).r]).toEqual(["mine", "theirs"]);
  });

  test("parts come before the answer, to who asked, also after a cancel", async () => {
    const parts: unknown[] = [];
    const done: number[] = [];
    const asked = client.request("generate", "a", {
      onPart: (part) => parts.push(part),
      onProgress: (n) => done.push(n),
    });
    const id = requests()[0]?.id ?? "";
    model.receive({ t: "part", id, r: { s: 0 } });
    model.receive({ t: "part", id: "nobody:1", r: { s: 9 } });
    model.receive({ t: "progress", id, done: 1, total: 3 });
    vi.advanceTimersByTime(14_000);
    client.cancel("generate");
    client.cancel("generate");
    expect(model.sent.filter((m) => m.t === "cancel").map((m) => m.id)).toEqual([id]);
    model.receive({ t: "part", id, r: { s: 1 } });
    vi.advanceTimersByTime(14_000);
    expect(silence).not.toContain(true);
    ok(id, "what there was");
    expect((await asked).r).toBe("what there was");
    model.receive({ t: "part", id, r: { s: 2 } });
    expect([parts, done]).toEqual([[{ s: 0 }, { s: 1 }], [1]]);
    client.cancel("generate");
    client.cancel("never asked");
    expect(model.sent.length).toBe(2);
  });

  test("silence is said, and taken back when the kernel speaks", async () => {
    const asked = client.request("tokens", "a");
    vi.advanceTimersByTime(14_000);
    model.receive({ t: "progress", id: requests()[0]?.id ?? "", done: 1, total: 2 });
    vi.advanceTimersByTime(14_000);
    expect(silence).toEqual([false]);
    vi.advanceTimersByTime(2_000);
    expect(silence).toEqual([false, true]);
    ok(requests()[0]?.id, "late");
    expect((await asked).r).toBe("late");
    expect(silence.at(-1)).toBe(false);
    vi.advanceTimersByTime(60_000);
    expect(silence.at(-1)).toBe(false);
  });

  test("closing stops listening and settles everything", async () => {
    const asked = client.request("tokens", "a");
    const waiting = client.request("tokens", "b");
    client.close();
    await expect(asked).rejects.toBeInstanceOf(KernelError);
    await expect(waiting).rejects.toBeInstanceOf(KernelError);
    expect(model.listeners()).toBe(0);
  });

  test("numbers lost on the way say what to do", async () => {
    const asked = client.request("tokens", "a");
    const { id } = model.sent.at(-1) as { id: string };
    const arrays: ArraySpec[] = [{ name: "x", dtype: "f32", shape: [2] }];
    model.receive({ t: "res", id, ok: true, r: {}, arrays }, []);
    await expect(asked).rejects.toThrow('encoding="base64"');
  });

  test("the widget's encoding goes before the front-end's", () => {
    const body = document.createElement("body");
    expect(encodingFor(body, "base64")).toBe("base64");
    body.className = "vscode-dark";
    expect(encodingFor(body, "binary")).toBe("binary");
    expect(encodingFor(body, "auto")).toBe("base64");
  });

  test("else base64 in VS Code only", () => {
    const body = document.createElement("body");
    expect(encodingFor(body)).toBe("binary");
    body.className = "x vscode-dark";
    expect(encodingFor(body)).toBe("base64");
    const tagged = document.createElement("body");
    tagged.dataset.vscodeThemeKind = "vscode-light";
    expect(encodingFor(tagged)).toBe("base64");
  });
});

describe("theme", () => {
  const root = () => document.querySelector<HTMLElement>("#root") as HTMLElement;
  beforeEach(() => {
    document.body.className = "";
    for (const name of [...document.body.attributes].map((a) => a.name)) document.body.removeAttribute(name);
    document.body.replaceChildren(Object.assign(document.createElement("div"), { id: "root" }));
  });
  test("the trait decides", () => expect(themeOf(root(), "contrast")).toBe("contrast"));
  test("JupyterLab", () => {
    document.body.dataset.jpThemeLight = "false";
    expect(themeOf(root(), "auto")).toBe("dark");
    document.body.dataset.jpThemeLight = "true";
    expect(themeOf(root(), "auto")).toBe("light");
  });
  test.each([
    ["vscode-dark", "dark"],
    ["vscode-light", "light"],
    ["vscode-high-contrast", "contrast"],
  ])("VS Code: %s", (name, theme) => {
    document.body.className = name;
    expect(themeOf(root(), "auto")).toBe(theme);
  });
  test("a dark ancestor (marimo)", () => {
    document.body.className = "dark";
    expect(themeOf(root(), "auto")).toBe("dark");
  });
  test("the colour behind", () => {
    document.body.style.backgroundColor = "rgb(10, 10, 10)";
    expect(themeOf(root(), "auto")).toBe("dark");
    document.body.style.backgroundColor = "rgb(250, 250, 250)";
    expect(themeOf(root(), "auto")).toBe("light");
  });
});

test("acting characters are named", () => {
  expect(label("a\u202eb\u0000\n\u200d\ufeff")).toBe("aU+202EbU+0000\u21b5U+200DU+FEFF");
  expect(pieces("a\nb")).toEqual([
    { text: "a", kind: "text" },
    { text: "\u21b5\n", kind: "line" },
    { text: "b", kind: "text" },
  ]);
  expect(pieces("<b>\u{1f600}")).toEqual([{ text: "<b>\u{1f600}", kind: "text" }]);
});

test("numbers", () => {
  expect([0, 0.12345, 1.5, 55.731, 935.06, 12345.6, -3.2, 1e-5, Number.NaN].map(num)).toEqual([
    "0",
    "0.123",
    "1.500",
    "55.73",
    "935.1",
    "12346",
    "\u22123.200",
    "1.00e\u22125",
    "\u2013",
  ]);
});

test("probabilities are all in percent", () => {
  expect([0, 1, 0.8148, 0.01234, 7.8e-4, 5.6e-7, undefined].map(chance)).toEqual([
    "0%",
    "100%",
    "81.5%",
    "1.23%",
    "0.078%",
    "5.6e\u22125%",
    "\u2013",
  ]);
});
