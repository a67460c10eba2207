// Asks a live service: tests/serving/test_typescript_client.py starts it and names it in LEPTON_URL.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type components, events, lepton, StreamError } from "../src/index.js";

type Answer = components["schemas"]["PredictResponse"]["predictions"][number];

const { LEPTON_URL = "", LEPTON_KEY = "", LEPTON_PICTURE = "", LEPTON_CHAT = "" } = process.env;
const client = lepton(LEPTON_URL, { key: LEPTON_KEY });
const penguin = {
  island: "Biscoe",
  bill_length_mm: 46,
  bill_depth_mm: 14,
  flipper_length_mm: 220,
  body_mass_g: null,
  sex: "male",
};
const penguins = { params: { path: { model: "penguins_mlp" } } };
const digits = { params: { path: { model: "mnist-sample_cnn" } } };
const predict = "/v1/models/{model}:predict";

function label(answer: Answer | undefined): string {
  assert.ok(typeof answer === "object" && answer !== null && "label" in answer);
  assert.equal(answer.scores[answer.label], answer.score);
  return answer.label;
}

test("rows are answered, and the version is told", async () => {
  const { data, response } = await client.POST(predict, {
    ...penguins,
    body: { instances: [penguin, penguin] },
  });
  assert.equal(data?.predictions.length, 2);
  assert.equal(label(data.predictions[0]), label(data.predictions[1]));
  assert.deepEqual(data.errors, []);
  assert.equal(response.headers.get("x-model-version"), "1");
});

test("a picture comes as a file and in base64", async () => {
  const bytes = Buffer.from(LEPTON_PICTURE, "base64");
  const file = new Blob([bytes], { type: "image/png" });
  const sent = await client.POST(predict, { ...digits, body: { file: [file, file] } });
  const written = await client.POST(predict, { ...digits, body: { instances: [LEPTON_PICTURE] } });
  assert.equal(sent.data?.predictions.length, 2);
  assert.equal(label(sent.data.predictions[1]), label(written.data?.predictions[0]));
});

test("bytes of another type are told from a row", async () => {
  const { error } = await client.POST(predict, {
    ...penguins,
    headers: { "Content-Type": "application/vnd.apache.arrow.stream" },
    body: new Blob(["no Arrow"]),
  });
  assert.equal(error?.status, 422);
  assert.match(error.detail, /Arrow/);
});

test("models are listed and described", async () => {
  const { data } = await client.GET("/v1/models");
  assert.deepEqual(data?.data.map((each) => each.id), ["penguins_mlp", "mnist-sample_cnn"]);
  const one = await client.GET("/v1/models/{model}", penguins);
  assert.equal(one.data?.takes["island"], "category");
});

test("a refusal is the problem that is declared", async () => {
  const nobody = lepton(LEPTON_URL);
  const refused = [
    await nobody.POST(predict, { ...penguins, body: { instances: [penguin] } }),
    await client.POST(predict, { ...penguins, body: { instances: [{ island: 3, sex: [1] }] } }),
    await client.GET("/v1/models/{model}", { params: { path: { model: "roses" } } }),
  ];
  assert.deepEqual(refused.map((each) => each.error?.status), [401, 422, 404]);
  for (const { error } of refused) {
    assert.ok(typeof error?.error === "object");
    // The hint stands behind it, where there is one.
    assert.ok(error.error.message.startsWith(error.detail));
  }
  assert.ok(refused[1]?.error?.rows.some((fault) => fault.row === 0));
});

test("a batch is posted, polled, fetched and removed", async () => {
  const posted = await client.POST("/v1/models/{model}:batch", {
    ...penguins,
    body: { instances: Array.from({ length: 300 }, () => penguin) },
  });
  assert.equal(posted.response.status, 202);
  let batch = posted.data;
  while (batch !== undefined && batch.status !== "finished") {
    assert.notEqual(batch.status, "failed");
    batch = (await client.GET("/v1/batches/{id}", { params: { path: { id: batch.id } } })).data;
  }
  assert.ok(batch);
  const one = { params: { path: { id: batch.id } } };
  const results = await client.GET("/v1/batches/{id}/results", { ...one, parseAs: "text" });
  assert.equal(results.data?.trim().split("\n").length, 300);
  assert.equal((await client.DELETE("/v1/batches/{id}", one)).response.status, 204);
});

async function streamed(path: string): Promise<string[]> {
  const found: string[] = [];
  const { body } = await fetch(`${LEPTON_CHAT}${path}`, { method: "POST", body: "{}" });
  for await (const event of events<{ text: string }>(body)) found.push(event.text);
  return found;
}

test("events come as they are sent", async () => {
  assert.deepEqual(await streamed("/whole"), ["one\u2028 and \u2028 raw", "two"]);
  await assert.rejects(streamed("/broken"), (error: unknown) => {
    return error instanceof StreamError && error.message.includes("in the middle");
  });
  await assert.rejects(streamed("/failed"), /the engine ended/);
});
