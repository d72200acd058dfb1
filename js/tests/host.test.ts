import { expect, test } from "vitest";
import { Client } from "../src/kernel/rpc";
import type { Json } from "../src/kernel/types";
import { canonical, RecordedModel } from "../src/page/host";
import { offline } from "../src/widgets/heatmap/offline";

const rank = (tokens: number[], features: number[]): Json => ({ text: "a", sort: "max", tokens, min: 0, features });
const model = () =>
  new RecordedModel(
    {
      state: { text: "a", features: [1] },
      recorded: [
        { ch: "tokens", p: { text: "a" }, r: "the tokens", arrays: [] },
        { ch: "rank", p: rank([], []), r: "over all", arrays: [] },
        { ch: "rank", p: rank([2], []), r: "over one", arrays: [] },
      ],
    },
    offline,
  );

test("canonical JSON", () => {
  expect(canonical({ b: [1, { d: null, c: "x" }], a: 0.0 })).toBe('{"a":0,"b":[1,{"c":"x","d":null}]}');
  expect(canonical(JSON.parse("[1.0, 2.50]"))).toBe("[1,2.5]");
});

test("recorded answers, whatever the order of keys and whichever features are coloured", async () => {
  const client = new Client(model(), { encoding: "binary" });
  expect((await client.request("tokens", { text: "a" })).r).toBe("the tokens");
  const shuffled = { features: [4, 5], tokens: [2], min: 0, sort: "max", text: "a" };
  expect((await client.request("rank", shuffled)).r).toBe("over one");
  expect((await client.request("rank", rank([], [7]))).r).toBe("over all");
});

test("what was not recorded is offline", async () => {
  const client = new Client(model(), { encoding: "binary" });
  await expect(client.request("tokens", { text: "b" })).rejects.toMatchObject({ info: { type: "Offline" } });
  await expect(client.request("rank", rank([1, 2], []))).rejects.toMatchObject({ info: { type: "Offline" } });
});

test("traits", () => {
  const host = model();
  let told = 0;
  const listener = () => told++;
  host.on("change:features", listener);
  host.set("features", [2]);
  expect([host.get("features"), told]).toEqual([[2], 1]);
  host.off("change:features", listener);
  host.set("features", [3]);
  expect(told).toBe(1);
});
